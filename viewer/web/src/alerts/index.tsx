// The alerts page: what is not resolved, the worst first, as it changes; what follows from
// what; and everything about one of them beside the list.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { figures, plural } from '../format';
import { names } from '../path';
import { Find } from '../problems';
import { readList, writeList } from '../route';
import { type Column, List } from '../ui/list';
import { Icon, Mark } from '../ui/marks';
import { fieldTime, readField } from '../ui/when';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import { Acts } from './acts';
import { type Alert, type AlertQuery, type State, markOf, mayAct, severities, states } from './api';
import { DesktopButton } from './desktop';
import { mostUnfolded, useAlerts, useConsequences } from './list';
import { Grave, Notes, Place, Since, StateText, stateIcons, useSecond, thresholdOf, valueOf } from './marks';
import { AlertPanel } from './panel';
import { type Row, alertRows } from './rows';
import { AlertTabs } from './tabs';

const usual: readonly State[] = ['open', 'acknowledged'];
const sayMs = 6000;

/** choiceOf reads what is chosen of a list in the address. */
function choiceOf<T extends string>(text: string | undefined, of: readonly T[], otherwise: readonly T[]): readonly T[] {
  const chosen = of.filter((o) => text?.split(',').includes(o));
  return chosen.length > 0 ? chosen : otherwise;
}

export function Alerts() {
  const app = useApp();
  const { params } = app.route;
  const chosen = choiceOf(params.state, states, params.cause ? ['open', 'acknowledged', 'suppressed'] : usual);
  const query: AlertQuery = {
    states: chosen,
    statuses: choiceOf(params.status, statusWords, []),
    severities: choiceOf(params.severity, severities, []),
    ...(params.in ? { under: params.in } : {}),
    ...(params.find ? { text: params.find } : {}),
    ...(params.cause ? { cause: params.cause } : {}),
    ...(params.instance ? { instance: params.instance } : {}),
    ...(chosen.includes('resolved') && params.from ? { from: params.from } : {}),
    ...(chosen.includes('resolved') && params.to ? { to: params.to } : {}),
  };
  const found = useAlerts(query);
  const unfolded = useMemo(() => new Set(readList(params.unfold ?? '')), [params.unfold]);
  const listed = useMemo(() => [...unfolded].slice(0, 50), [unfolded]);
  const below = useConsequences(listed);
  const second = useSecond();
  const rows = useMemo(() => alertRows(found.alerts, below, unfolded, second), [found.alerts, below, unfolded, second]);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const some = rows.map((r) => r.alert).filter((a) => marked.has(a.id));
  useNews(found.alerts, found.loading, JSON.stringify(query));
  const open = (id: string | undefined) => {
    const { alert: before, ...rest } = params;
    if (id !== undefined && before === undefined) app.go('alerts', { ...rest, alert: id });
    else app.put({ alert: id });
  };
  const main = useRef<HTMLDivElement>(null);
  const closed = useRef(false);
  useEffect(() => {
    // Whoever closes an alert by its keys is back at its row.
    if (closed.current && !params.alert) main.current?.querySelector<HTMLElement>('.sheet-row[tabindex="0"]')?.focus({ preventScroll: true });
    closed.current = false;
  }, [params.alert]);
  return (
    <div class={`alerts-page${params.alert ? ' with-alert' : ''}`}>
      <h1 class="hidden">Alerts</h1>
      <div class="alerts-main whole" ref={main}>
        <div class="alerts-top">
          <AlertTabs />
          <Filters chosen={chosen} />
          {some.length > 0 ? (
            <div class="acts" role="region" aria-label="What is chosen">
              <b>{figures(some.length)} chosen</b>
              <Acts alerts={some} onDone={found.again} />
              <button onClick={() => setMarked(new Set())}>Choose none</button>
            </div>
          ) : null}
        </div>
        <List
          label="Alerts, the worst first"
          name="alerts"
          items={rows}
          columns={columns((id) => app.put({ unfold: writeList(unfolded.has(id) ? [...unfolded].filter((u) => u !== id) : [...unfolded, id]) || undefined }))}
          keyOf={(r) => r.alert.id}
          rowClass={(r) => `${statusWords[markOf(r.alert)]} ${r.alert.state}${r.level > 0 ? ` below level-${Math.min(3, r.level)}` : ''}`}
          onOpen={(r) => open(r.alert.id)}
          selected={params.alert}
          live
          order={`${params.unfold ?? ''} ${[...below.keys()].join()}`}
          row={50}
          slimRow={76}
          more={found.more}
          marks={{
            of: marked,
            can: (r) => mayAct(app.session, r.alert),
            label: (r) => `Choose ${r.alert.path}`,
            onMark: (keys, yes) => {
              const next = new Set(marked);
              for (const k of keys) yes ? next.add(k) : next.delete(k);
              setMarked(next);
            },
          }}
          empty={found.error || (found.loading ? 'Loading…' : <None filtered={filtered(params)} chosen={chosen} />)}
        />
        <p class="foot" role="status">
          {found.error && rows.length > 0 ? <span class="wrong">{found.error} </span> : null}
          {rows.length === 0 ? '' : found.next ? `the first ${figures(found.alerts.length)}: scroll for more` : plural(found.alerts.length, 'alert')}
        </p>
      </div>
      {params.alert ? <AlertPanel key={params.alert} id={params.alert} onClose={() => ((closed.current = true), open(undefined))} onDone={found.again} /> : null}
    </div>
  );
}

