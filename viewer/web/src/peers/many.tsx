// Moving all the devices that a filter shows: each by itself, with what became of it.

import { useState } from 'preact/hooks';
import { plural } from '../format';
import { Dialog } from '../ui/dialog';
import { ErrorText, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { Mark } from '../ui/marks';
import { type Device, type Manager, type Moved, type Other, giveAll, returnAll } from './api';
import { spanError } from './join';
import { moveStatus, moveText, movedText, worstFirst } from './words';

export function MoveMany({ devices, managers, onClose, again }: { devices: readonly Device[]; managers: readonly (Manager | Other)[]; onClose: () => void; again: () => void }) {
  // What the filter shows meanwhile is not what was asked for.
  const [chosen] = useState(devices);
  const [to, setTo] = useState('');
  const [within, setWithin] = useState('');
  const [wrong, setWrong] = useState('');
  const [moved, setMoved] = useState<Moved | undefined>(undefined);
  const action = useAction();
  const takers = managers.filter((m) => (!('state' in m) || m.state === 'live') && chosen.some((d) => d.watcherId !== m.id));
  const target = takers.find((m) => m.id === to) ?? takers[0];
  const away = chosen.filter((d) => d.watcherId !== d.ownerId);
  const run = (move: () => Promise<Moved>) =>
    void action.run(async () => {
      setMoved(undefined);
      setMoved(await move());
      again();
    });
  const hand = () => {
    setWrong(spanError(within));
    if (!spanError(within) && target) run(() => giveAll(chosen, target.id, within.replace(/\s+/g, '')));
  };
  return (
    <Dialog title={`Move ${plural(chosen.length, 'device')}`} onClose={onClose} wide>
      <p class="soft">Each moves by itself, with its thresholds, acknowledgements and maintenance. The one that is to watch it has it on disk before the other lets go.</p>
      <Form class="give" onSend={hand}>
        {takers.length > 0 ? (
          <>
            <SelectField label="Give them to" value={target?.id ?? ''} onValue={setTo} options={takers.map((m) => [m.id, m.name] as const)} />
            <TextField label="For" value={within} onValue={setWithin} error={wrong} placeholder="until they are returned" autocomplete="off" maxLength={32} />
            <Submit busy={action.busy}>{`Give ${plural(chosen.length, 'device')}`}</Submit>
          </>
        ) : (
          <p class="soft">No other manager is live that could take them.</p>
        )}
        {away.length > 0 ? (
          <button type="button" disabled={action.busy} aria-busy={action.busy} onClick={() => run(() => returnAll(away))}>
            Return {plural(away.length, 'device')}
          </button>
        ) : null}
      </Form>
      <ErrorText text={action.error} />
      {moved ? (
        <section aria-label="What became of them">
          <h3>What became of them</h3>
          <p role="status">{movedText(moved)}</p>
          <ul class="steps">
            {worstFirst(moved.moves).map((m) => (
              <li key={`${m.owner} ${m.device}`}>
                <Mark status={moveStatus[m.state]} size={12} label={m.state} />
                <span>{moveText(m)}</span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </Dialog>
  );
}
