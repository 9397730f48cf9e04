// Saved views: a list to manage them, and how the present one is saved.

import { useState } from 'preact/hooks';
import { confirm, Dialog, toast } from '../ui/dialog';
import { ErrorText, Form, Submit, TextField, useAction, words } from '../ui/form';
import { Icon } from '../ui/marks';
import { type View, deleteView, fetchViews, saveView } from './api';
import { useFetched } from './fetched';

/** Views manages what was saved. */
export function Views() {
  const { value: views, error, again, set } = useFetched(fetchViews, []);
  const [renamed, rename] = useState<View | undefined>();
  const remove = async (v: View) => {
    if (!(await confirm({ title: `Delete the view ${v.name}?`, action: 'Delete', danger: true }))) return;
    try {
      await deleteView(v.name);
      toast(`The view ${v.name} is deleted.`);
    } catch (problem) {
      toast(words(problem));
    }
    again();
  };
  return (
    <div class="views">
      <ErrorText text={error} />
      {views && views.length > 0 ? (
        <ul class="things">
          {views.map((v) => (
            <li key={v.name}>
              <div class="thing">
                <a href={v.address}>{v.name}</a>
              </div>
              <div class="actions">
                <button onClick={() => rename(v)} aria-label={`Rename ${v.name}`}>
                  Rename
                </button>
                <button onClick={() => void remove(v)} aria-label={`Delete ${v.name}`}>
                  Delete
                </button>
              </div>
            </li>
          ))}
        </ul>
      ) : views ? (
        <p class="soft">None yet. On any page, open the menu at the top right and choose “Save this view”.</p>
      ) : null}
      {renamed ? (
        <SaveView
          title={`Rename ${renamed.name}`}
          address={renamed.address}
          from={renamed.name}
          onClose={(after) => {
            rename(undefined);
            if (after) set(after);
          }}
        />
      ) : null}
    </div>
  );
}

/** SaveView asks for a name and saves an address under it; from is the name until now. */
export function SaveView({ title, address, from, onClose }: { title: string; address: string; from?: string; onClose: (after?: View[]) => void }) {
  const [name, setName] = useState(from ?? '');
  const action = useAction();
  const send = () =>
    action.run(async () => {
      const after = await saveView(name.trim(), address, from);
      toast(`The view ${name.trim()} is saved.`);
      onClose(after);
    });
  return (
    <Dialog title={title} onClose={() => onClose()}>
      <Form
        onSend={() => void (name.trim() === '' ? undefined : send())}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={() => onClose()}>
              Cancel
            </button>
            <Submit busy={action.busy} disabled={name.trim() === ''}>
              <Icon name="star" />
              Save
            </Submit>
          </>
        }
      >
        <TextField label="Name" value={name} onValue={setName} autofocus autocomplete="off" maxLength={64} hint={from === undefined ? 'A view with this name is replaced. It keeps what is opened, filtered and selected.' : undefined} />
      </Form>
    </Dialog>
  );
}