function filtered(p: Readonly<Record<string, string>>): boolean {
  return [p.status, p.severity, p.in, p.find, p.cause, p.instance].some(Boolean);
}

function None({ filtered, chosen }: { filtered: boolean; chosen: readonly State[] }) {
  if (filtered) return <>No alert matches.</>;
  if (!chosen.includes('open')) return <>No alert is {chosen.join(' or ')}.</>;
  return (
    <span class="well">
      <Mark status={Green} size={20} /> No alert is open.
    </span>
  );
}

/** useNews tells people who hear the page what came new, not too often. */
function useNews(alerts: readonly Alert[], loading: boolean, key: string): void {
  const app = useApp();
  const known = useRef<{ key: string; ids: ReadonlySet<string> }>({ key: '', ids: new Set() });
  const said = useRef(-sayMs);
  useEffect(() => {
    if (loading) return;
    const now = performance.now();
    const fresh = known.current.key === key ? alerts.filter((a) => a.state === 'open' && !known.current.ids.has(a.id)) : [];
    if (fresh.length > 0 && now - said.current < sayMs) return; // told with what comes next
    known.current = { key, ids: new Set(alerts.map((a) => a.id)) };
    if (fresh.length === 0) return;
    said.current = now;
    app.announce(fresh.length === 1 ? `New alert: ${fresh[0]!.message}` : `${plural(fresh.length, 'new alert')}, the worst: ${fresh[0]!.message}`);
  }, [alerts, loading, key]);
}

const spans: readonly (readonly [value: string, text: string])[] = [
  ['', 'Any time'],
  ['-24h', 'Last day'],
  ['-168h', 'Last week'],
  ['-720h', 'Last 30 days'],
  ['range', 'From … to …'],
];

const grave: readonly (readonly [value: string, text: string])[] = [
  ['', 'Any severity'],
  ['critical', 'Critical'],
  ['critical,major', 'Major and graver'],
  ['critical,major,minor', 'Minor and graver'],
  ['critical,major,minor,warning', 'Warning and graver'],
];

function Filters({ chosen }: { chosen: readonly State[] }) {
  const app = useApp();
  const { params } = app.route;
  const utc = app.prefs.zone === 'utc';
  const statuses = choiceOf(params.status, statusWords, []);
  const { counts, known } = app.alerts;
  const toggle = (s: State) => {
    const next = states.filter((o) => (o === s) !== chosen.includes(o));
    app.put({ state: next.length === 0 || next.join() === usual.join() ? undefined : next.join(), ...(next.includes('resolved') ? {} : { from: undefined, to: undefined }) });
  };
  const turn = (s: Status) => {
    const word = statusWords[s];
    app.put({ status: (statuses.includes(word) ? statuses.filter((o) => o !== word) : [...statuses, word]).join() || undefined });
  };
  const span = params.from?.startsWith('-') ? params.from : params.from || params.to ? 'range' : '';
  return (
    <div class="bar" role="search" aria-label="Filter of alerts">
      <Find value={params.find ?? ''} onValue={(text) => app.put({ find: text || undefined })} label="Search in messages and paths" />
      <div class="chips" role="group" aria-label="Filter by state">
        {states.map((s) => (
          <button key={s} class="chip" aria-pressed={chosen.includes(s)} onClick={() => toggle(s)}>
            <Icon name={stateIcons[s]} />
            {s === 'resolved' ? null : <span class="n">{known ? figures(counts[s] ?? 0) : '–'}</span>} {s}
          </button>
        ))}
      </div>
      <div class="chips" role="group" aria-label="Filter by status">
        {([Red, Yellow, White] as const).map((s) => (
          <button key={s} class={`chip ${statusWords[s]}`} aria-pressed={statuses.includes(statusWords[s])} onClick={() => turn(s)}>
            <Mark status={s} size={12} /> {statusWords[s]}
          </button>
        ))}
      </div>
      <select class="input" aria-label="Severity" value={params.severity ?? ''} onChange={(e) => app.put({ severity: e.currentTarget.value || undefined })}>
        {grave.map(([value, text]) => (
          <option key={value} value={value} selected={value === (params.severity ?? '')}>
            {text}
          </option>
        ))}
      </select>
      {chosen.includes('resolved') ? (
        <>
          <select
            class="input"
            aria-label="Time"
            value={span}
            onChange={(e) => {
              const to = e.currentTarget.value;
              if (to === 'range') app.put({ from: new Date(app.now() - 86_400_000).toISOString(), to: new Date(app.now()).toISOString() });
              else app.put({ from: to || undefined, to: undefined });
            }}
          >
            {spans.map(([value, text]) => (
              <option key={value} value={value} selected={value === span}>
                {text}
              </option>
            ))}
          </select>
          {span === 'range' ? (
            <span class="range">
              <When label="From" utc={utc} value={params.from} onValue={(from) => app.put({ from })} />
              <span aria-hidden="true">–</span>
              <When label="To" utc={utc} value={params.to} onValue={(to) => app.put({ to })} />
            </span>
          ) : null}
        </>
      ) : null}
      {params.in && params.in !== '/' ? (
        <p class="within">
          in <b>{names(params.in).join(' / ')}</b>
          <button class="link" onClick={() => app.put({ in: undefined })}>
            everywhere
          </button>
        </p>
      ) : null}
      {params.instance ? (
        <p class="within">
          of the instance <b>{params.instance}</b>
          <button class="link" onClick={() => app.put({ instance: undefined })}>
            all instances
          </button>
        </p>
      ) : null}
      {params.cause ? (
        <p class="within">
          consequences of one alert
          <button class="link" onClick={() => app.put({ cause: undefined })}>
            all alerts
          </button>
        </p>
      ) : null}
      <DesktopButton />
    </div>
  );
}

