// How managers come together, and how one gives all away before it stops: the dialogs.

import { useState } from 'preact/hooks';
import { moment } from '../format';
import { Dialog, copy, toast } from '../ui/dialog';
import { AreaField, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { Icon } from '../ui/marks';
import { readSpan } from '../ui/when';
import { type Other, type Outcome, handOver, invite, join } from './api';
import { outcomeText } from './words';

const lives = [
  ['1h', 'an hour'],
  ['24h', 'a day'],
  ['7d', 'a week'],
  ['30d', '30 days'],
] as const;

/** cluster is the address of whoever is in the same external cluster. */
const cluster = 'cluster';

/** Invite makes a token and shows the command to type where the other manager runs. */
export function Invite({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [within, setWithin] = useState('24h');
  const [made, setMade] = useState<Awaited<ReturnType<typeof invite>> | undefined>(undefined);
  const [wrong, setWrong] = useState('');
  const [copied, setCopied] = useState('');
  const action = useAction();
  const send = () => {
    setWrong(name.trim() === '' ? 'Say what the manager is to be called here.' : '');
    if (name.trim() !== '') void action.run(async () => setMade(await invite(name.trim(), within)));
  };
  if (made) {
    return (
      <Dialog title={`Invitation for ${name.trim()}`} onClose={onClose} wide>
        <p>
          Type this where {name.trim()} runs. It is shown only now, works once, and until {moment(Date.parse(made.ends))}.
        </p>
        <div class="secret">
          <input class="input code" readOnly aria-label="Command" value={made.command} onFocus={(e) => e.currentTarget.select()} />
          <button autofocus onClick={async () => setCopied((await copy(made.command)) ? 'Copied.' : 'The browser does not allow it here: select the text and copy it.')}>
            <Icon name="copy" />
            Copy
          </button>
        </div>
        <p class="soft" role="status">
          {copied}
        </p>
        <p class="soft">
          Or open the page of {name.trim()}, Peers, Join, {made.address === cluster ? 'over the cluster, with' : <>with the address <code>{made.address}</code> and</>} the token, which is the last word of the command.
        </p>
        <div class="actions">
          <button class="primary" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Invite a manager" onClose={onClose}>
      <Form
        onSend={send}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <Submit busy={action.busy}>Invite</Submit>
          </>
        }
      >
        <TextField label="Name" hint="What the manager that joins is called here." value={name} onValue={setName} error={wrong} autofocus autocomplete="off" maxLength={128} placeholder="hamburg" />
        <SelectField label="Good for" value={within} onValue={setWithin} options={lives} />
      </Form>
    </Dialog>
  );
}

/** Join takes what the other side's invitation says. Clustered is that it may be in the same external cluster as this manager. */
export function Join({ clustered, onClose, onDone }: { clustered: boolean; onClose: () => void; onDone: () => void }) {
  const [over, setOver] = useState(clustered);
  const [address, setAddress] = useState('');
  const [token, setToken] = useState('');
  const [wrong, setWrong] = useState<{ address?: string; token?: string }>({});
  const action = useAction();
  /** Who pastes the whole command into either field means its words. */
  const paste = (text: string, into: (text: string) => void) => {
    const [, at, secret] = /^\s*(?:\S*grove\s+)?peer\s+join\s+(\S+)\s+(\S+)\s*$/.exec(text) ?? [];
    if (at && secret) {
      setOver(clustered && at === cluster);
      setAddress(clustered && at === cluster ? '' : at);
      setToken(secret);
    } else into(text);
  };
  const send = async () => {
    const to = over ? cluster : address.trim();
    setWrong({
      ...(to === '' ? { address: 'Say where the other manager is reached.' } : {}),
      ...(token.trim() === '' ? { token: 'The other side makes it: Peers, Invite.' } : {}),
    });
    if (to === '' || token.trim() === '') return;
    let name = '';
    const done = await action.run(async () => {
      name = (await join(to, token.trim())).name;
    });
    if (!done) return;
    toast(`Joined ${name}.`);
    onDone();
    onClose();
  };
  return (
    <Dialog title="Join a manager" onClose={onClose}>
      <Form
        onSend={() => void send()}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <Submit busy={action.busy}>Join</Submit>
          </>
        }
      >
        {clustered ? (
          <SelectField
            label="Reached"
            value={over ? cluster : 'address'}
            onValue={(v) => setOver(v === cluster)}
            options={[
              [cluster, 'over the cluster that both are in'],
              ['address', 'at an address'],
            ]}
          />
        ) : null}
        {over ? null : <TextField label="Address" hint="Of the other manager. You may paste the whole command of its invitation." value={address} onValue={(t) => paste(t, setAddress)} error={wrong.address} autofocus autocomplete="off" placeholder="tls://grove.example:7443" />}
        <AreaField label="Token" hint={over ? 'You may paste the whole command of the invitation.' : undefined} autofocus={over} value={token} onValue={(t) => paste(t, setToken)} error={wrong.token} rows={3} class="code" autocomplete="off" />
      </Form>
    </Dialog>
  );
}

/** HandOver gives all devices away, and says when this manager may stop. */
export function HandOver({ managers, onClose, onDone }: { managers: readonly Other[]; onClose: () => void; onDone: () => void }) {
  const [to, setTo] = useState('');
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const action = useAction();
  const send = () =>
    void action.run(async () => {
      setOutcome(await handOver(to));
      onDone();
    });
  const over = outcome && outcome.underWay === 0 && outcome.left.length === 0;
  const live = managers.filter((m) => m.state === 'live');
  return (
    <Dialog title="Hand all devices over" onClose={onClose}>
      <Form
        onSend={send}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              {outcome ? 'Close' : 'Cancel'}
            </button>
            {over ? null : (
              <Submit busy={action.busy} danger>
                {outcome ? 'Go on' : 'Hand over'}
              </Submit>
            )}
          </>
        }
      >
        <p class="soft">Every device that this manager watches goes to another one, which has it on disk before this one lets go. Then grove may be stopped here without a gap.</p>
        <SelectField label="To" value={to} onValue={setTo} options={[['', 'the stand-ins of each device'], ...live.map((m) => [m.id, m.name] as const)]} disabled={over === true} />
        {outcome ? (
          <div role="status">
            <p>{outcomeText(outcome)}</p>
            {over ? <p>This manager watches no device: it may stop.</p> : null}
          </div>
        ) : null}
      </Form>
    </Dialog>
  );
}

/** spanError says what is wrong with a length of time; empty is for good. */
export function spanError(text: string): string {
  return text.trim() !== '' && Number.isNaN(readSpan(text)) ? 'Write it such as 90m, 8h or 2d.' : '';
}
