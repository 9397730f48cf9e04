// The events page: the journal of the tree or of a part of it, a page at a time as one
// scrolls, and its end as it grows.
//
// The end is read from the journal every few seconds and not from the stream of
// notifications (api/v1/events): that one knows changes of status alone, nothing of the
// lines of logs, definitions and thresholds, cannot be asked for kinds, statuses and
// texts, and what it tells has no number by which it could be told from what was read
// already. What the journal says is on the disk, too.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { tellingOf } from '../alerts/told';
import { get } from '../api';
import { useApp } from '../app';
import { figures, moment, plural, show } from '../format';
import { names } from '../path';
import { Find } from '../problems';
import { words } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Icon, Mark } from '../ui/marks';
import { Green, Red, type Status, type StatusWord, White, Yellow, statusWords } from '../wire';

interface Entry {
  id: string;
  time: string;
  kind: string;
  path: string;
  from?: StatusWord;
  to: StatusWord;
  value?: number | string | null;
  unit?: string;
  text?: string;
}

interface Answer {
  entries: Entry[] | null;
  next?: string;
}

/** The kinds of the journal, and what people call them. */
const kinds: readonly (readonly [kind: string, title: string])[] = [
  ['status', 'Changes of status'],
  ['event', 'Events of logs'],
  ['alert', 'Alerts'],
  ['definition', 'Definitions'],
  ['tuning', 'Thresholds'],
  ['manager', 'Starts and stops'],
];

const spans: readonly (readonly [span: string, title: string])[] = [
  ['-1h', 'Last hour'],
  ['-24h', 'Last day'],
  ['-7d', 'Last week'],
  ['-30d', 'Last 30 days'],
  ['range', 'From … to …'],
];

const pageSize = 200;
const tailMs = 3000;

/** Query is what is asked of the journal. */
interface Query {
  path: string;
  kinds: string;
  statuses: string;
  text: string;
  from: string;
  to: string; // empty: now
}

function addressOf(q: Query, more: Record<string, string>): string {
  const params = new URLSearchParams({ path: q.path, from: q.from, limit: String(pageSize) });
  if (q.to) params.set('to', q.to);
  if (q.text) params.set('text', q.text);
  if (q.kinds) params.set('kind', q.kinds);
  if (q.statuses) params.set('status', q.statuses);
  for (const [name, value] of Object.entries(more)) params.set(name, value);
  return `api/v1/journal?${params}`;
}

interface Found {
  entries: readonly Entry[]; // newest first
  next: string; // empty: there is no more
  loading: boolean;
  error: string;
}

const nothing: Found = { entries: [], next: '', loading: true, error: '' };

