// One file of definitions: its text with its errors, and for who may, an editor that says
// what another text would change before anybody saves it.

import { useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { plural } from '../format';
import { may } from '../session';
import { copy, toast } from '../ui/dialog';
import { ErrorText, TextField, useAction } from '../ui/form';
import { Icon } from '../ui/marks';
import { type Definitions, type Fault, type Plan, type Source, plan as askPlan, readSource } from './api';
import { Code, PlanView } from './code';
import { useReading } from './read';

export function FileView({ file, line, known }: { file: string; line: number | undefined; known: Definitions | undefined }) {
  const app = useApp();
  const source = useReading(file, (signal) => readSource(file, signal));
  const [editing, setEditing] = useState(false);
  const faults = faultsOf(known, file);
  const editor = may(app.session, 'editor');
  return (
    <div class="file">
      <header class="bar">
        <button onClick={() => app.put({ file: undefined, line: undefined })}>
          <Icon name="back" /> Back
        </button>
        <h1 title={file}>{file.split('/').at(-1)}</h1>
        <span class="soft path">{file}</span>
        {faults.length > 0 ? <b class="wrong">{plural(faults.length, 'error')}</b> : null}
        <span class="buttons">
          {source.value ? <Copy text={source.value.text} /> : null}
          {source.value && editor && source.value.drop_in ? (
            <button aria-pressed={editing} onClick={() => setEditing(!editing)}>
              <Icon name="edit" /> Try a change
            </button>
          ) : null}
        </span>
      </header>
      {source.value?.masked ? (
        <p class="notice">Something in this file looked like a secret and is shown as ••••. Put it into a file or the environment, and refer to it as file:/path or env:NAME.</p>
      ) : null}
      {faults.some((f) => !f.line) ? (
        <ul class="faults">
          {faults.filter((f) => !f.line).map((f, i) => (
            <li key={i}>{f.message}</li>
          ))}
        </ul>
      ) : null}
      {source.value === undefined ? (
        <p class="sheet-empty">{source.error || 'Reading…'}</p>
      ) : editing ? (
        <Trial source={source.value} />
      ) : (
        <Code text={source.value.text} faults={faults} line={line} />
      )}
    </div>
  );
}

export function Copy({ text }: { text: string }) {
  return (
    <button
      onClick={async () => {
        if (await copy(text)) toast('Copied.');
        else toast('This browser copies on secure addresses alone.');
      }}
    >
      <Icon name="copy" /> Copy
    </button>
  );
}

/** faultsOf lists the errors that stand in a file. */
export function faultsOf(known: Definitions | undefined, file: string): Fault[] {
  const all = [...(known?.errors ?? []), ...(known?.instances ?? []).flatMap((i) => i.errors ?? []), ...(known?.applications ?? []).flatMap((a) => a.errors ?? [])];
  const seen = new Set<string>();
  return all.filter((f) => {
    const key = `${f.line}:${f.column}:${f.message}`;
    if (f.file !== file || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Trial lets a text be changed and says what that would do. */
export function Trial({ source }: { source: Pick<Source, 'text' | 'drop_in' | 'masked'> }) {
  const [name, setName] = useState(source.drop_in ?? '');
  const [text, setText] = useState(source.text);
  const [plan, setPlan] = useState<Plan>();
  const action = useAction();
  const area = useRef<HTMLTextAreaElement>(null);
  const change = (next: string) => {
    setText(next);
    setPlan(undefined);
  };
  return (
    <div class="trial">
      <div class="bar">
        {source.drop_in === undefined ? <TextField label="Name of the file" value={name} onValue={setName} placeholder="shop.yaml" maxLength={255} /> : null}
        <button class="primary" disabled={action.busy || name.trim() === ''} onClick={() => void action.run(async () => setPlan(await askPlan(name.trim(), text)))}>
          <Icon name="check" /> {action.busy ? 'Planning…' : 'Plan'}
        </button>
        <Copy text={text} />
        <p class="soft">
          A plan changes nothing. To apply the text, save it as <code>{name || 'NAME.yaml'}</code> in the definitions folder of the server: it is read at once.
        </p>
      </div>
      <ErrorText text={action.error} />
      <div class={`panes${plan ? ' planned' : ''}`}>
        <textarea
          ref={area}
          class="input code-input"
          aria-label="Text of the definition"
          spellcheck={false}
          wrap="off"
          value={text}
          onInput={(e) => change(e.currentTarget.value)}
        />
        {plan ? <PlanView plan={plan} onFault={(f) => area.current && goTo(area.current, f)} /> : null}
      </div>
    </div>
  );
}

/** goTo puts the cursor where an error is. */
export function goTo(area: HTMLTextAreaElement, f: Fault): void {
  const lines = area.value.split('\n');
  const line = Math.min(f.line ?? 1, lines.length);
  const start = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
  const at = start + Math.min(Math.max(0, (f.column ?? 1) - 1), lines[line - 1]!.length);
  area.focus();
  area.setSelectionRange(at, start + lines[line - 1]!.length);
  area.scrollTop = Math.max(0, ((line - 4) / lines.length) * area.scrollHeight);
}
