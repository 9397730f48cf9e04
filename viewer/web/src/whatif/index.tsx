// What if: nodes are chosen, and a status for each; the page shows what the tree, the alerts
// and the routes would do. Nothing changes and nothing is sent. The choice stands in the
// address.

import { useState } from 'preact/hooks';
import { StateText } from '../alerts/marks';
import { AlertTabs } from '../alerts/tabs';
import { useApp } from '../app';
import { useReading } from '../definitions/read';
import { figures, plural } from '../format';
import { NodeLink } from '../node/link';
import { readList, writeList } from '../route';
import { ExplanationView } from '../routes/explained';
import { ErrorText, Form, SelectField, Submit, TextField } from '../ui/form';
import { Icon, Mark } from '../ui/marks';
import { type Status, type StatusWord, statusWords } from '../wire';
import { type WhatIf, whatIf } from './api';

const words: readonly StatusWord[] = ['red', 'yellow', 'white', 'green'];
const shownChanges = 500;
const markOf = (word: StatusWord): Status => Math.max(0, statusWords.indexOf(word)) as Status;

/** Supposed are the nodes that are chosen, in their order. */
type Supposed = readonly (readonly [path: string, status: StatusWord])[];

/** supposedOf reads "red=/a,/b" and so on of the address. */
function supposedOf(params: Readonly<Record<string, string>>): Supposed {
  const seen = new Set<string>();
  return words.flatMap((word) =>
    readList(params[word] ?? '')
      .filter((path) => path.startsWith('/') && !seen.has(path) && seen.add(path))
      .map((path) => [path, word] as const),
  );
}

export function WhatIfPage() {
  const app = useApp();
  const chosen = supposedOf(app.route.params);
  const [path, setPath] = useState(app.route.node ?? '');
  const [status, setStatus] = useState<StatusWord>('red');
  const [wrong, setWrong] = useState('');
  const put = (next: Supposed) =>
    app.put(Object.fromEntries(words.map((word) => [word, writeList(next.filter(([, w]) => w === word).map(([p]) => p)) || undefined])));
  const add = () => {
    const clean = path.trim();
    if (!clean.startsWith('/')) {
      setWrong('A path begins with /.');
      return;
    }
    setWrong('');
    put([...chosen.filter(([p]) => p !== clean), [clean, status]]);
    setPath('');
  };
  return (
    <div class="desk-page whatif-page">
      <AlertTabs />
      <h1>What if</h1>
      <p class="soft">Choose nodes and how they would be: this shows what the tree, the alerts and the routes would do. Nothing changes, and nobody is told.</p>
      <Form class="try-form" label="Suppose a status" onSend={add} actions={<Submit>Suppose it</Submit>}>
        <TextField label="Path of a node" value={path} onValue={setPath} error={wrong} maxLength={1024} autocomplete="off" hint={app.route.node === undefined ? 'Or open a node, and choose “What if it were red?” in its panel.' : undefined} />
        <SelectField label="would be" value={status} onValue={(s) => setStatus(s as StatusWord)} options={words} />
      </Form>
      {chosen.length > 0 ? (
        <>
          <ul class="supposed" aria-label="What is supposed">
            {chosen.map(([p, w]) => (
              <li key={p}>
                <Mark status={markOf(w)} />
                <span class="path">{p}</span>
                <select class="input" aria-label={`Status of ${p}`} value={w} onChange={(e) => put(chosen.map(([q, v]) => [q, q === p ? (e.currentTarget.value as StatusWord) : v] as const))}>
                  {words.map((o) => (
                    <option key={o} value={o} selected={o === w}>
                      {o}
                    </option>
                  ))}
                </select>
                <button class="plain" aria-label={`Leave out ${p}`} onClick={() => put(chosen.filter(([q]) => q !== p))}>
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
          <Outcome set={chosen} />
        </>
      ) : null}
    </div>
  );
}

function Outcome({ set }: { set: Supposed }) {
  const asked = Object.fromEntries(set);
  const { value, error } = useReading(JSON.stringify(asked), (signal) => whatIf(asked, signal));
  if (error) return <ErrorText text={error} />;
  if (!value) return <p class="soft">Thinking…</p>;
  return <OutcomeView of={value} />;
}

function OutcomeView({ of }: { of: WhatIf }) {
  const changes = of.changes ?? [];
  const alerts = of.alerts ?? [];
  const messages = of.messages ?? [];
  return (
    <div class="outcome">
      <p role="status">
        <b>
          {plural(changes.length, 'node')} would change, {plural(alerts.length, 'alert')} would open, {plural(messages.length, 'message')} would be sent.
        </b>
        {of.truncated ? ' There would be more of each than is shown.' : ''}
      </p>
      <section aria-label="The tree">
        <h2>The tree</h2>
        {changes.length === 0 ? <p class="soft">Nothing would change: it is so already.</p> : null}
        <ul class="would-change">
          {changes.slice(0, shownChanges).map((c) => (
            <li key={c.path}>
              <Turn from={c.from} to={c.to} />
              <NodeLink path={c.path} from="/" />
              {c.set ? <span class="note">supposed</span> : null}
            </li>
          ))}
        </ul>
        {changes.length > shownChanges ? <p class="soft">and {figures(changes.length - shownChanges)} more</p> : null}
      </section>
      <section aria-label="The alerts">
        <h2>The alerts</h2>
        {alerts.length === 0 ? <p class="soft">No alert would open.</p> : null}
        <ul class="would-open">
          {alerts.map((x, i) =>
            x.alert ? (
              <li key={i}>
                <details>
                  <summary>
                    <Mark status={markOf(x.alert.status)} label={x.alert.status} />
                    <span class="text">
                      <b>{x.alert.path}</b> <span class="soft">{x.alert.severity}</span>
                      <span class="message">{x.alert.message}</span>
                    </span>
                    <StateText alert={x.alert} />
                  </summary>
                  <ExplanationView of={x} />
                </details>
              </li>
            ) : null,
          )}
        </ul>
      </section>
      <section aria-label="The messages">
        <h2>The messages</h2>
        {messages.length === 0 ? <p class="soft">Nobody would be told.</p> : null}
        <ol class="told-list">
          {messages.map((m, i) => (
            <li key={i}>
              <b class="after">{!m.after || m.after === '0s' ? 'at once' : `after ${m.after}`}</b>
              <span>
                {m.to && m.to !== m.channel ? `${m.to} by ` : 'by '}
                {m.channel}: {m.title}{' '}
                <span class="soft">
                  ({[`route ${m.route}`, m.group ?? '', m.purpose && m.purpose !== 'firing' ? m.purpose : '', m.every ? `again every ${m.every}` : ''].filter(Boolean).join(', ')})
                </span>
              </span>
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

/** Turn draws a status and the one that it would become. */
function Turn({ from, to }: { from: StatusWord; to: StatusWord }) {
  return (
    <span class="turn">
      <Mark status={markOf(from)} size={12} />
      <span class="hidden">{from}</span>
      <span class="to" aria-hidden="true">
        →
      </span>
      <span class="hidden"> to </span>
      <Mark status={markOf(to)} />
      <span class="word">{to}</span>
    </span>
  );
}
