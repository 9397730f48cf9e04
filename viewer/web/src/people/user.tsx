// One user: what he may do, his password, tokens and logins, and how he goes.

import { useState } from 'preact/hooks';
import { type User, changeUser, deleteUser, resetPassword } from '../account/api';
import { GrantRows, Grants, tidy } from '../account/grants';
import { Logins } from '../account/logins';
import { Tokens } from '../account/tokens';
import { moment } from '../format';
import type { Grant } from '../session';
import { Dialog, confirm, toast } from '../ui/dialog';
import { ErrorText, Form, Submit, TextField, useAction } from '../ui/form';

export function UserDialog({ user, self, onClose, onChange }: { user: User; self: boolean; onClose: () => void; onChange: () => void }) {
  const act = useAction();
  const toggle = async () => {
    if (!user.disabled && !(await confirm({ title: `Disable ${user.name}?`, text: 'The logins end at once, and tokens are refused as long as the user is disabled.', action: 'Disable', danger: true }))) return;
    if (await act.run(() => changeUser(user.name, { disabled: !user.disabled }))) {
      toast(`${user.name} is ${user.disabled ? 'enabled' : 'disabled'}.`);
      onChange();
    }
  };
  const remove = async () => {
    const text = 'The tokens and logins of the user go, too. What the user did stays in the audit log.';
    if (!(await confirm({ title: `Delete ${user.name}?`, text, action: 'Delete', danger: true }))) return;
    if (await act.run(() => deleteUser(user.name))) {
      toast(`${user.name} is deleted.`);
      onClose();
    }
  };
  return (
    <Dialog title={user.title ? `${user.title} (${user.name})` : user.name} onClose={onClose} wide>
      <div class="user-dialog">
        <p class="soft">
          {user.disabled ? 'Disabled. ' : ''}
          {user.created ? `Made ${moment(Date.parse(user.created))}. ` : ''}
          {user.last_login ? `Last login ${moment(Date.parse(user.last_login))}.` : 'Never logged in.'}
        </p>
        <section>
          <h3>May</h3>
          {user.source === 'oidc' ? (
            <>
              <Grants grants={user.grants} />
              <p class="soft">The groups of the other server give these, at each login.</p>
            </>
          ) : (
            <Roles user={user} onChange={onChange} />
          )}
        </section>
        {user.source === 'local' ? (
          <section>
            <h3>Password</h3>
            <Reset user={user} onChange={onChange} />
          </section>
        ) : null}
        <section>
          <h3>Tokens</h3>
          <Tokens user={user.name} grants={user.grants} />
        </section>
        <section>
          <h3>Logged in</h3>
          <Logins user={user.name} />
        </section>
        <section>
          <ErrorText text={act.error} />
          <div class="actions">
            <button onClick={() => void toggle()} disabled={act.busy || self}>
              {user.disabled ? 'Enable' : 'Disable'}
            </button>
            <button class="danger" onClick={() => void remove()} disabled={act.busy || self}>
              Delete
            </button>
            {self ? <span class="soft">This is you.</span> : null}
          </div>
        </section>
      </div>
    </Dialog>
  );
}

function Roles({ user, onChange }: { user: User; onChange: () => void }) {
  const [grants, setGrants] = useState<readonly Grant[]>(user.grants);
  const action = useAction();
  const changed = JSON.stringify(tidy(grants)) !== JSON.stringify(tidy(user.grants));
  const send = async () => {
    if (await action.run(() => changeUser(user.name, { grants: tidy(grants) }))) {
      toast(`What ${user.name} may is changed.`);
      onChange();
    }
  };
  return (
    <Form
      label="Grants"
      onSend={() => void send()}
      error={action.error}
      actions={
        changed ? (
          <>
            <Submit busy={action.busy}>Save</Submit>
            <button type="button" onClick={() => setGrants(user.grants)}>
              Undo
            </button>
          </>
        ) : null
      }
    >
      <GrantRows grants={grants} onGrants={setGrants} />
    </Form>
  );
}

function Reset({ user, onChange }: { user: User; onChange: () => void }) {
  const [password, setPassword] = useState('');
  const action = useAction();
  const send = async () => {
    if (await action.run(() => resetPassword(user.name, password))) {
      setPassword('');
      toast(`${user.name} has a new password. The logins are ended.`);
      onChange();
    }
  };
  return (
    <Form
      label="Password"
      onSend={() => void send()}
      error={action.error}
      actions={
        <Submit busy={action.busy} disabled={password === ''}>
          {user.password ? 'Reset' : 'Set'}
        </Submit>
      }
    >
      <TextField label="New password" type="password" autocomplete="new-password" value={password} onValue={setPassword} hint="At least 10 characters. All logins of the user end." />
    </Form>
  );
}
