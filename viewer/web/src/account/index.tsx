// The account: how one wants the page to be, and all that is one's own.

import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { useApp } from '../app';
import { DesktopWishes } from '../alerts/desktop';
import { moment } from '../format';
import { toast } from '../ui/dialog';
import { CheckField, Choice, ErrorText, Form, Submit, TextField, useAction } from '../ui/form';
import { changePassword } from './api';
import { Grants } from './grants';
import { Logins } from './logins';
import type { Preferences } from './preferences';
import { Tokens } from './tokens';
import { Views } from './views';

export function AccountPage() {
  const { session } = useApp();
  if (!session) return null;
  const known = session.name !== '' && !session.open;
  return (
    <div class="column account-page">
      <h1>{known ? session.title || session.name : 'Preferences'}</h1>
      {known ? (
        <Part title="You">
          <dl>
            <dt>Name</dt>
            <dd>{session.name}</dd>
            <dt>May</dt>
            <dd>
              <Grants grants={session.grants} />
            </dd>
            {session.expires ? (
              <>
                <dt>Logged in until</dt>
                <dd>{moment(Date.parse(session.expires))}</dd>
              </>
            ) : null}
          </dl>
        </Part>
      ) : (
        <p class="soft">No login is needed here, so these hold for everybody who uses this server without one.</p>
      )}
      <Part title="Preferences">
        <Wishes />
      </Part>
      <Part title="Notifications on the desktop" about="In this browser alone.">
        <DesktopWishes />
      </Part>
      <Part title="Saved views">
        <Views />
      </Part>
      {known && session.password ? (
        <Part title="Password">
          <Password name={session.name} />
        </Part>
      ) : null}
      {known ? (
        <>
          <Part title="Tokens" about="For programs that ask in your name.">
            <Tokens grants={session.grants} />
          </Part>
          <Part title="Where you are logged in">
            <Logins />
          </Part>
        </>
      ) : null}
    </div>
  );
}

function Part({ title, about, children }: { title: string; about?: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {about ? <p class="soft">{about}</p> : null}
      {children}
    </section>
  );
}

function Wishes() {
  const app = useApp();
  const action = useAction();
  const set = (change: Partial<Preferences>) => void action.run(() => app.setPrefs(change));
  return (
    <div class="form">
      <Choice
        label="Theme"
        value={app.prefs.theme}
        onValue={(theme) => set({ theme })}
        options={[
          ['system', 'System'],
          ['light', 'Light'],
          ['dark', 'Dark'],
        ]}
      />
      <Choice
        label="Times"
        value={app.prefs.zone}
        onValue={(zone) => set({ zone })}
        options={[
          ['local', 'Local'],
          ['utc', 'UTC'],
        ]}
      />
      <CheckField label="Sound when something turns red" checked={app.prefs.sound} onValue={(sound) => set({ sound })} hint="Heard while the page with the problems is open." />
      <ErrorText text={action.error} />
    </div>
  );
}

function Password({ name }: { name: string }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [wrong, setWrong] = useState('');
  const action = useAction();
  const send = async () => {
    setWrong('');
    if (next !== again) {
      setWrong('It is not the same as the one above.');
      return;
    }
    if (await action.run(() => changePassword(current, next))) {
      setCurrent('');
      setNext('');
      setAgain('');
      toast('The password is changed. Your other logins are ended.');
    }
  };
  return (
    <Form onSend={() => void send()} error={action.error} actions={<Submit busy={action.busy}>Change the password</Submit>}>
      <input class="hidden" type="text" name="username" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
      <TextField label="Present password" type="password" autocomplete="current-password" value={current} onValue={setCurrent} />
      <TextField label="New password" type="password" autocomplete="new-password" value={next} onValue={setNext} hint="At least 10 characters." />
      <TextField label="New password again" type="password" autocomplete="new-password" value={again} onValue={setAgain} error={wrong} />
    </Form>
  );
}
