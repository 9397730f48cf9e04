// The login. Where none is needed it says so, and how to have one.

import { useEffect, useState } from 'preact/hooks';
import { useApp } from '../app';
import { logIn } from '../account/api';
import { Form, Submit, TextField, useAction } from '../ui/form';
import { Logo } from '../ui/marks';

/** What became of a login elsewhere, by the code that it comes back with. */
const problems: Record<string, string> = {
  denied: 'The other side did not let you in.',
  stale: 'That took too long, or was begun in another window. Please try again.',
  grants: 'You are known, but none of your groups has a role here. Ask an administrator of Grove.',
  taken: 'Another user has your name here. Ask an administrator of Grove.',
  disabled: 'Your user is disabled here. Ask an administrator of Grove.',
  unavailable: 'The other side does not answer. Please try again later.',
  failed: 'That went wrong; the log of Grove says why.',
};

export function LoginPage() {
  const app = useApp();
  const { session } = app;
  if (!session) return <main class="login-page" />;
  return (
    <main class="login-page">
      <div class="card">
        <h1>
          <Logo />
          {session.open ? 'No login is needed here' : 'Log in to Grove'}
        </h1>
        {session.open ? <Open /> : <Ways />}
      </div>
    </main>
  );
}

/** Open tells that everybody may do everything, and what to do about it. */
function Open() {
  const app = useApp();
  return (
    <>
      <p>
        This server has no users and can be reached from its own machine only. Whoever works there may see and do everything, under the name{' '}
        <b>anonymous</b>.
      </p>
      <p>To have logins, make the first user on that machine:</p>
      <pre tabIndex={0}>
        <code>grove user add NAME --role admin</code>
      </pre>
      <p class="soft">It asks for a password. From then on everybody logs in, and other machines may be let in.</p>
      <a class="button" href={app.href('tree', {})}>
        Show the tree
      </a>
    </>
  );
}

function Ways() {
  const app = useApp();
  const { session, route } = app;
  const { to = '', then = '', problem } = route.params;
  const methods = session?.methods ?? [];
  const back = to || then || '#/';
  const said = problem === undefined ? '' : (problems[problem] ?? problems.failed!);
  return (
    <>
      {session?.manager ? <p class="soft">Server {session.manager}</p> : null}
      {said ? (
        <p class="wrong" role="alert">
          {said}
        </p>
      ) : null}
      {methods.includes('password') ? <Password /> : null}
      {methods.includes('oidc') ? (
        <>
          {methods.includes('password') ? <p class="or">or</p> : null}
          <a class="button" href={`api/v1/login/oidc?then=${encodeURIComponent(back)}`}>
            {session?.oidc || 'Log in elsewhere'}
          </a>
        </>
      ) : null}
      {methods.length === 0 ? <p class="soft">This server does not say how to log in. Ask its administrator.</p> : null}
    </>
  );
}

function Password() {
  const app = useApp();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [wrong, setWrong] = useState({ name: '', password: '' });
  const action = useAction();
  const { clear } = action;
  useEffect(() => clear(), [name, password, clear]);
  const send = () => {
    const missing = { name: name.trim() ? '' : 'The name is missing.', password: password ? '' : 'The password is missing.' };
    setWrong(missing);
    if (missing.name || missing.password) return;
    void action.run(async () => {
      await logIn(name.trim(), password);
      await app.readSession(); // goes back to where one was
    });
  };
  return (
    <Form label="Log in" onSend={send} error={action.error} actions={<Submit busy={action.busy}>{action.busy ? 'Logging in…' : 'Log in'}</Submit>}>
      <TextField label="Name" name="username" autocomplete="username" autofocus value={name} onValue={setName} error={wrong.name} />
      <TextField label="Password" name="password" type="password" autocomplete="current-password" value={password} onValue={setPassword} error={wrong.password} />
    </Form>
  );
}