function When({ label, value, utc, onValue }: { label: string; value: string | undefined; utc: boolean; onValue: (iso: string | undefined) => void }) {
  return (
    <input
      class="input"
      type="datetime-local"
      aria-label={label + (utc ? ' (UTC)' : '')}
      value={fieldTime(Date.parse(value ?? ''), utc)}
      onChange={(e) => {
        const at = readField(e.currentTarget.value, utc);
        onValue(Number.isNaN(at) ? undefined : new Date(at).toISOString());
      }}
    />
  );
}

function columns(fold: (id: string) => void): readonly Column<Row>[] {
  return [
    { name: 'status', title: 'Status', width: '7rem', slim: '26px', draw: ({ alert }) => <Grave alert={alert} /> },
    { name: 'since', title: 'For', width: '4.5rem', slim: false, draw: ({ alert, now }) => <Since alert={alert} now={now} /> },
    {
      name: 'what',
      title: 'Alert',
      width: 'minmax(12rem, 2.4fr)',
      slim: 'minmax(0, 1fr)',
      draw: ({ alert: a, now }) => (
        <>
          <span class="place">
            <Place alert={a} /> <Notes alert={a} />
          </span>
          <span class="message" title={a.message}>
            {a.message}
          </span>
          <span class="phone soft">
            <Since alert={a} now={now} /> <StateText alert={a} />
          </span>
        </>
      ),
    },
    {
      name: 'value',
      title: 'Value',
      width: 'minmax(5rem, 0.7fr)',
      slim: false,
      draw: ({ alert: a }) => {
        const v = valueOf(a);
        return (
          <>
            <span class="figure" title={a.value}>
              {v.number}
              {v.unit ? <span class="unit"> {v.unit}</span> : null}
            </span>
            <span class="soft" title={a.threshold}>
              {thresholdOf(a)}
            </span>
          </>
        );
      },
    },
    {
      name: 'state',
      title: 'State',
      width: 'minmax(9.5rem, 1fr)',
      slim: false,
      draw: ({ alert: a }) => (
        <>
          <StateText alert={a} />
          <span class="soft" title={a.suppression?.text ?? a.acknowledgement?.comment}>
            {a.state === 'suppressed' ? a.suppression?.text : a.acknowledgement?.comment}
          </span>
        </>
      ),
    },
    {
      name: 'fold',
      title: 'Consequences',
      width: 'var(--fold, 10.5rem)',
      slim: 'auto',
      draw: ({ alert: a, unfolded }) =>
        a.consequences ? (
          <>
            <button class="fold-below" aria-expanded={unfolded} onClick={() => fold(a.id)}>
              <Icon name="chevron" />
              <span>
                {figures(a.consequences)} <span class="long">{a.consequences === 1 ? 'consequence' : 'consequences'}</span>
              </span>
            </button>
            {unfolded && a.consequences > mostUnfolded ? <All id={a.id} /> : null}
          </>
        ) : null,
    },
  ];
}

/** All leads to a list of all consequences, when there are more than stand below the cause. */
function All({ id }: { id: string }) {
  const app = useApp();
  return (
    <a class="all-below" href={app.href('alerts', { cause: id })}>
      all
    </a>
  );
}
