// Everything about one alert: what is wrong and what to do, who knows, why it is quiet, what
// follows from it, who is told, and what happened so far.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { clock, day, duration, moment, plural } from '../format';
import { Fact } from '../node/facts';
import { NodeLink } from '../node/link';
import { writeRoute } from '../route';
import { Explained } from '../routes/explained';
import { Icon, Mark } from '../ui/marks';
import { words } from '../ui/form';
import { type Status, statusWords } from '../wire';
import { Acts } from './acts';
import { type Alert, fetchAlert, fetchAlerts, markOf, mayAct } from './api';
import { Notes, StateText, thresholdOf, valueOf } from './marks';
import { useFresh } from './reading';
import { type Telling, fetchTold, momentsOf } from './told';

const shownConsequences = 20;
const toldMs = 10_000; // between two looks at who was told
const soonMs = 1500; // after a change, of which somebody is told a moment later

/** AlertPanel shows one alert beside the list, or in its place on the phone. */
export function AlertPanel({ id, onClose, onDone }: { id: string; onClose: () => void; onDone: () => void }) {
  const { value: alert, error, again } = useFresh(id, (signal) => fetchAlert(id, signal));
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { parentElement: panel } = body.current!;
    if (getComputedStyle(panel!).position === 'absolute') body.current!.focus(); // it covers what had the focus
  }, []);
  return (
    <aside class="alert-panel" aria-label={alert ? `Alert ${alert.path}` : 'Alert'} onKeyDown={(e) => e.key === 'Escape' && !e.defaultPrevented && onClose()}>
      <header>
        {alert ? <Mark status={markOf(alert)} size={20} /> : null}
        <h2>{alert ? <NodeLink path={alert.path} from="/" /> : 'Alert'}</h2>
        <button class="plain" onClick={onClose} aria-label="Close the alert">
          <Icon name="close" />
        </button>
      </header>
      <div class="body" tabIndex={-1} ref={body}>
        {error ? (
          <p class="trouble" role="alert">
            {error}
          </p>
        ) : null}
        {alert ? <About alert={alert} onDone={() => (again(), onDone())} /> : error ? null : <p class="soft">Loading…</p>}
      </div>
    </aside>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function About({ alert: a, onDone }: { alert: Alert; onDone: () => void }) {
  const app = useApp();
  const now = useNow();
  const opened = Date.parse(a.opened);
  const ended = a.resolved ? Date.parse(a.resolved) : undefined;
  const pairs = (of: Record<string, string> | undefined) => Object.entries(of ?? {}).map(([k, v]) => `${k}=${v}`).join(', ');
  const status = markOf(a);
  const value = valueOf(a);
  const facts: [string, ComponentChildren][] = [
    ['Kind', a.kind === 'status' ? '' : a.kind === 'silence' ? 'silence: nothing is known of it any more' : 'missing: its definition expects it'],
    ['Value', value.number ? <span title={a.value}>{`${value.number} ${value.unit}`.trim()}</span> : ''],
    ['Threshold', thresholdOf(a)],
    ['Worst', a.worst !== a.status ? a.worst : ''],
    ['Turned bad', a.count > 1 ? plural(a.count, 'time') : ''],
    ['Event type', a.eventType],
    ['Probable cause', a.probableCause],
    ['Instance', a.instance ? <a href={app.href('alerts', { instance: a.instance, alert: a.id })}>{a.instance}</a> : ''],
    ['Labels', pairs(a.labels)],
    ['Properties', pairs(a.properties)],
    ['Customer', a.customers?.join(', ')],
    ['Manager', a.manager],
    ['Number', a.id],
    ['Key', a.key],
  ];
  return (
    <>
      <div class={`now ${statusWords[status]}`}>
        <p class="words">{a.message}</p>
        <p class="state">
          <b>{statusWords[status]}</b> {a.severity}
          <Notes alert={a} />
        </p>
        <p class="soft">
          {ended === undefined ? `for ${duration(now - opened)}, since ${moment(opened, now)}` : `from ${moment(opened, now)} to ${moment(ended, now)}, ${duration(ended - opened)}`}
        </p>
        <p>
          <StateText alert={a} />
        </p>
      </div>
      {mayAct(app.session, a) ? (
        <div class="actions">
          <Acts alerts={[a]} onDone={onDone} />
        </div>
      ) : null}
      {a.acknowledgement ? <Known alert={a} now={now} /> : null}
      {a.suppression ? <Quiet alert={a} now={now} /> : null}
      {a.proposedRepairActions ? (
        <Part title="What to do">
          <p class="repair">{a.proposedRepairActions}</p>
        </Part>
      ) : null}
      <Part title="The node">
        <p class="raw">
          <a href={writeRoute({ page: 'tree', params: {}, node: a.path, at: undefined })}>In the tree, as it is now</a>
          <a href={writeRoute({ page: 'tree', params: {}, node: a.path, at: opened })}>As it was when the alert opened, with its chart</a>
          <a href={app.href('events', { in: a.path })}>Its events</a>
        </p>
      </Part>
      {a.consequences ? <Consequences alert={a} /> : null}
      <Told alert={a} />
      <Happened alert={a} now={now} />
      <Part title="About">
        <dl>
          {facts.map(([name, text]) =>
            text ? (
              <Fact key={name} name={name}>
                {text}
              </Fact>
            ) : null,
          )}
        </dl>
      </Part>
    </>
  );
}

function Known({ alert, now }: { alert: Alert; now: number }) {
  const ack = alert.acknowledgement!;
  return (
    <Part title="Acknowledged">
      <p>
        {ack.by ? (
          <>
            by <b>{ack.by}</b>,{' '}
          </>
        ) : null}
        {moment(Date.parse(ack.at), now)}
        {ack.until ? `, until ${moment(Date.parse(ack.until), now)}` : ''}
        {ack.sticky ? ', also when it gets worse' : ''}
      </p>
      {ack.comment ? <p class="comment">{ack.comment}</p> : null}
    </Part>
  );
}

function Quiet({ alert, now }: { alert: Alert; now: number }) {
  const app = useApp();
  const s = alert.suppression!;
  return (
    <Part title="Why nobody is told">
      <p>{s.text}</p>
      <p class="soft">
        since {moment(Date.parse(s.since), now)}
        {s.until ? `, until ${moment(Date.parse(s.until), now)}` : ''}
      </p>
      <p class="raw">
        {s.cause ? <a href={app.href('alerts', { ...app.route.params, alert: s.cause })}>The alert that causes it</a> : null}
        {s.hidden ? null : <NodeLink path={s.at} from="/" />}
      </p>
    </Part>
  );
}

function Consequences({ alert }: { alert: Alert }) {
  const app = useApp();
  const { value } = useFresh(alert.id, (signal) => fetchAlerts({ cause: alert.id, limit: shownConsequences }, signal));
  const list = value?.alerts ?? [];
  return (
    <Part title={plural(alert.consequences ?? 0, 'consequence')}>
      <ul class="list">
        {list.map((c) => (
          <li key={c.id} class="consequence">
            <Mark status={markOf(c)} size={12} label={statusWords[markOf(c)]} />
            <a href={app.href('alerts', { ...app.route.params, alert: c.id })} title={c.message}>
              {c.path}
            </a>
          </li>
        ))}
      </ul>
      {(alert.consequences ?? 0) > list.length && list.length > 0 ? <a href={app.href('alerts', { cause: alert.id })}>All of them</a> : null}
    </Part>
  );
}

/** Told says who is told of it, when somebody wants to know. */
function Told({ alert }: { alert: Alert }) {
  const [open, setOpen] = useState(false);
  return (
    <section aria-label="Who is told">
      <details class="fold" onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary>Who is told</summary>
        {open ? <Explained path={alert.path} status={alert.state === 'resolved' ? alert.worst : alert.status} at={Date.parse(alert.opened)} /> : null}
      </details>
    </section>
  );
}

/** Happened is the history of an alert and who was told of it as a time line, the latest first. */
function Happened({ alert, now }: { alert: Alert; now: number }) {
  const { told, error } = useTold(alert);
  const moments = momentsOf(alert.history ?? [], told).reverse();
  return (
    <Part title="What happened">
      {error ? <p class="trouble">Who was told cannot be read: {error}</p> : null}
      {moments.length === 0 ? <p class="soft">Nothing is written down.</p> : null}
      <ol class="steps">
        {moments.map(({ step: s, told: t }, i) => {
          const { time } = s ?? t;
          const at = Date.parse(time);
          return (
            <li key={`${time} ${i}`}>
              {s ? <Mark status={Math.max(0, statusWords.indexOf(s.status)) as Status} size={12} label={s.status} /> : <Icon name="bell" />}
              <p>
                {s ? (
                  <>
                    <b>{s.what}</b>
                    {s.by ? ` by ${s.by}` : ''}
                    {s.text ? <span class="said">{s.text}</span> : null}
                  </>
                ) : (
                  <>
                    <b>told</b> {t.channels} ({t.purpose})
                    {t.path === alert.path ? null : <span class="said">in a message about {t.path === '/' ? 'the whole tree' : t.path}</span>}
                  </>
                )}
              </p>
              <time title={time}>{day(at) === day(now) ? clock(at) : moment(at, now)}</time>
            </li>
          );
        })}
      </ol>
    </Part>
  );
}

/** useTold reads who was told: when the alert changes, and now and then, since messages wait for others. */
function useTold(alert: Alert): { told: readonly Telling[]; error: string } {
  const [state, set] = useState<{ told: readonly Telling[]; error: string }>({ told: [], error: '' });
  const { path, opened, resolved, revision } = alert;
  useEffect(() => {
    const stop = new AbortController();
    const look = () =>
      fetchTold({ path, opened, ...(resolved ? { resolved } : {}) }, stop.signal).then(
        (told) => stop.signal.aborted || set({ told, error: '' }),
        (error: unknown) => stop.signal.aborted || set((s) => ({ ...s, error: words(error) })),
      );
    void look();
    const soon = setTimeout(() => void look(), soonMs);
    const timer = setInterval(() => document.visibilityState === 'visible' && void look(), toldMs);
    return () => {
      clearTimeout(soon);
      clearInterval(timer);
      stop.abort();
    };
  }, [path, opened, resolved, revision]);
  return state;
}
