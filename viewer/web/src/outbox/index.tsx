// The outbox: every message that leaves this manager goes through it. What waits, what could
// not be delivered, and what was sent lately.

import { useState } from 'preact/hooks';
import { AlertTabs } from '../alerts/tabs';
import { useApp, useNow } from '../app';
import { useReading } from '../definitions/read';
import { age, figures, moment, plural } from '../format';
import { NodeLink } from '../node/link';
import { TestChannel } from '../routes';
import { may } from '../session';
import { confirm, toast } from '../ui/dialog';
import { Choice, ErrorText, useAction } from '../ui/form';
import { Icon, Mark } from '../ui/marks';
import { type Channel, type Message, type MessageState, type Result, drop, fetchOutbox, sendAgain, startOutbox, stopOutbox } from './api';

const readMs = 3000; // a queue moves without that alerts change
const pageSize = 100;
const mostShown = 5000;
const batch = 1000; // changed by one request

const states: readonly (readonly [MessageState, string])[] = [
  ['waiting', 'Waiting'],
  ['dead', 'Dead letters'],
  ['sent', 'Sent lately'],
];

export function OutboxPage() {
  const app = useApp();
  const admin = may(app.session, 'admin');
  const state = states.some(([s]) => s === app.route.params.state) ? (app.route.params.state as MessageState) : 'waiting';
  const channel = app.route.params.channel ?? '';
  const [limit, setLimit] = useState(pageSize);
  const { value, error, again } = useReading(`${state} ${channel} ${limit}`, (signal) => fetchOutbox({ state, channel, limit }, signal), readMs);
  const channels = value?.channels ?? [];
  const action = useAction();
  const turn = (name: string, stop: boolean) =>
    action.run(async () => {
      const of = name === '' ? 'the outbox' : name;
      if (stop && !(await confirm({ title: `Stop ${of}?`, text: 'Messages wait, and nobody is told, until it is started again. That holds over a restart of grove.', action: 'Stop', danger: true }))) return;
      await (stop ? stopOutbox(name) : startOutbox(name));
      toast(stop ? `Stopped: ${of}.` : `Started: ${of}.`);
      again();
    });
  return (
    <div class="desk-page outbox-page">
      <AlertTabs />
      <div class="head-line">
        <h1>Outbox</h1>
        {value ? (
          <p class={`running ${value.stopped ? 'off' : ''}`} role="status">
            <Mark status={value.stopped ? 2 : 1} /> {value.stopped ? 'stopped: nothing is sent' : 'running'}
          </p>
        ) : null}
        {admin && value ? (
          <button class={value.stopped ? 'primary' : ''} disabled={action.busy} onClick={() => void turn('', !value.stopped)}>
            <Icon name={value.stopped ? 'play' : 'stop'} /> {value.stopped ? 'Start all' : 'Stop all'}
          </button>
        ) : null}
      </div>
      <ErrorText text={error || action.error} />
      <section aria-labelledby="outbox-channels">
        <h2 id="outbox-channels">Channels</h2>
        {value && channels.length === 0 ? <p class="soft">There is none. Channels stand in the file of alerts.</p> : null}
        <ul class="channels">
          {channels.map((c) => (
            <ChannelView key={c.name} c={c} admin={admin} stopped={value?.stopped === true} turn={(stop) => void turn(c.name, stop)} />
          ))}
        </ul>
      </section>
      <section aria-labelledby="outbox-messages">
        <h2 id="outbox-messages">Messages</h2>
        <div class="message-filter">
          <Choice label="Which" value={state} onValue={(s) => app.put({ state: s === 'waiting' ? undefined : s })} options={states} />
          <select class="input" aria-label="Channel" value={channel} onChange={(e) => app.put({ channel: e.currentTarget.value || undefined })}>
            <option value="">All channels</option>
            {channels.map((c) => (
              <option key={c.name} value={c.name} selected={c.name === channel}>
                {c.name}
              </option>
            ))}
          </select>
        </div>
        <Messages key={state + channel} state={state} list={value?.messages} admin={admin} again={again} />
        {value?.next && limit < mostShown ? <button onClick={() => setLimit(Math.min(mostShown, limit * 2))}>Show more</button> : null}
      </section>
    </div>
  );
}

const precedences = ['urgent', 'normal', 'bulk'] as const;

