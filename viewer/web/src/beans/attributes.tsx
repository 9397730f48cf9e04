// The attributes of a bean with their present values, and how one is set.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Form, Submit, useAction, words } from '../ui/form';
import { toast } from '../ui/dialog';
import { Icon } from '../ui/marks';
import { type Attribute, setAttribute } from './api';
import { readText, sentence, textOf } from './text';
import { Value, ValueField } from './value';

export function Attributes({ bean, attributes, onSet }: { bean: string; attributes: readonly Attribute[]; onSet: () => void }) {
  const [edited, edit] = useState('');
  useEffect(() => edit(''), [bean]);
  if (attributes.length === 0) return <p class="soft">It has none.</p>;
  return (
    <ul class="attributes">
      {attributes.map((a) => (
        <li key={a.name}>
          <div class="about">
            <span class="name">{a.name}</span>
            <span class="type">{a.type}</span>
            {a.description ? <p class="soft">{sentence(a.description)}</p> : null}
          </div>
          {edited === a.name ? (
            <Edit
              bean={bean}
              attribute={a}
              onDone={(changed) => {
                edit('');
                if (changed) onSet();
              }}
            />
          ) : (
            <div class="present">
              <Shown attribute={a} />
              {a.may ? (
                <button class="plain" aria-label={`Change ${a.name}`} title={`Change ${a.name}`} onClick={() => edit(a.name)}>
                  <Icon name="edit" />
                </button>
              ) : null}
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Shown flashes when the value is another than before. */
function Shown({ attribute: a }: { attribute: Attribute }) {
  const text = JSON.stringify([a.value, a.error]);
  const before = useRef(text);
  const changes = useRef(0);
  if (before.current !== text) {
    before.current = text;
    changes.current++;
  }
  return (
    <div class="shown">
      {changes.current > 0 ? <span key={changes.current} class="tick" aria-hidden="true" /> : null}
      {!a.readable ? <span class="soft">cannot be read</span> : a.error ? <span class="trouble">{a.error}</span> : <Value value={a.value} type={a.type} unit={a.unit} of={a.of} columns={a.columns} />}
    </div>
  );
}

function Edit({ bean, attribute: a, onDone }: { bean: string; attribute: Attribute; onDone: (changed: boolean) => void }) {
  const [text, setText] = useState(() => textOf(a.value, a.type));
  const [wrong, setWrong] = useState('');
  const action = useAction();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const field = box.current?.querySelector<HTMLInputElement>('.input');
    field?.focus();
    if (field instanceof HTMLInputElement) field.select();
  }, []);
  const save = async () => {
    setWrong('');
    let value: unknown;
    try {
      value = readText(text, a.type);
    } catch (error) {
      setWrong(words(error));
      return;
    }
    if (await action.run(() => setAttribute(bean, a.name, value))) {
      toast(`${a.name} is set.`);
      onDone(true);
    }
  };
  return (
    <div
      ref={box}
      class="edit"
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return;
        e.preventDefault();
        onDone(false);
      }}
    >
      <Form
        label={`Change ${a.name}`}
        onSend={() => void save()}
        error={action.error}
        actions={
          <>
            <Submit busy={action.busy}>Save</Submit>
            <button type="button" onClick={() => onDone(false)}>
              Cancel
            </button>
          </>
        }
      >
        <ValueField label={`New value of ${a.name}`} bare type={a.type} unit={a.unit} text={text} onText={setText} error={wrong} />
      </Form>
    </div>
  );
}