/** useJournal reads the journal a page at a time, and follows its end. */
function useJournal(q: Query, tail: boolean): Found & { more: () => void } {
  const [found, setFound] = useState<Found>(nothing);
  const now = useRef(found);
  now.current = found;
  const key = JSON.stringify(q);
  const reading = useRef<AbortController | undefined>(undefined);

  const read = useCallback(
    async (more: boolean) => {
      reading.current?.abort();
      const stop = (reading.current = new AbortController());
      setFound((f) => ({ ...(more ? f : { ...nothing, entries: f.entries }), loading: true, error: '' }));
      try {
        const answer = await get<Answer>(addressOf(JSON.parse(key) as Query, more ? { after: now.current.next } : {}), stop.signal);
        const entries = answer.entries ?? [];
        setFound((f) => ({ entries: more ? [...f.entries, ...entries] : entries, next: answer.next ?? '', loading: false, error: '' }));
      } catch (error) {
        if (!stop.signal.aborted) setFound((f) => ({ ...f, loading: false, error: words(error) }));
      }
    },
    [key],
  );
  useEffect(() => {
    void read(false);
    return () => reading.current?.abort();
  }, [read]);

  useEffect(() => {
    if (!tail) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      const newest = now.current.entries[0];
      if (document.visibilityState === 'visible' && !now.current.loading) {
        try {
          const since: Record<string, string> = newest ? { from: newest.time } : {};
          const { entries, next } = await get<Answer>(addressOf(JSON.parse(key) as Query, since), stop.signal);
          const known = new Set(now.current.entries.slice(0, 2 * pageSize).map((e) => e.id));
          const fresh = (entries ?? []).filter((e) => !known.has(e.id));
          // More than a page came at once: begin anew, so that none is missing between.
          if (next && newest && fresh.length === pageSize) void read(false);
          else if (fresh.length > 0) setFound((f) => ({ ...f, entries: [...fresh, ...f.entries], error: '' }));
          else if (now.current.error) setFound((f) => ({ ...f, error: '' }));
        } catch (error) {
          if (!stop.signal.aborted) setFound((f) => ({ ...f, error: words(error) }));
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void look(), tailMs);
    };
    timer = setTimeout(() => void look(), tailMs);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [tail, key, read]);

  const more = useCallback(() => {
    const f = now.current;
    if (f.next && !f.loading && !f.error) void read(true);
  }, [read]);
  return { ...found, more };
}

/** localTime writes a moment for a field of type datetime-local, and readLocal reads it. */
function localTime(iso: string | undefined): string {
  const at = new Date(iso ?? '');
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function readLocal(text: string): string | undefined {
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

export function Events() {
  const app = useApp();
  const { params } = app.route;
  const span = params.from && params.from.startsWith('-') ? params.from : params.from || params.to ? 'range' : '-24h';
  const past = app.at === undefined ? '' : new Date(app.at).toISOString();
  const query: Query = {
    path: params.in ?? '/',
    kinds: params.kind ?? '',
    statuses: params.status ?? '',
    text: params.find ?? '',
    // Of a moment in the past the journal is told up to then.
    from: past && span !== 'range' ? new Date(app.at! - hoursOf(span) * 3_600_000).toISOString() : span === 'range' ? (params.from ?? '-24h') : span,
    to: params.to ?? past,
  };
  const tail = query.to === '' && params.tail !== 'off';
  const found = useJournal(query, tail);
  const chosen = query.statuses.split(',').filter(Boolean);
  const choose = (w: StatusWord) => app.put({ status: (chosen.includes(w) ? chosen.filter((c) => c !== w) : [...chosen, w]).join() || undefined });
  return (
    <div class="whole events-page">
      <h1 class="hidden">Events</h1>
      <div class="bar" role="search" aria-label="Filter of events">
        <Find value={query.text} onValue={(text) => app.put({ find: text || undefined })} label="Search in texts and values" />
        <div class="chips" role="group" aria-label="Filter by status">
          {([Red, Yellow, White, Green] as const).map((s: Status) => (
            <button key={s} class={`chip ${statusWords[s]}`} aria-pressed={chosen.includes(statusWords[s])} onClick={() => choose(statusWords[s])}>
              <Mark status={s} size={12} /> {statusWords[s]}
            </button>
          ))}
        </div>
        <select class="input" aria-label="Kind" value={query.kinds} onChange={(e) => app.put({ kind: e.currentTarget.value || undefined })}>
          <option value="">Everything</option>
          {kinds.map(([kind, title]) => (
            <option key={kind} value={kind} selected={kind === query.kinds}>
              {title}
            </option>
          ))}
        </select>
        <select
          class="input"
          aria-label="Time"
          value={span}
          onChange={(e) => {
            const to = e.currentTarget.value;
            if (to === 'range') app.put({ from: new Date(app.shown() - 86_400_000).toISOString(), to: new Date(app.shown()).toISOString() });
            else app.put({ from: to === '-24h' ? undefined : to, to: undefined });
          }}
        >
          {spans.map(([value, title]) => (
            <option key={value} value={value} selected={value === span}>
              {title}
            </option>
          ))}
        </select>
        {span === 'range' ? (
          <span class="range">
            <input class="input" type="datetime-local" aria-label="From" value={localTime(query.from)} onChange={(e) => app.put({ from: readLocal(e.currentTarget.value) })} />
            <span aria-hidden="true">–</span>
            <input class="input" type="datetime-local" aria-label="To" value={localTime(query.to)} onChange={(e) => app.put({ to: readLocal(e.currentTarget.value) })} />
          </span>
        ) : null}
        {query.path === '/' ? null : (
          <p class="within">
            in <b>{names(query.path).join(' / ')}</b>
            <button class="link" onClick={() => app.put({ in: undefined })}>
              everywhere
            </button>
          </p>
        )}
        <button class="tail" aria-pressed={tail} disabled={query.to !== ''} title="New events appear by themselves" onClick={() => app.put({ tail: tail ? 'off' : undefined })}>
          <Icon name={tail ? 'play' : 'clock'} /> {tail ? 'Live' : 'Not live'}
        </button>
      </div>
      <List
        label="Events, the newest first"
        name="journal"
        items={found.entries}
        columns={columns}
        keyOf={(e) => e.id}
        rowClass={(e) => e.to}
        onOpen={(e) => app.showNode(e.path)}
        more={found.more}
        slimRow={60}
        empty={found.error || (found.loading ? 'Reading the journal…' : 'Nothing that matches happened in this time.')}
      />
      <p class="foot" role="status">
        {found.error && found.entries.length > 0 ? <span class="wrong">{found.error} </span> : null}
        {found.entries.length === 0 ? '' : found.next ? `the newest ${figures(found.entries.length)}: scroll for more` : plural(found.entries.length, 'event')}
      </p>
    </div>
  );
}

function hoursOf(span: string): number {
  const n = Number(span.slice(1, -1));
  return span.endsWith('d') ? 24 * n : n;
}

function Turn({ e }: { e: Entry }) {
  const of = (w: StatusWord) => statusWords.indexOf(w) as Status;
  // That somebody was told has no status.
  if (e.kind === 'alert' && tellingOf(e)) return <Icon name="bell" />;
  return (
    <span class="turn">
      {e.from && e.from !== e.to ? (
        <>
          <Mark status={of(e.from)} size={11} />
          <span class="hidden">{e.from}</span>
          <span class="to" aria-hidden="true">
            →
          </span>
          <span class="hidden"> to </span>
        </>
      ) : null}
      <Mark status={of(e.to)} size={14} />
      <span class="word">{e.to}</span>
    </span>
  );
}

function What({ e }: { e: Entry }) {
  const v = show(e.value, e.unit);
  return (
    <>
      {v.number ? (
        <b>
          {v.number}
          {v.unit ? <span class="unit"> {v.unit}</span> : null}
        </b>
      ) : null}
      {v.number && e.text ? ' · ' : ''}
      {e.text}
    </>
  );
}

function Time({ e }: { e: Entry }) {
  const at = Date.parse(e.time);
  return <time title={e.time}>{moment(at)}</time>;
}

const columns: readonly Column<Entry>[] = [
  { name: 'time', title: 'Time', width: '10.5rem', slim: false, draw: (e) => <Time e={e} /> },
  { name: 'kind', title: 'Kind', width: '6.5rem', slim: false, draw: (e) => e.kind },
  { name: 'turn', title: 'Status', width: '7.5rem', slim: '52px', draw: (e) => <Turn e={e} /> },
  {
    name: 'node',
    title: 'Node',
    width: 'minmax(10rem, 1fr)',
    slim: 'minmax(0, 1fr)',
    draw: (e) => {
      const way = names(e.path);
      return (
        <>
          <span class="path" title={e.path}>
            <b>{way.at(-1) ?? 'the manager'}</b> <span class="soft">{way.slice(0, -1).join(' / ')}</span>
          </span>
          <span class="phone">
            <Time e={e} /> <What e={e} />
          </span>
        </>
      );
    },
  },
  {
    name: 'what',
    title: 'What',
    width: 'minmax(0, 1.4fr)',
    slim: false,
    draw: (e) => (
      <span title={e.text}>
        <What e={e} />
      </span>
    ),
  },
];

