// Time travel: a bar with a slider over all that the history still holds. While a moment
// of the past is shown, the bar says so over the whole width of the page.

import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { Problem, get } from '../api';
import { useApp } from '../app';
import { age, clock, day, moment, plural } from '../format';
import { names } from '../path';
import { type StatusWord, statusWords } from '../wire';
import { Icon, Mark } from './marks';

/** What the history holds: the answer of GET api/v1/moments. */
interface Moments {
  from: string; // RFC 3339: the earliest that can be shown
  merged_until?: string; // before that, moments are known in steps of five minutes
  marks?: { time: string; path: string; to: StatusWord; changes: number }[]; // the worst change of each step
}

interface Change {
  at: number; // unix milliseconds
  path: string;
  to: StatusWord;
  others: number; // changes about the same time
}

const hour = 3_600_000;
/** The stretches that the slider can cover, in milliseconds, by name; the last is all there is. */
const spans: readonly [string, number][] = [
  ['an hour', hour],
  ['six hours', 6 * hour],
  ['a day', 24 * hour],
  ['a week', 168 * hour],
  ['all', Infinity],
];
/** Whoever slides sees where he stops, and some of what is on the way. */
const slideMs = 150;

/** TimeBar says which moment is shown; present: the page below shows what is of now. */
export function TimeBar({ present, onClose }: { present: boolean; onClose: () => void }) {
  const app = useApp();
  const [, tick] = useReducer((n: number) => n + 1, 0);
  const now = app.now();
  const [held, setHeld] = useState<{ from: number; merged: number; marks: Change[] } | undefined>();
  const [error, setError] = useState('');
  // At first the moment of the address is in reach.
  const [span, setSpan] = useState(() => Math.max(0, spans.findIndex(([, ms]) => ms > app.now() - (app.at ?? app.now()))));
  const [sliding, setSliding] = useState<number | undefined>();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const clock = setInterval(() => tick(undefined), 1000);
    return () => {
      clearInterval(clock);
      clearTimeout(timer.current);
    };
  }, []);
  useEffect(() => {
    const abort = new AbortController();
    const reach = spans[span]![1];
    const since = Number.isFinite(reach) ? `?from=${new Date(app.now() - reach).toISOString()}` : '';
    get<Moments>('api/v1/moments' + since, abort.signal).then(
      (m) => {
        const marks = (m.marks ?? []).map((k) => ({ at: Date.parse(k.time), path: k.path, to: k.to, others: k.changes - 1 }));
        const from = Date.parse(m.from);
        setHeld({
          from: Number.isFinite(from) ? from : app.now() - hour,
          merged: Date.parse(m.merged_until ?? '') || 0,
          marks: marks.filter((k) => Number.isFinite(k.at)).sort((a, b) => a.at - b.at),
        });
        setError('');
      },
      (e: unknown) => {
        if (!abort.signal.aborted) setError(e instanceof Problem ? e.message : String(e));
      },
    );
    return () => abort.abort();
  }, [app, span]);

  const at = sliding ?? app.at;
  const oldest = held?.from ?? now - hour;
  const from = Math.max(oldest, now - spans[span]![1], 0);
  const to = now;
  const show = (ms: number | undefined) => {
    clearTimeout(timer.current);
    setSliding(undefined);
    app.showAt(ms);
  };
  const slide = (ms: number) => {
    setSliding(ms);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => show(ms >= to - 1000 ? undefined : ms), slideMs);
  };
  const step = (ms: number) => {
    const next = (at ?? to) + ms;
    if (next >= to) show(undefined);
    else show(Math.max(oldest, next));
  };
  const marks = (held?.marks ?? []).filter((m) => m.at >= from && m.at <= to);
  const before = marks.findLast((m) => m.at < (at ?? to) - 1);
  const after = at === undefined ? undefined : marks.find((m) => m.at > at + 1);
  return (
    <section class={`timebar${at === undefined ? '' : ' travelling'}`} aria-label="Time travel">
      <p class="moment" role="status">
        <Icon name="clock" />
        {at === undefined ? (
          <span>This is now. Slide back to see how everything was.</span>
        ) : (
          <span>
            <b>This is the past: {moment(at, now)}</b>
            <span class="ago">
              {age(now - at)} ago. {present ? 'This page shows what is now.' : 'Nothing here changes.'}{held && at < held.merged ? ' So far back, moments are known in steps of five minutes.' : ''}
            </span>
          </span>
        )}
        {at === undefined ? null : (
          <button class="back" onClick={() => show(undefined)}>
            Back to now
          </button>
        )}
        <button class="plain" aria-label="Close time travel" onClick={() => (show(undefined), onClose())}>
          <Icon name="close" />
        </button>
      </p>
      {error ? <p class="trouble">{error}</p> : null}
      <div class="slide">
        <button class="plain" onClick={() => before && show(before.at)} disabled={!before} aria-label="Change before" title={before ? said(before, now) : 'No change before'}>
          <Icon name="back" />
        </button>
        <div class="track">
          <div class="ticks" aria-hidden="true">
            {marks.slice(-300).map((m, i) => (
              <i key={i} class={m.to} style={{ left: `${((m.at - from) / (to - from)) * 100}%` }} />
            ))}
          </div>
          <input
            type="range"
            aria-label="Moment"
            aria-valuetext={at === undefined ? 'now' : moment(at, now)}
            min={from}
            max={to}
            step={Math.max(1000, Math.round((to - from) / 2000))}
            value={at ?? to}
            onInput={(e) => slide(Number(e.currentTarget.value))}
          />
          <p class="ends" aria-hidden="true">
            <span>{day(from) === day(to) ? clock(from) : moment(from, now)}</span>
            <span>now</span>
          </p>
        </div>
        <button class="plain" onClick={() => (after ? show(after.at) : show(undefined))} disabled={at === undefined} aria-label="Change after" title={after ? said(after, now) : 'Back to now'}>
          <Icon name="forward" />
        </button>
        <label class="span">
          <span class="hidden">Stretch of the slider</span>
          <select value={span} onChange={(e) => setSpan(Number(e.currentTarget.value))}>
            {spans.map(([name], i) => (
              <option key={name} value={i}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <span class="steps" role="group" aria-label="Steps">
          <button onClick={() => step(-hour)}>−1 h</button>
          <button onClick={() => step(-60_000)}>−1 min</button>
          <button onClick={() => step(60_000)} disabled={at === undefined}>
            +1 min
          </button>
          <button onClick={() => step(hour)} disabled={at === undefined}>
            +1 h
          </button>
        </span>
      </div>
      {at === undefined ? null : <Nearby marks={marks} at={at} />}
    </section>
  );
}

function said(m: Change, now: number): string {
  return `${moment(m.at, now)}: ${names(m.path).join(', ')} turned ${m.to}${m.others > 0 ? ` and ${plural(m.others, 'other change')}` : ''}`;
}

/** Nearby names the change that the moment stands on. */
function Nearby({ marks, at }: { marks: readonly Change[]; at: number }) {
  const app = useApp();
  const m = marks.findLast((k) => Math.abs(k.at - at) <= 1000);
  if (!m) return null;
  return (
    <p class="nearby">
      <Mark status={Math.max(0, statusWords.indexOf(m.to)) as 0} size={12} />
      <button class="link" onClick={() => app.showNode(m.path)}>
        {names(m.path).join(' / ')}
      </button>{' '}
      turned {m.to}
    </p>
  );
}
