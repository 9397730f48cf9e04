// The problems page: everything that is not well, live.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Alert, fetchAlerts } from '../alerts/api';
import { useFresh } from '../alerts/reading';
import { useApp, useNow } from '../app';
import { age, figures, moment, plural, show } from '../format';
import { useLive } from '../live';
import { names } from '../path';
import { type Column, List, type Sort } from '../ui/list';
import { Icon, Mark } from '../ui/marks';
import { none } from '../tree';
import { Red, type Status, White, Yellow, statusWords } from '../wire';
import { type Trouble, rank, useTroubles, worse } from './model';
import { useSound, wake } from './sound';

const offered = [Red, Yellow, White] as const;
const typingMs = 200;
const mostMarked = 500; // alerts that somebody knows, or that are held back

/** statusesOf reads the statuses of the address; red and yellow when it says nothing. */
function statusesOf(text: string | undefined): Status[] {
  const chosen = offered.filter((s) => text?.split(',').includes(statusWords[s]));
  return chosen.length > 0 ? chosen : [Red, Yellow];
}

export function Problems() {
  const app = useApp();
  const { params } = app.route;
  const path = params.in ?? '/';
  const statuses = statusesOf(params.status);
  const find = params.find ?? '';
  const { items, hits, loaded, refusal } = useTroubles({ path, statuses, text: find });
  const waits = useSound(app.prefs.sound && app.at === undefined, loaded, items);
  const sort = sortOf(params.sort);
  const choose = (s: Status) => {
    const next = statuses.includes(s) ? statuses.filter((o) => o !== s) : offered.filter((o) => o === s || statuses.includes(o));
    app.put({ status: next.length === 0 || next.join() === '3,2' ? undefined : next.map((o) => statusWords[o]).join() });
  };
  return (
    <div class="whole problems-page">
      <h1 class="hidden">Problems</h1>
      <div class="bar" role="search" aria-label="Filter of problems">
        <Find value={find} onValue={(text) => app.put({ find: text || undefined })} label="Filter by name" />
        <Totals path={path} chosen={statuses} onChoose={choose} />
        {path === '/' ? null : (
          <p class="within">
            in <b>{names(path).join(' / ')}</b>
            <button class="link" onClick={() => app.put({ in: undefined })}>
              everywhere
            </button>
          </p>
        )}
        <a class="button" href={app.href('alerts', path === '/' ? {} : { in: path })}>
          <Icon name="bell" /> Alerts
        </a>
        <Sound waits={waits} />
      </div>
      <Table items={items} loaded={loaded} refusal={refusal} sort={sort} filtered={find !== '' || path !== '/'} />
      <p class="foot" role="status">
        {!loaded && items.length === 0 ? '' : hits > items.length ? `${figures(items.length)} of ${plural(hits, 'problem')} are shown: filter to see others` : plural(items.length, 'node')}
      </p>
    </div>
  );
}

function sortOf(text: string | undefined): Sort | undefined {
  return text ? { column: text.replace(/^-/, ''), down: text.startsWith('-') } : undefined;
}

/** Find is a field that is read once the typing pauses. */
export function Find({ value, onValue, label }: { value: string; onValue: (text: string) => void; label: string }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value; // The address was changed by something else.
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return undefined;
    const timer = setTimeout(() => {
      sent.current = text;
      onValue(text);
    }, typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search">
      <Icon name="search" />
      <span class="hidden">{label}</span>
      <input
        type="search"
        placeholder={label}
        autocomplete="off"
        spellcheck={false}
        maxLength={256}
        value={text}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === 'Escape') setText('');
        }}
      />
    </label>
  );
}

/** Totals counts what there is by status, and chooses which are listed. */
function Totals({ path, chosen, onChoose }: { path: string; chosen: readonly Status[]; onChoose: (s: Status) => void }) {
  const { tree, loaded } = useLive({ path, depth: 0 });
  const known = loaded && tree.root !== none;
  return (
    <div class="chips" role="group" aria-label="Filter by status">
      {offered.map((s) => (
        <button key={s} class={`chip ${statusWords[s]}`} aria-pressed={chosen.includes(s)} onClick={() => onChoose(s)}>
          <Mark status={s} size={12} />
          <span class="n">{known ? figures(tree.count(tree.root, s)) : '–'}</span> {statusWords[s]}
        </button>
      ))}
    </div>
  );
}

