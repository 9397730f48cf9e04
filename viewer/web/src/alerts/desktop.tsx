// Whether somebody wants to be told of alerts on his desktop, and of which.

import { useState } from 'preact/hooks';
import { useApp } from '../app';
import { Dialog } from '../ui/dialog';
import { CheckField, ErrorText } from '../ui/form';
import { Icon } from '../ui/marks';
import { severities } from './api';
import { type Wishes, permitted, setWishes, wishes } from './notifier';

const why: Record<string, string> = {
  denied: 'This browser does not let this page notify you. Allow it in the settings of the browser for this address.',
  insecure: 'Browsers notify only for secure addresses: https, or this machine itself.',
  unknown: 'This browser knows no notifications.',
};

/** DesktopButton opens what there is to choose. */
export function DesktopButton() {
  const [open, setOpen] = useState(false);
  const on = wishes().on && permitted() === 'granted';
  return (
    <>
      <button class="desktop" aria-pressed={on} onClick={() => setOpen(true)} title="Notifications on the desktop">
        <Icon name={on ? 'bell' : 'muted'} /> {on ? 'Notifies you' : 'Notify me…'}
      </button>
      {open ? (
        <Dialog title="Notifications on the desktop" onClose={() => setOpen(false)}>
          <DesktopWishes />
          <div class="actions">
            <button type="button" onClick={() => setOpen(false)}>
              Done
            </button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}

/** DesktopWishes are the choices. They belong to this browser, as its permission does. */
export function DesktopWishes() {
  const app = useApp();
  const [now, set] = useState(wishes);
  const [error, setError] = useState('');
  const take = (w: Wishes) => {
    setWishes(w);
    set(w);
    app.wished();
  };
  const turn = async (on: boolean) => {
    setError('');
    if (on && permitted() === 'default') await Notification.requestPermission();
    const may = permitted();
    if (on && may !== 'granted') setError(why[may] ?? 'The browser did not allow it.');
    else take({ ...now, on });
  };
  const attempt = () => {
    try {
      new Notification('Grove', { body: 'This is how grove tells you of an alert.', tag: 'grove try' });
    } catch {
      setError('This browser shows no notifications of a page; phones need more than that.');
    }
  };
  return (
    <div class="form">
      <CheckField
        label="Notify me of new alerts"
        hint="While Grove is open in this browser, also behind other windows. Many at once are one notification; it goes when the alert is over."
        checked={now.on && permitted() === 'granted'}
        onValue={(on) => void turn(on)}
      />
      <fieldset class="severities" disabled={!now.on}>
        <legend>Of which severity</legend>
        {severities.map((s) => (
          <CheckField key={s} label={s} checked={now.severities.includes(s)} onValue={(yes) => take({ ...now, severities: severities.filter((o) => (o === s ? yes : now.severities.includes(o))) })} />
        ))}
      </fieldset>
      {now.on && permitted() === 'granted' ? (
        <button type="button" class="try" onClick={attempt}>
          Show one
        </button>
      ) : null}
      <ErrorText text={error} />
    </div>
  );
}
