// The history of a node: a chart with the ranges that people ask for, what it comes to in
// words, and the same as a table.

import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { Problem } from '../api';
import { duration, figures, moment, show } from '../format';
import { Chart } from '../ui/chart';
import { Dialog } from '../ui/dialog';
import { Choice, Form, Submit, TextField } from '../ui/form';
import { Icon } from '../ui/marks';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import type { Line } from './level';
import { type Series, add, bandAt, readSeries, rowsOf, shares, slide, summary } from './series';

const minute = 60_000;
const ranges = { minute, hour: 60 * minute, day: 24 * 60 * minute, week: 7 * 24 * 60 * minute } as const;
type RangeName = keyof typeof ranges | 'own';
const rangeNames: readonly (readonly [RangeName, string])[] = [
  ['minute', 'Minute'],
  ['hour', 'Hour'],
  ['day', 'Day'],
  ['week', 'Week'],
  ['own', 'Own'],
];

const tickMs = 1000; // how often what is live comes to the line
const pointsOfAChart = 360;
const shortest = 1000; // ms that a zoom goes down to
const rowsOfTheTable = 60;

let lastRange: Exclude<RangeName, 'own'> = 'hour'; // of the node that was shown before

interface Own {
  from: number;
  to: number;
}

export interface Live {
  value: number | undefined; // undefined: there is no number now
  status: Status;
}

interface Props {
  path: string;
  name: string;
  unit: string;
  numbers: boolean; // there are values, not only statuses
  lines: readonly Line[];
  live: Live;
}

export function History(props: Props) {
  const [large, enlarge] = useState(false);
  return (
    <section class="history" aria-label="History">
      <Graph {...props} height={props.numbers ? 210 : 78} onLarger={() => enlarge(true)} />
      {large ? (
        <Dialog wide title={`History of ${props.name}`} onClose={() => enlarge(false)}>
          <div class="history">
            <Graph {...props} height={props.numbers ? 380 : 90} />
          </div>
        </Dialog>
      ) : null}
    </section>
  );
}

function Graph({ path, name, unit, numbers, lines, live, height, onLarger }: Props & { height: number; onLarger?: () => void }) {
  const app = useApp();
  const [range, setRange] = useState<Exclude<RangeName, 'own'>>(lastRange);
  const [own, setOwn] = useState<Own | undefined>(undefined);
  const [picking, pick] = useState(false);
  const [cursor, setCursor] = useState<{ at: number; point: number } | undefined>(undefined);
  const history = useSeries(path, ranges[range], own, live);
  const { series, version, error } = history;
  const choose = (name: RangeName) => {
    if (name === 'own') {
      pick(true);
      return;
    }
    pick(false);
    setOwn(undefined);
    lastRange = name;
    setRange(name);
  };
  const zoom = (from: number, to: number) => {
    const now = app.shown();
    const middle = (from + to) / 2;
    const half = Math.max(shortest, to - from) / 2;
    const end = Math.min(middle + half, now);
    setOwn({ from: Math.round(Math.min(middle - half, end - 2 * half)), to: Math.round(end) });
    pick(false);
  };
  const utc = app.prefs.zone === 'utc';
  return (
    <>
      <div class="history-head">
        <Choice label="Range" value={picking || own ? 'own' : range} onValue={choose} options={rangeNames} />
        {own && !picking ? (
          <button onClick={() => setOwn(undefined)}>
            <Icon name="close" />
            {app.at === undefined ? 'Back to now' : `Back to the ${range}`}
          </button>
        ) : null}
        {onLarger ? (
          <button class="plain larger" onClick={onLarger} aria-label="Larger" title="Larger">
            <Icon name="full" />
          </button>
        ) : null}
      </div>
      {picking ? (
        <OwnRange
          utc={utc}
          own={own ?? { from: app.shown() - ranges[range], to: app.shown() }}
          onDone={(o) => {
            pick(false);
            if (o) setOwn(o);
          }}
        />
      ) : null}
      {error ? (
        <p class="trouble" role="status">
          The history is not there at the moment: {error}
        </p>
      ) : null}
      {series ? (
        <>
          {numbers && unit.length > 4 ? (
            <p class="axis-unit" aria-hidden="true">
              {unit}
            </p>
          ) : null}
          <Chart
            series={series}
            version={version}
            numbers={numbers}
            unit={unit}
            lines={lines}
            height={height}
            utc={utc}
            theme={app.prefs.theme}
            label={`${name}${own ? '' : `, the last ${range}`}: ${inWords(series, unit, numbers)}`}
            onCursor={(at, point) => setCursor(at === undefined ? undefined : { at, point })}
            onZoom={zoom}
            onReset={() => setOwn(undefined)}
          />
          <p class={numbers ? 'readout two' : 'readout'} aria-live={cursor ? 'polite' : 'off'}>
            {cursor ? readout(series, cursor, unit) : inWords(series, unit, numbers)}
          </p>
          <Table series={series} unit={unit} numbers={numbers} />
        </>
      ) : error ? null : (
        <div class={numbers ? 'chart waiting' : 'chart waiting flat'} aria-busy="true" />
      )}
    </>
  );
}

