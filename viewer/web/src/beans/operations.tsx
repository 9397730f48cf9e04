// The operations of a bean, with a form for their parameters and what came of them.

import { useState } from 'preact/hooks';
import { duration, figures } from '../format';
import { Form, Submit, useAction, words } from '../ui/form';
import { type Operation, type Result, invoke } from './api';
import { readText, sentence } from './text';
import { Value, ValueField } from './value';

export function Operations({ bean, operations, onRun }: { bean: string; operations: readonly Operation[]; onRun: () => void }) {
  if (operations.length === 0) return <p class="soft">It has none.</p>;
  return (
    <ul class="operations">
      {operations.map((o) => (
        <li key={bean + o.signature}>
          <One bean={bean} operation={o} onRun={onRun} />
        </li>
      ))}
    </ul>
  );
}

const impacts: Record<string, string> = { info: 'only reads' };

function One({ bean, operation: o, onRun }: { bean: string; operation: Operation; onRun: () => void }) {
  return (
    <details>
      <summary>
        <span class="name">{o.name}</span>
        <span class="type">
          ({o.parameters.map((p) => p.name).join(', ')}){o.returns && o.returns !== 'void' ? ` → ${o.returns}` : ''}
        </span>
        {impacts[o.impact] ? <span class="note">{impacts[o.impact]}</span> : null}
        {o.description ? <p class="soft">{sentence(o.description)}</p> : null}
      </summary>
      {o.may ? <Run bean={bean} operation={o} onRun={onRun} /> : <p class="soft">You may not run it: that needs another role.</p>}
    </details>
  );
}

function Run({ bean, operation: o, onRun }: { bean: string; operation: Operation; onRun: () => void }) {
  const [texts, setTexts] = useState<readonly string[]>(() => o.parameters.map((p) => (p.type === 'bool' ? 'false' : '')));
  const [wrong, setWrong] = useState<readonly string[]>([]);
  const [result, setResult] = useState<Result | undefined>();
  const action = useAction();
  const run = async () => {
    const errors: string[] = [];
    const args = o.parameters.map((p, i) => {
      try {
        return readText(texts[i]!, p.type);
      } catch (error) {
        errors[i] = words(error);
        return undefined;
      }
    });
    setWrong(errors);
    if (errors.length > 0) return;
    setResult(undefined);
    await action.run(async () => {
      setResult(await invoke(bean, o.signature, args));
      onRun();
    });
  };
  return (
    <div class="run">
      <Form label={`Run ${o.name}`} onSend={() => void run()} error={action.error} actions={<Submit busy={action.busy}>{action.busy ? 'Running…' : 'Run'}</Submit>}>
        {o.parameters.map((p, i) => (
          <ValueField
            key={p.name}
            label={p.name}
            type={p.type}
            unit={p.unit}
            hint={p.description && sentence(p.description)}
            text={texts[i]!}
            onText={(text) => setTexts(texts.map((t, k) => (k === i ? text : t)))}
            error={wrong[i]}
          />
        ))}
      </Form>
      {result ? (
        <div class="result" role="status">
          <p class="soft">Done in {result.took < 1 ? `${figures(Math.max(1, Math.round(result.took * 1000)))} ms` : duration(result.took * 1000)}.</p>
          {result.type === 'void' && (result.value === undefined || result.value === null) ? null : <Value value={result.value} type={result.type} of={result.of} />}
        </div>
      ) : null}
    </div>
  );
}
