// People: who may use this server, for administrators.

import { useMemo, useState } from 'preact/hooks';
import { useApp } from '../app';
import { addUser, fetchUsers, type User } from '../account/api';
import { useFetched } from '../account/fetched';
import { GrantRows, grantsText, tidy } from '../account/grants';
import { moment, plural } from '../format';
import type { Grant } from '../session';
import { may } from '../session';
import { Dialog, toast } from '../ui/dialog';
import { Form, Submit, TextField, useAction } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Icon } from '../ui/marks';
import { UserDialog } from './user';

const columns: readonly Column<User>[] = [
  {
    name: 'name',
    title: 'Name',
    width: 'minmax(9rem, 1fr)',
    order: (a, b) => (a.name < b.name ? -1 : 1),
    draw: (u) => (
      <>
        <b>{u.name}</b>
        {u.title ? <span class="soft"> {u.title}</span> : null}
      </>
    ),
  },
  { name: 'grants', title: 'May', width: 'minmax(0, 2fr)', draw: (u) => <span title={grantsText(u.grants)}>{grantsText(u.grants)}</span> },
  { name: 'source', title: 'Login', width: '7rem', slim: false, order: (a, b) => (a.source < b.source ? -1 : 1), draw: (u) => (u.disabled ? 'disabled' : u.source === 'oidc' ? 'elsewhere' : u.password ? 'password' : 'none') },
  {
    name: 'last',
    title: 'Last login',
    width: '13rem',
    slim: false,
    down: true,
    order: (a, b) => ((a.last_login ?? '') < (b.last_login ?? '') ? -1 : 1),
    draw: (u) => (u.last_login ? moment(Date.parse(u.last_login)) : <span class="soft">never</span>),
  },
  { name: 'tokens', title: 'Tokens', width: '5rem', slim: false, order: (a, b) => a.tokens - b.tokens, draw: (u) => u.tokens || '' },
];

export function PeoplePage() {
  const app = useApp();
  const { session } = app;
  const { value: users, error, again } = useFetched(fetchUsers, []);
  const [adding, setAdding] = useState(false);
  const chosen = app.route.params.user;
  const user = useMemo(() => users?.find((u) => u.name === chosen), [users, chosen]);
  const close = () => {
    app.put({ user: undefined });
    again();
  };
  if (session && !may(session, 'admin')) {
    return (
      <div class="nothing">
        <h1>People</h1>
        <p>Who may use this server is for those with the role admin on everything.</p>
      </div>
    );
  }
  return (
    <div class="people-page">
      <div class="bar">
        <h1>People</h1>
        <p class="soft">{users ? plural(users.length, 'user') : ''}</p>
        <button class="primary" onClick={() => setAdding(true)}>
          <Icon name="plus" />
          Add a user
        </button>
      </div>
      <List
        label="Users"
        name="users"
        items={users ?? []}
        columns={columns}
        keyOf={(u) => u.name}
        rowClass={(u) => (u.disabled ? 'off' : '')}
        row={38}
        onOpen={(u) => app.put({ user: u.name })}
        selected={chosen}
        empty={error || (users ? (session?.open ? 'There are no users: everybody on this machine may do everything. The first user is an administrator, and from then on everybody logs in.' : 'There are no users.') : 'Loading…')}
      />
      <p class="foot">
        {session && session.methods.length > 0 ? `People log in by ${session.methods.map((m) => (m === 'oidc' ? `“${session.oidc || 'OIDC'}”` : m === 'certificate' ? 'client certificate' : 'password')).join(' or ')}.` : 'Nobody has to log in.'}
      </p>
      {adding ? (
        <Add
          first={users?.length === 0}
          onClose={(added) => {
            setAdding(false);
            if (!added) return;
            // The first user ends the time without logins.
            if (session?.open) void app.readSession();
            else again();
          }}
        />
      ) : null}
      {user ? <UserDialog key={user.name} user={user} self={user.name === session?.name} onClose={close} onChange={again} /> : null}
    </div>
  );
}

function Add({ first, onClose }: { first: boolean; onClose: (added: boolean) => void }) {
  const [name, setName] = useState('');
  const [title, setTitle] = useState('');
  const [password, setPassword] = useState('');
  const [grants, setGrants] = useState<readonly Grant[]>([{ role: first ? 'admin' : 'viewer', path: '/' }]);
  const action = useAction();
  const send = async () => {
    const asked = { name: name.trim(), grants: tidy(grants), ...(title.trim() ? { title: title.trim() } : {}), ...(password ? { password } : {}) };
    if (await action.run(() => addUser(asked))) {
      toast(`The user ${asked.name} is there.`);
      onClose(true);
    }
  };
  return (
    <Dialog title="Add a user" onClose={() => onClose(false)} wide>
      <Form
        onSend={() => void send()}
        error={action.error}
        actions={
          <>
            <button type="button" onClick={() => onClose(false)}>
              Cancel
            </button>
            <Submit busy={action.busy}>Add</Submit>
          </>
        }
      >
        <TextField label="Name" hint="For the login: lower-case letters, digits and . _ - @ +" value={name} onValue={setName} autofocus autocomplete="off" maxLength={64} />
        <TextField label="Full name" value={title} onValue={setTitle} autocomplete="off" />
        <TextField label="Password" type="password" autocomplete="new-password" value={password} onValue={setPassword} hint="At least 10 characters. Without one only tokens and certificates let the user in." />
        <h3>May</h3>
        <GrantRows grants={grants} onGrants={setGrants} />
      </Form>
    </Dialog>
  );
}
