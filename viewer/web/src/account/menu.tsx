// The menu in the header: who this is, his saved views, and the way out.

import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { toast } from '../ui/dialog';
import { words } from '../ui/form';
import { Icon } from '../ui/marks';
import { type View, fetchViews, logOut } from './api';
import { SaveView } from './views';

export function UserMenu() {
  const app = useApp();
  const [open, setOpen] = useState(false);
  const [views, setViews] = useState<readonly View[]>([]);
  const [saving, setSaving] = useState('');
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const { session } = app;
  const close = (back = true) => {
    setOpen(false);
    if (back) button.current?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const abort = new AbortController();
    fetchViews(abort.signal).then(setViews, () => {}); // The account page says what is wrong.
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', away);
    box.current?.querySelector<HTMLElement>('.menu a, .menu button')?.focus();
    return () => {
      abort.abort();
      removeEventListener('pointerdown', away);
    };
  }, [open]);
  if (!session) return null;
  const known = session.name !== '' && !session.open;
  const leave = async () => {
    close();
    try {
      await logOut();
      await app.readSession();
    } catch (problem) {
      toast(words(problem));
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const items = [...box.current!.querySelectorAll<HTMLElement>('.menu a, .menu button')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[(at + step + items.length) % items.length]?.focus();
    event.preventDefault();
  };
  return (
    <div class="user-menu" ref={box}>
      <button ref={button} class="plain" aria-expanded={open} aria-controls="user-menu" aria-label={known ? `${session.name}: views and account` : 'Views and account'} title={known ? session.name : 'Views and account'} onClick={() => setOpen(!open)}>
        <Icon name="account" />
      </button>
      {open ? (
        <div class="menu" id="user-menu" onKeyDown={onKey}>
          <p class="who">
            {known ? <b>{session.title || session.name}</b> : 'No login is needed here.'}
            {known && session.title ? <span class="soft"> {session.name}</span> : null}
          </p>
          <button
            onClick={() => {
              close();
              setSaving(location.hash || app.href(app.route.page));
            }}
          >
            <Icon name="star" />
            Save this view…
          </button>
          {views.length > 0 ? (
            <nav class="saved" aria-label="Saved views">
              {views.map((v) => (
                <a key={v.name} href={v.address} onClick={() => close(false)}>
                  {v.name}
                </a>
              ))}
            </nav>
          ) : null}
          <a class="item" href={app.href('account', {})} onClick={() => close(false)}>
            <Icon name="account" />
            {known ? 'Account and preferences' : 'Preferences'}
          </a>
          {known ? (
            session.method === 'certificate' ? null : (
              <button onClick={() => void leave()}>
                <Icon name="logout" />
                Log out
              </button>
            )
          ) : (
            <a class="item" href={app.href('login', {})} onClick={() => close(false)}>
              <Icon name="key" />
              How to have logins
            </a>
          )}
        </div>
      ) : null}
      {saving ? <SaveView title="Save this view" address={saving} onClose={() => setSaving('')} /> : null}
    </div>
  );
}