function Sound({ waits }: { waits: boolean }) {
  const app = useApp();
  const on = app.prefs.sound;
  return (
    <div class="sound">
      {waits ? <span class="soft">Click anywhere to let the browser make sounds.</span> : null}
      <button
        aria-pressed={on}
        onClick={() => {
          void wake();
          app.setPrefs({ sound: !on }).catch(() => {}); // It holds in this browser then.
        }}
      >
        <Icon name="bell" /> {on ? 'Sound is on' : 'Sound is off'}
      </button>
    </div>
  );
}

interface Shown extends Trouble {
  now: number;
  alert: Alert | undefined; // that somebody knows, or that is held back
}

const columns: readonly Column<Shown>[] = [
  {
    name: 'status',
    title: 'Status',
    width: '7.5rem',
    slim: '22px',
    down: true,
    order: (a, b) => rank(a.status) - rank(b.status) || worse(b, a),
    draw: (t) => (
      <>
        <Mark status={t.status} />
        <span class="word">{statusWords[t.status]}</span>
      </>
    ),
  },
  {
    name: 'for',
    title: 'For',
    width: '4rem',
    slim: false,
    order: (a, b) => b.since - a.since,
    draw: (t) => <Since at={t.since} now={t.now} />,
  },
  {
    name: 'node',
    title: 'Node',
    width: 'minmax(12rem, 2fr)',
    slim: 'minmax(0, 1fr)',
    order: (a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
    draw: (t) => (
      <>
        <span class="place">
          <b>{t.name}</b>
          {t.alert ? (
            <span class="note" title={t.alert.suppression?.text ?? t.alert.acknowledgement?.comment}>
              {t.alert.state === 'suppressed' ? (t.alert.suppression?.reason === 'maintenance' ? 'in maintenance' : 'suppressed') : ['acknowledged', t.alert.acknowledgement?.by].filter(Boolean).join(' by ')}
            </span>
          ) : null}
          {t.flapping ? <span class="note">flapping</span> : null}
          {t.pending ? (
            <span class="note" title="A hold time is running: the status may change soon">
              holding
            </span>
          ) : null}
        </span>
        <span class="above" title={t.path}>
          {names(t.above).join(' / ')}
        </span>
      </>
    ),
  },
  {
    name: 'value',
    title: 'Value',
    width: 'minmax(6rem, 0.7fr)',
    slim: 'fit-content(50%)',
    order: (a, b) => Number(a.value) - Number(b.value) || String(a.value).localeCompare(String(b.value)),
    draw: (t) => {
      const s = show(t.value, t.unit);
      return (
        <>
          <span class="figure" title={typeof t.value === 'string' ? t.value : undefined}>
            {s.number || (t.status === White ? '' : 'no value')}
            {s.unit ? <span class="unit"> {s.unit}</span> : null}
          </span>
          <span class="ago">
            <Since at={t.since} now={t.now} />
          </span>
        </>
      );
    },
  },
  {
    name: 'reason',
    title: 'Reason',
    width: 'minmax(0, 1.4fr)',
    slim: false,
    draw: (t) => <span title={t.reason}>{t.reason}</span>,
  },
];

function Since({ at, now }: { at: number; now: number }) {
  return at > 0 ? <time title={moment(at)}>{age(now - at)}</time> : <span />;
}

function Table({ items, loaded, refusal, sort, filtered }: { items: readonly Trouble[]; loaded: boolean; refusal: string; sort: Sort | undefined; filtered: boolean }) {
  const app = useApp();
  const now = useNow();
  const second = Math.floor(now / 1000);
  const under = app.route.params.in ?? '/';
  const known = useFresh(app.at === undefined ? under : '', (signal) => fetchAlerts({ states: ['acknowledged', 'suppressed'], kinds: ['status'], under, limit: mostMarked }, signal)).value;
  const marks = useMemo(() => new Map((known?.alerts ?? []).map((a) => [a.path, a])), [known]);
  const shown = useMemo(() => items.map((i) => ({ ...i, now: second * 1000, alert: marks.get(i.path) })), [items, second, marks]);
  return (
    <List
      label="Problems, the worst first"
      name="problems"
      items={shown}
      columns={columns}
      keyOf={(t) => t.path}
      rowClass={(t) => statusWords[t.status]}
      {...(sort ? { sort } : {})}
      onSort={(s) => app.put({ sort: s && (s.down ? '-' : '') + s.column })}
      onOpen={(t) => app.showNode(t.path)}
      selected={app.route.node}
      live
      slimRow={58}
      empty={
        refusal ? (
          refusal
        ) : !loaded ? (
          'Loading…'
        ) : filtered ? (
          'No problem matches.'
        ) : (
          <span class="well">
            <Mark status={1} size={20} /> Nothing is wrong.
          </span>
        )
      }
    />
  );
}
