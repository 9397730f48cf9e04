// API tokens: a list of them, and how one is made.

import { useState } from 'preact/hooks';
import { moment, plural } from '../format';
import type { Grant } from '../session';
import { Dialog, confirm, copy, toast } from '../ui/dialog';
import { Choice, ErrorText, Form, SelectField, Submit, TextField, useAction, words } from '../ui/form';
import { Icon } from '../ui/marks';
import { type Token, deleteToken, fetchTokens, makeToken } from './api';
import { useFetched } from './fetched';
import { GrantRows, Grants, bestRole, tidy } from './grants';

/** Tokens are those of a user, or one's own. The grants are those of the owner. */
export function Tokens({ user, grants, onChange }: { user?: string; grants: readonly Grant[]; onChange?: () => void }) {
  const { value: tokens, error, again } = useFetched((signal) => fetchTokens(user, signal), [user]);
  const [making, setMaking] = useState(false);
  const changed = () => {
    again();
    onChange?.();
  };
  const remove = async (t: Token) => {
    if (!(await confirm({ title: `Revoke the token ${t.name}?`, text: 'Programs that use it are refused from then on.', action: 'Revoke', danger: true }))) return;
    try {
      await deleteToken(t.id);
      toast(`The token ${t.name} is revoked.`);
    } catch (problem) {
      toast(words(problem));
    }
    changed();
  };
  return (
    <div class="tokens">
      <ErrorText text={error} />
      {tokens && tokens.length > 0 ? (
        <ul class="things">
          {tokens.map((t) => (
            <li key={t.id}>
              <div class="thing">
                <b>{t.name}</b>
                <Grants grants={t.allowed} none="nothing any more" />
                <p class="soft">
                  {t.expires ? `${Date.parse(t.expires) < Date.now() ? 'Expired' : 'Expires'} ${moment(Date.parse(t.expires))}. ` : ''}
                  {t.last_used ? `Last used ${moment(Date.parse(t.last_used))}.` : 'Never used.'}
                </p>
              </div>
              <button onClick={() => void remove(t)} aria-label={`Revoke ${t.name}`}>
                Revoke
              </button>
            </li>
          ))}
        </ul>
      ) : tokens ? (
        <p class="soft">No tokens.</p>
      ) : null}
      <div>
        <button onClick={() => setMaking(true)}>
          <Icon name="key" />
          Make a token
        </button>
      </div>
      {making ? (
        <Make
          {...(user === undefined ? {} : { user })}
          grants={grants}
          onClose={() => {
            setMaking(false);
            changed();
          }}
        />
      ) : null}
    </div>
  );
}

const lives = [1, 7, 30, 90, 365] as const; // days

function Make({ user, grants, onClose }: { user?: string; grants: readonly Grant[]; onClose: () => void }) {
  const [name, setName] = useState('');
  const [days, setDays] = useState('90');
  const [scope, setScope] = useState<'all' | 'less'>('all');
  const [wanted, setWanted] = useState<readonly Grant[]>([{ role: 'viewer', path: '/' }]);
  const [made, setMade] = useState<Token | undefined>();
  const action = useAction();
  if (made) return <Made token={made} onClose={onClose} />;
  const send = () =>
    action.run(async () => {
      const expires = new Date(Date.now() + Number(days) * 86_400_000).toISOString();
      setMade(await makeToken({ name: name.trim(), expires, ...(user === undefined ? {} : { user }), ...(scope === 'all' ? {} : { grants: tidy(wanted) }) }));
    });
  return (
    <Dialog title={user === undefined ? 'Make a token' : `Make a token for ${user}`} onClose={onClose} wide={scope === 'less'}>
      <Form
        onSend={() => void send()}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <Submit busy={action.busy}>Make</Submit>
          </>
        }
      >
        <TextField label="Name" hint="What it is for, as in backup script." value={name} onValue={setName} autofocus autocomplete="off" maxLength={64} />
        <SelectField label="Good for" value={days} onValue={setDays} options={lives.map((d) => [String(d), plural(d, 'day')] as const)} />
        <Choice
          label="It may do"
          value={scope}
          onValue={setScope}
          options={[
            ['all', user === undefined ? 'all that I may' : 'all that the user may'],
            ['less', 'less'],
          ]}
          hint="Never more than its owner may, also later."
        />
        {scope === 'less' ? <GrantRows grants={wanted} onGrants={setWanted} most={bestRole(grants)} /> : null}
      </Form>
    </Dialog>
  );
}

/** Made shows the text of a token, which nobody can see again. */
function Made({ token, onClose }: { token: Token; onClose: () => void }) {
  const text = token.token ?? '';
  const [copied, setCopied] = useState('');
  return (
    <Dialog title={`The token ${token.name}`} onClose={onClose}>
      <p>This is shown only now. Keep it where the program finds it.</p>
      <div class="secret">
        <input class="input code" readOnly aria-label="Token" value={text} onFocus={(e) => e.currentTarget.select()} />
        <button autofocus onClick={async () => setCopied((await copy(text)) ? 'Copied.' : 'The browser does not allow it here: select the text and copy it.')}>
          <Icon name="copy" />
          Copy
        </button>
      </div>
      <p class="soft" role="status">
        {copied}
      </p>
      <p class="soft">
        A program sends it with each request: <code>Authorization: Bearer {text.slice(0, 10)}…</code>
      </p>
      <div class="actions">
        <button class="primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