function ChannelView({ c, admin, stopped, turn }: { c: Channel; admin: boolean; stopped: boolean; turn: (stop: boolean) => void }) {
  const app = useApp();
  const now = useNow();
  const waiting = precedences.map((p) => [p, c.waiting?.[p] ?? 0] as const).filter(([, n]) => n > 0);
  const throttled = c.throttled ? Date.parse(c.throttled) > app.now() : false;
  const status = c.error ? 3 : c.stopped || stopped || throttled ? 2 : 1;
  return (
    <li>
      <div class="thing">
        <p>
          <Mark status={status} /> <b>{c.name}</b> <span class="soft">{c.kind}</span>{' '}
          <span>{c.stopped ? 'stopped' : stopped ? 'stopped with all' : throttled ? `throttled until ${moment(Date.parse(c.throttled!), app.now())}` : c.error ? 'fails' : 'running'}</span>
        </p>
        <p class="soft">
          {waiting.length === 0 ? 'nothing waits' : `${waiting.map(([p, n]) => `${figures(n)} ${p}`).join(', ')} waiting${c.oldest ? `, the oldest for ${age(now - Date.parse(c.oldest))}` : ''}`}
          {c.dead ? `; ${plural(c.dead, 'dead letter')}` : ''}
          {c.sent ? `; ${figures(c.sent)} sent` : ''}
        </p>
        {c.error ? <p class="wrong">{c.error}</p> : null}
      </div>
      {admin ? (
        <div class="actions">
          <button aria-label={`${c.stopped ? 'Start' : 'Stop'} ${c.name}`} onClick={() => turn(!c.stopped)}>
            {c.stopped ? 'Start' : 'Stop'}
          </button>
          <TestChannel name={c.name} />
        </div>
      ) : null}
    </li>
  );
}

const empty: Record<MessageState, string> = { waiting: 'Nothing waits.', dead: 'There are no dead letters: everything was delivered.', sent: 'Nothing was sent lately.' };

function Messages({ state, list, admin, again }: { state: MessageState; list: Message[] | null | undefined; admin: boolean; again: () => void }) {
  const now = useNow();
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const action = useAction();
  if (list === undefined) return <p class="soft">Loading…</p>;
  const messages = list ?? [];
  if (messages.length === 0) return <p class="soft">{empty[state]}</p>;
  const some = messages.filter((m) => chosen.has(m.id)).map((m) => m.id);
  const work = (what: typeof drop, ids: readonly string[], done: string, question?: string) =>
    action.run(async () => {
      if (question && !(await confirm({ title: question, action: 'Drop', danger: true, text: 'Nobody will get it.' }))) return;
      const failed: Result[] = [];
      for (let from = 0; from < ids.length; from += batch) failed.push(...(await what(ids.slice(from, from + batch))).filter((r) => r.error));
      choose(new Set());
      again();
      if (failed.length > 0) throw new Error(`${plural(failed.length, 'message')} of ${ids.length} could not be changed: ${failed[0]!.error}`);
      toast(`${plural(ids.length, 'message')} ${done}.`);
    });
  const changes = admin && state !== 'sent';
  return (
    <>
      {changes ? (
        <div class="actions acts">
          <label class="all-box">
            <input type="checkbox" checked={some.length === messages.length} onChange={(e) => choose(new Set(e.currentTarget.checked ? messages.map((m) => m.id) : []))} /> all
          </label>
          <button disabled={some.length === 0 || action.busy} onClick={() => void work(sendAgain, some, state === 'dead' ? 'sent again' : 'sent now')}>
            {state === 'dead' ? 'Send again' : 'Send now'}
          </button>
          <button disabled={some.length === 0 || action.busy} onClick={() => void work(drop, some, 'dropped', `Drop ${plural(some.length, 'message')}?`)}>
            Drop
          </button>
          <ErrorText text={action.error} />
        </div>
      ) : null}
      <ul class="letters" aria-label={states.find(([s]) => s === state)![1]}>
        {messages.map((m) => (
          <li key={m.id}>
            {changes ? <input type="checkbox" aria-label={`Choose ${m.title}`} checked={chosen.has(m.id)} onChange={() => choose(new Set(chosen.has(m.id) ? some.filter((id) => id !== m.id) : [...some, m.id]))} /> : null}
            <div class="thing">
              <p>
                <b>{m.title}</b> <span class="note">{m.precedence}</span>
              </p>
              <p class="soft">
                by {m.channel}, {m.purpose ? `${m.purpose}, ` : ''}made {age(now - Date.parse(m.made))} ago
                {m.attempts > 0 ? `, tried ${plural(m.attempts, 'time')}` : ''}
                {state === 'waiting' && m.next && Date.parse(m.next) > now ? `, again in ${age(Date.parse(m.next) - now)}` : ''}
                {m.settled ? `, ${state === 'sent' ? 'sent' : 'given up'} ${moment(Date.parse(m.settled), now)}` : ''}
              </p>
              {m.at && m.at !== '/' ? (
                <p>
                  <NodeLink path={m.at} from="/" />
                </p>
              ) : null}
              {m.error ? <p class="wrong">{m.error}</p> : null}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}
