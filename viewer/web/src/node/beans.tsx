// The runtime beans behind a node: how their last runs went, asking now, and what else
// can be done with them.

import { useState } from 'preact/hooks';
import { send } from '../api';
import { useApp, useNow } from '../app';
import { age, clock, figures, moment, plural, show } from '../format';
import { urlOf } from '../path';
import { confirm } from '../ui/dialog';
import { CheckField, ErrorText, Form, TextField, useAction } from '../ui/form';
import { Icon } from '../ui/marks';
import { Fact } from './facts';
import type { NodeAnswer, Operation, Source } from './reader';

interface Props {
  node: NodeAnswer;
  take: (node: NodeAnswer) => void;
  again: () => void;
}

export function Beans({ node, take, again }: Props) {
  const sources = node.beans ?? [];
  const operations = node.operations ?? [];
  if (sources.length === 0 && operations.length === 0) return null;
  const title = sources.length > 0 ? 'Where its readings come from' : 'Its bean';
  return (
    <section aria-label={title}>
      <div class="section-head">
        <h3>{title}</h3>
        {node.may?.includes('ask') ? <Ask node={node} take={take} /> : null}
      </div>
      {sources.map((s) => (
        <SourceFacts key={s.bean} source={s} />
      ))}
      {operations.length > 0 ? (
        <details class="fold">
          <summary>Operations</summary>
          {operations.map((o) => (
            <Run key={`${o.bean} ${o.name}`} operation={o} again={again} />
          ))}
        </details>
      ) : null}
    </section>
  );
}

function SourceFacts({ source: s }: { source: Source }) {
  const app = useApp();
  const now = useNow();
  const ran = s.last_run ? Date.parse(s.last_run) : NaN;
  const next = s.next ? Date.parse(s.next) : NaN;
  const time = show(s.duration_seconds, 's');
  return (
    <dl class="source">
      <Fact name="Runtime bean">
        {s.source} <span class="hint">of {s.instance}, kind {s.kind}</span>
      </Fact>
      {s.resource ? <Fact name="It asks">{s.resource}</Fact> : null}
      {s.started ? null : <Fact name="State">stopped</Fact>}
      <Fact name={s.mode === 'push' ? 'Readings' : 'Runs'}>
        {s.mode === 'push' ? 'are sent to it' : s.every ? `every ${s.every}` : 'when it is asked to'}
        {Number.isNaN(next) || next < now ? '' : `, next at ${clock(next)}`}
      </Fact>
      {Number.isNaN(ran) ? (
        s.mode === 'push' ? null : (
          <Fact name="Last run">none yet</Fact>
        )
      ) : (
        <Fact name="Last run">
          {moment(ran, app.now())}, {age(now - ran)} ago, took {time.number} {time.unit}
        </Fact>
      )}
      {s.runs > 0 ? (
        <Fact name="So far">
          {plural(s.runs, 'run')}, {s.failures === 0 ? 'none' : figures(s.failures)} failed{s.missed > 0 ? `, ${figures(s.missed)} skipped` : ''}
        </Fact>
      ) : null}
      {s.error ? (
        <Fact name="Last error">
          <span class="wrong">{s.error}</span>
        </Fact>
      ) : null}
    </dl>
  );
}

/** Ask runs the beans now and shows what came. */
function Ask({ node, take }: { node: NodeAnswer; take: (node: NodeAnswer) => void }) {
  const asking = useAction();
  const [told, tell] = useState('');
  const ask = () =>
    void asking.run(async () => {
      const before = new Map(node.beans?.map((s) => [s.bean, s.runs]));
      tell('');
      const began = performance.now();
      const fresh = await send<NodeAnswer>('POST', urlOf('api/v1/ask', node.path));
      take(fresh);
      const runs = (fresh.beans ?? []).filter((s) => s.started);
      const failed = runs.find((s) => s.error);
      const open = runs.some((s) => s.runs === before.get(s.bean) && performance.now() - began > 4000);
      tell(failed ? `It failed: ${failed.error}` : open ? 'It is still running.' : `Answered after ${took(performance.now() - began)}.`);
    });
  return (
    <span class="ask">
      <span class="hint" role="status">
        {told}
      </span>
      <button disabled={asking.busy} aria-busy={asking.busy} onClick={ask}>
        <Icon name="refresh" />
        Ask now
      </button>
      <ErrorText text={asking.error} />
    </span>
  );
}

function took(ms: number): string {
  const shown = show(ms / 1000, 's');
  return `${shown.number} ${shown.unit}`;
}

interface Result {
  type: string;
  value?: unknown;
  of?: number;
  took: number;
}

/** Run is one operation with a field for each parameter. */
function Run({ operation: o, again }: { operation: Operation; again: () => void }) {
  const running = useAction();
  const parameters = o.parameters ?? [];
  const [values, setValues] = useState<string[]>(() => parameters.map(() => ''));
  const [result, setResult] = useState<Result | undefined>(undefined);
  const of = o.source ?? 'the node';
  const run = async () => {
    if (o.impact !== 'info') {
      const yes = await confirm({ title: `Run ${o.name} of ${of}?`, text: o.description, action: `Run ${o.name}`, danger: o.name === 'reset' || o.name === 'stop' });
      if (!yes) return;
    }
    setResult(undefined);
    await running.run(async () => {
      const args = parameters.map((p, k) => (p.type === 'bool' ? values[k] === 'true' : values[k]!));
      setResult(await send<Result>('POST', `api/v1/bean/operation?name=${encodeURIComponent(o.bean)}`, { operation: o.name, arguments: args }));
      again();
    });
  };
  return (
    <Form class="operation" label={`${o.name} of ${of}`} onSend={() => void run()} error={running.error}>
      <div class="operation-head">
        <p>
          <b>{o.name}</b> <span class="hint">of {of}{o.description ? `: ${o.description}` : ''}</span>
        </p>
        <button type="submit" disabled={running.busy} aria-busy={running.busy} aria-label={`Run ${o.name} of ${of}`}>
          Run
        </button>
      </div>
      {parameters.map((p, k) => {
        const put = (text: string) => setValues((v) => v.map((old, i) => (i === k ? text : old)));
        return p.type === 'bool' ? (
          <CheckField key={p.name} label={p.name} {...(p.description ? { hint: p.description } : {})} checked={values[k] === 'true'} onValue={(yes) => put(String(yes))} />
        ) : (
          <TextField key={p.name} label={p.name} hint={[p.description, p.type + (p.unit ? ` in ${p.unit}` : '')].filter(Boolean).join('; ')} value={values[k]!} onValue={put} autocomplete="off" />
        );
      })}
      {result ? (
        <p class="result" role="status">
          {result.type === 'void' || result.value === undefined ? 'Done' : <code>{typeof result.value === 'string' ? result.value : JSON.stringify(result.value, null, 1)}</code>}
          <span class="hint"> in {took(result.took * 1000)}</span>
        </p>
      ) : null}
    </Form>
  );
}