/** useSeries reads the history and, while it follows the present, goes on with what is live. */
function useSeries(path: string, span: number, own: Own | undefined, live: Live) {
  const app = useApp();
  const { at } = app;
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const state = useRef<{ series: Series | undefined; version: number; error: string }>({ series: undefined, version: 0, error: '' });
  const latest = useRef(live);
  latest.current = live;
  useEffect(() => {
    const follows = own === undefined && at === undefined;
    let abort = new AbortController();
    let again: ReturnType<typeof setTimeout> | undefined;
    const show = (change: Partial<typeof state.current>) => {
      state.current = { ...state.current, ...change, version: state.current.version + 1 };
      draw(undefined);
    };
    const step = () => {
      const { series } = state.current;
      if (!series || !follows || document.visibilityState !== 'visible' || app.feed.link.state !== 'live') return;
      const now = app.now();
      add(series, now, latest.current.value, latest.current.status);
      slide(series, now - span);
      show({});
    };
    const read = async () => {
      abort.abort();
      abort = new AbortController();
      const { signal } = abort;
      const end = own?.to ?? app.shown();
      const begin = own?.from ?? end - span;
      try {
        const series = await readSeries(path, begin, end, pointsOfAChart, signal);
        if (signal.aborted) return;
        if (follows) add(series, app.now(), latest.current.value, latest.current.status);
        show({ series, error: '' });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        show({ error: error.message });
      }
      // What the server has is exact; what is added here is what the page was told.
      if (follows) again = setTimeout(() => void read(), Math.max(15_000, Math.min(span / 20, 5 * minute)));
    };
    void read();
    const timer = follows ? setInterval(step, tickMs) : undefined;
    return () => {
      abort.abort();
      clearTimeout(again);
      clearInterval(timer);
    };
  }, [path, span, own?.from, own?.to, at, app]);
  return state.current;
}

function valueWords(v: number | null | undefined, unit: string): string {
  const shown = show(v, unit);
  return shown.unit ? `${shown.number} ${shown.unit}` : shown.number;
}

/** readout says what is at the pointer. */
function readout(s: Series, cursor: { at: number; point: number }, unit: string): string {
  const p = s.points[cursor.point];
  const at = p ? p.time : cursor.at;
  const band = bandAt(s, cursor.at);
  const parts = [moment(at)];
  if (p && p.count > 0) {
    parts.push(valueWords(p.avg, unit) + (p.count > 1 && p.min !== p.max ? ` on average (${valueWords(p.min, unit)} to ${valueWords(p.max, unit)})` : ''));
  } else if (p) parts.push('no readings');
  if (band) parts.push(statusWords[band.status] + (band.text ? `: ${band.text}` : ''));
  return parts.join(' · ');
}

