// A definition that managers share: its revisions, what each changed, and for who may, a
// next one or the way back to an old one.

import { useRef, useState } from 'preact/hooks';
import { Problem } from '../api';
import { useApp } from '../app';
import { moment } from '../format';
import { may } from '../session';
import { confirm, toast } from '../ui/dialog';
import { ErrorText, TextField, useAction } from '../ui/form';
import { Icon } from '../ui/marks';
import { type Revision, put, readDiff, readRevision, readRevisions, remove, rollBack } from './api';
import { Changes, Code } from './code';
import { Copy, goTo } from './file';
import { useReading } from './read';

export function SharedView({ name, revision, onChanged }: { name: string; revision: number; onChanged: () => void }) {
  const app = useApp();
  const list = useReading(name, (signal) => readRevisions(name, signal));
  const revisions = list.value?.revisions ?? [];
  const current = revisions[0];
  const shown = revisions.find((r) => r.revision === revision) ?? current;
  const [view, setView] = useState<'text' | 'changes' | 'edit'>('text');
  const action = useAction();
  const editor = may(app.session, 'editor');
  const changed = (text: string) => {
    toast(text);
    list.again();
    onChanged();
    setView('text');
    app.put({ revision: undefined });
  };
  const back = async (to: Revision) => {
    const sure = await confirm({
      title: `Go back to revision ${to.revision} of ${name}?`,
      text: 'Its text becomes the next revision, and every manager that shares the database applies it.',
      action: 'Go back',
    });
    if (sure && current) await action.run(async () => changed(`Revision ${(await rollBack(name, to.revision, current.revision, '')).revision} is current.`));
  };
  const drop = async () => {
    const sure = await confirm({
      title: `Remove ${name}?`,
      text: 'Every manager that shares the database takes away what it grew from it. Its revisions stay, and can be brought back.',
      action: 'Remove',
      danger: true,
    });
    if (sure && current) {
      await action.run(async () => {
        await remove(name, current.revision);
        changed(`${name} is removed.`);
      });
    }
  };
  return (
    <div class="file">
      <header class="bar">
        <button onClick={() => app.put({ shared: undefined, revision: undefined })}>
          <Icon name="back" /> Back
        </button>
        <h1>{name}</h1>
        <span class="soft">shared by managers</span>
        <span class="buttons">
          {editor && current ? (
            <>
              <button aria-pressed={view === 'edit'} onClick={() => setView(view === 'edit' ? 'text' : 'edit')}>
                <Icon name="edit" /> Edit
              </button>
              {current.removed ? null : (
                <button class="danger" onClick={() => void drop()} disabled={action.busy}>
                  Remove
                </button>
              )}
            </>
          ) : null}
        </span>
      </header>
      <ErrorText text={action.error || list.error} />
      {view === 'edit' && current ? (
        <Edit name={name} current={current} onSaved={(r) => changed(`Revision ${r.revision} is current.`)} />
      ) : (
        <div class="revisions">
          <ol aria-label="Revisions">
            {revisions.map((r) => (
              <li key={r.revision} class={r === shown ? 'here' : ''}>
                <button class="revision" aria-current={r === shown ? 'true' : undefined} onClick={() => app.put({ revision: String(r.revision) })}>
                  <b>{r.removed ? `${r.revision}, removed` : r.revision}</b>
                  <span>{r.who}</span>
                  <time>{moment(Date.parse(r.time))}</time>
                  {r.comment ? <span class="comment">{r.comment}</span> : null}
                </button>
              </li>
            ))}
          </ol>
          <div class="revision-text">
            {shown ? (
              <>
                <div class="bar">
                  <button aria-pressed={view === 'text'} onClick={() => setView('text')}>
                    Text
                  </button>
                  <button aria-pressed={view === 'changes'} onClick={() => setView('changes')}>
                    What it changed
                  </button>
                  {editor && current && shown !== current && !shown.removed ? (
                    <button onClick={() => void back(shown)} disabled={action.busy}>
                      <Icon name="refresh" /> Go back to it
                    </button>
                  ) : null}
                </div>
                {view === 'changes' ? (
                  <Diff name={name} from={revisions[revisions.indexOf(shown) + 1]?.revision ?? 0} to={shown.revision} />
                ) : (
                  <Text name={name} revision={shown.revision} />
                )}
              </>
            ) : (
              <p class="sheet-empty">Reading…</p>
            )}
          </div>
        </div>
      )}
    </div>
  );
}

function Text({ name, revision }: { name: string; revision: number }) {
  const read = useReading(`${name} ${revision}`, (signal) => readRevision(name, revision, signal));
  if (read.value?.removed) return <p class="sheet-empty">With this revision the definition is gone.</p>;
  return read.value ? <Code text={read.value.text ?? ''} faults={[]} /> : <p class="sheet-empty">{read.error || 'Reading…'}</p>;
}

function Diff({ name, from, to }: { name: string; from: number; to: number }) {
  const read = useReading(`${name} ${from} ${to}`, (signal) => readDiff(name, from, to, signal));
  return read.value ? <Changes text={read.value.diff || 'Nothing.'} label="What the revision changed" /> : <p class="sheet-empty">{read.error || 'Reading…'}</p>;
}

function Edit({ name, current, onSaved }: { name: string; current: Revision; onSaved: (r: Revision) => void }) {
  const read = useReading(`${name} ${current.revision}`, (signal) => readRevision(name, current.revision, signal));
  if (read.value === undefined) return <p class="sheet-empty">{read.error || 'Reading…'}</p>;
  return <Editor name={name} text={read.value.text ?? ''} expected={current.revision} onSaved={onSaved} />;
}

/** Editor saves a text as the next revision; one with errors is refused with their places. */
export function Editor({ name, text: before, expected, onSaved }: { name: string; text: string; expected: number; onSaved: (r: Revision) => void }) {
  const [text, setText] = useState(before);
  const [comment, setComment] = useState('');
  const area = useRef<HTMLTextAreaElement>(null);
  const action = useAction();
  const save = async () => {
    const sure = await confirm({ title: `Save ${name}?`, text: 'Every manager that shares the database applies it at once.', action: 'Save' });
    if (!sure) return;
    await action.run(async () => {
      try {
        onSaved(await put(name, text, expected, comment));
      } catch (error) {
        const at = error instanceof Problem ? /:(\d+):(\d+):/.exec(error.message) : undefined;
        if (at && area.current) goTo(area.current, { line: Number(at[1]), column: Number(at[2]), message: '' });
        throw error;
      }
    });
  };
  return (
    <div class="trial">
      <div class="bar">
        <TextField label="Why (for the others)" value={comment} onValue={setComment} maxLength={1000} />
        <button class="primary" disabled={action.busy || text === before} onClick={() => void save()}>
          Save
        </button>
        <Copy text={text} />
      </div>
      <ErrorText text={action.error} />
      <div class="panes">
        <textarea ref={area} class="input code-input" aria-label={`Text of ${name}`} spellcheck={false} wrap="off" value={text} onInput={(e) => setText(e.currentTarget.value)} />
      </div>
    </div>
  );
}
