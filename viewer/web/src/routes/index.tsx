// Routes: who is told of what, as the file of alerts says, and what would become of an
// alert that is not there.

import { Fragment } from 'preact';
import { useState } from 'preact/hooks';
import { AlertTabs } from '../alerts/tabs';
import { useApp } from '../app';
import { useReading } from '../definitions/read';
import { show } from '../format';
import { may } from '../session';
import { toast } from '../ui/dialog';
import { ErrorText, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { fieldTime, readField } from '../ui/when';
import type { StatusWord } from '../wire';
import { type Rule, fetchRoutes, testChannel } from './api';
import { Explained } from './explained';

export function RoutesPage() {
  const { session } = useApp();
  return (
    <div class="desk-page routes-page">
      <AlertTabs />
      <h1>Routes</h1>
      <p class="soft">Who is told of an alert: each alert goes to the first route that takes it, and on to the next one where the route says so.</p>
      <section aria-labelledby="try-title">
        <h2 id="try-title">Try it</h2>
        <Try />
      </section>
      {may(session, 'viewer') ? <Configured /> : <p class="soft">The routes themselves are shown to who may see the whole of this server: they name nodes and customers of all of it.</p>}
    </div>
  );
}

/** Configured are routes and channels as they stand in the file. */
function Configured() {
  const app = useApp();
  const { value, error } = useReading('routes', fetchRoutes);
  const rules = value?.routes ?? [];
  const channels = value?.channels ?? [];
  return (
    <>
      <ErrorText text={error} />
      {value?.error ? (
        <div role="alert">
          <p class="wrong">{value.error}</p>
          <p class="soft">What held before holds still.</p>
        </div>
      ) : null}
      <section aria-labelledby="routes-title">
        <h2 id="routes-title">In this order</h2>
        {value && rules.length === 0 ? <p class="soft">There is no route: nobody is told of anything. Routes stand in {value.file ? <code>{value.file}</code> : 'the file of alerts'}.</p> : null}
        <ol class="rules">
          {rules.map((r) => (
            <RuleView key={r.name} r={r} />
          ))}
        </ol>
        {value?.file && rules.length > 0 ? (
          <p class="soft">
            From <code>{value.file}</code>, which is read again when it changes.
          </p>
        ) : null}
      </section>
      <section aria-labelledby="channels-title">
        <h2 id="channels-title">Channels</h2>
        {value && channels.length === 0 ? <p class="soft">There is none.</p> : null}
        <ul class="things">
          {channels.map((c) => (
            <li key={c.name}>
              <div class="thing">
                <b>{c.name}</b> <span class="soft">{c.kind}</span>
              </div>
              {may(app.session, 'admin') ? <TestChannel name={c.name} /> : null}
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

/** TestChannel sends a message by a channel, to see whether it arrives. */
export function TestChannel({ name }: { name: string }) {
  const action = useAction();
  const test = () =>
    action.run(async () => {
      const { took_seconds } = await testChannel(name);
      const took = show(took_seconds, 's');
      toast(`${name} took a test message${took.number ? ` in ${took.number} ${took.unit}` : ''}.`);
    });
  return (
    <div class="actions">
      <button type="button" disabled={action.busy} aria-busy={action.busy} aria-label={`Test ${name}`} onClick={() => void test()}>
        Test
      </button>
      <ErrorText text={action.error} />
    </div>
  );
}

function RuleView({ r }: { r: Rule }) {
  const when = r.when ?? [];
  const facts: [string, string][] = [
    ['to', (r.to ?? []).join(', ')],
    ['grouped by', (r.group ?? []).join(', ')],
    ['waits for others', r.wait ?? ''],
    ['tells changes', r.interval ? `every ${r.interval} at most` : ''],
    ['reminds', r.repeat ? `every ${r.repeat}` : ''],
    ...(r.escalate ?? []).map((e): [string, string] => [`after ${e.after} without acknowledgement`, e.to.join(', ')]),
    ['precedence', r.precedence ?? ''],
    ['then', r.continue ? 'the next route, too' : ''],
  ];
  return (
    <li>
      <h3>{r.name}</h3>
      <dl>
        {when.length === 0 ? (
          <>
            <dt>takes</dt>
            <dd>everything</dd>
          </>
        ) : (
          when.map(({ name, want }, i) => (
            <Fragment key={i}>
              <dt>when {name}</dt>
              <dd>
                <code>{want}</code>
              </dd>
            </Fragment>
          ))
        )}
        {facts.map(([name, text]) =>
          text ? (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>{text}</dd>
            </Fragment>
          ) : null,
        )}
      </dl>
    </li>
  );
}

const statuses: readonly (readonly [value: StatusWord, text: string])[] = [
  ['red', 'red'],
  ['yellow', 'yellow'],
  ['white', 'white'],
];

/** Try asks for a node, a status and a time, all of which stand in the address. */
function Try() {
  const app = useApp();
  const { params } = app.route;
  const utc = app.prefs.zone === 'utc';
  const [path, setPath] = useState(params.path ?? app.route.node ?? '/');
  const [status, setStatus] = useState<StatusWord>(statuses.some(([s]) => s === params.status) ? (params.status as StatusWord) : 'red');
  const [time, setTime] = useState(() => fieldTime(Date.parse(params.time ?? ''), utc));
  const [wrong, setWrong] = useState('');
  const ask = () => {
    const clean = path.trim();
    setWrong(clean.startsWith('/') ? '' : 'A path begins with /.');
    if (!clean.startsWith('/')) return;
    const at = readField(time, utc);
    app.put({ path: clean, status, time: Number.isNaN(at) ? undefined : new Date(at).toISOString() });
  };
  return (
    <>
      <Form class="try-form" label="Try a route" onSend={ask} actions={<Submit>Explain</Submit>}>
        <TextField label="Path of a node" value={path} onValue={setPath} error={wrong} maxLength={1024} autocomplete="off" />
        <SelectField label="Status" value={status} onValue={(s) => setStatus(s as StatusWord)} options={statuses} />
        <TextField label={`At${utc ? ' (UTC)' : ''}`} type="datetime-local" value={time} onValue={setTime} hint="Empty: now. Nothing is sent." />
      </Form>
      {params.path ? <Explained path={params.path} status={(params.status ?? 'red') as StatusWord} at={Date.parse(params.time ?? '')} /> : null}
    </>
  );
}