/** inWords is what the chart comes to. */
function inWords(s: Series, unit: string, numbers: boolean): string {
  const parts: string[] = [];
  const sum = numbers ? summary(s) : undefined;
  if (sum) parts.push(sum.min === sum.max ? `always ${valueWords(sum.avg, unit)}` : `${valueWords(sum.min, unit)} to ${valueWords(sum.max, unit)}, ${valueWords(sum.avg, unit)} on average`);
  else if (numbers) parts.push('no readings in this time');
  const part = shares(s);
  const known = ([Red, Yellow, White, Green] as const).filter((status) => part[status]! > 0);
  if (known.length === 1) parts.push(`${statusWords[known[0]!]} all the time`);
  else if (known.length > 1) parts.push(known.map((status) => `${statusWords[status]} ${percent(part[status]!)}`).join(', '));
  return parts.join('; ');
}

function percent(part: number): string {
  if (part > 0.99 && part < 1) return 'over 99 %';
  return part < 0.01 ? 'under 1 %' : `${figures(Math.round(part * 100))} %`;
}

/** Table is the chart for who cannot see it, and for who wants the figures. */
function Table({ series, unit, numbers }: { series: Series; unit: string; numbers: boolean }) {
  const [open, setOpen] = useState(false);
  const points = useMemo(() => (open && numbers ? rowsOf(series, rowsOfTheTable).reverse() : []), [open, series, series.points.length]);
  const bands = open && !numbers ? series.bands.slice(-rowsOfTheTable).reverse() : [];
  return (
    <details class="fold" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>As a table</summary>
      {open && numbers ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="History as a table">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Lowest</th>
                <th scope="col">Average</th>
                <th scope="col">Highest</th>
                <th scope="col">Status</th>
              </tr>
            </thead>
            <tbody>
              {points.map((p) => (
                <tr key={p.time}>
                  <th scope="row">{moment(p.time)}</th>
                  <td>{valueWords(p.min, unit)}</td>
                  <td>{valueWords(p.avg, unit)}</td>
                  <td>{valueWords(p.max, unit)}</td>
                  <td>{statusWords[bandAt(series, p.time)?.status ?? White]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : open ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="History as a table">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col">For</th>
                <th scope="col">Status</th>
              </tr>
            </thead>
            <tbody>
              {bands.map((b) => (
                <tr key={b.from}>
                  <th scope="row">{moment(b.from)}</th>
                  <td>{duration(b.to - b.from)}</td>
                  <td>{statusWords[b.status] + (b.text ? `: ${b.text}` : '')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}

/** OwnRange asks for a beginning and an end. */
function OwnRange({ own, utc, onDone }: { own: Own; utc: boolean; onDone: (own: Own | undefined) => void }) {
  const [from, setFrom] = useState(field(own.from, utc));
  const [to, setTo] = useState(field(own.to, utc));
  const [error, setError] = useState('');
  const send = () => {
    const [begin, end] = [parse(from, utc), parse(to, utc)];
    if (Number.isNaN(begin) || Number.isNaN(end)) setError('Give a date and a time for both.');
    else if (begin >= end) setError('The beginning is not before the end.');
    else onDone({ from: begin, to: end });
  };
  return (
    <Form
      label="Own range"
      class="own-range"
      onSend={send}
      error={error}
      actions={
        <>
          <Submit>Show</Submit>
          <button type="button" onClick={() => onDone(undefined)}>
            Cancel
          </button>
        </>
      }
    >
      <TextField label={utc ? 'From (UTC)' : 'From'} type="datetime-local" step="1" value={from} onValue={setFrom} />
      <TextField label={utc ? 'To (UTC)' : 'To'} type="datetime-local" step="1" value={to} onValue={setTo} />
    </Form>
  );
}

/** field writes a moment as a field for dates and times has it. */
function field(ms: number, utc: boolean): string {
  const d = new Date(utc ? ms : ms - new Date(ms).getTimezoneOffset() * minute);
  return d.toISOString().slice(0, 19);
}

function parse(text: string, utc: boolean): number {
  return Date.parse(utc && text ? text + 'Z' : text);
}

/** atMoment writes a moment for lists: the time, and the date when it is another day than the page shows. */
export function atMoment(time: string | undefined, shown: number): string {
  const ms = time ? Date.parse(time) : NaN;
  return Number.isNaN(ms) ? '' : moment(ms, shown);
}

