// The page about other managers: who is there and how the links are, who watches which
// device, what moved, and what is seen twice.

import { useState } from 'preact/hooks';
import { useApp } from '../app';
import { useReading } from '../definitions/read';
import { plural } from '../format';
import { may } from '../session';
import { confirm, toast } from '../ui/dialog';
import { ErrorText, useAction } from '../ui/form';
import { Icon, Mark } from '../ui/marks';
import { type Overview, beLive, fetchPeers, integrate, readMs } from './api';
import { Devices } from './devices';
import { HandOver, Invite, Join } from './join';
import { ManagerDialog, Managers } from './managers';
import { Duplicates, Moves } from './moves';
import { devicesText, outcomeText } from './words';


const parts = [
  ['', 'Managers'],
  ['devices', 'Devices'],
  ['moves', 'Moves'],
  ['duplicates', 'Seen twice'],
] as const;

export function PeersPage() {
  const app = useApp();
  if (app.session && !may(app.session, 'viewer')) {
    return (
      <div class="nothing">
        <h1>Peers</h1>
        <p>Other managers are shown to those who may see the whole of this one.</p>
      </div>
    );
  }
  return <Whole />;
}

function Whole() {
  const app = useApp();
  const { value: peers, error, again } = useReading('peers', fetchPeers, readMs);
  const part = parts.find(([name]) => name === app.route.params.part)?.[0] ?? '';
  const chosen = peers?.managers.find((m) => m.id === app.route.params.manager && part === '');
  return (
    <div class="peers-page">
      <div class="peers-top">
        <nav class="alert-tabs" aria-label="About peers">
          {parts.map(([name, title]) => (
            <a key={name} href={app.href('peers', name ? { part: name } : {})} aria-current={part === name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Head peers={peers} again={again} />
        <ErrorText text={error} />
        {peers?.deaf ? <ErrorText text={`No other manager can link to this one, and it is tried again: ${peers.deaf}`} /> : null}
        {peers?.error ? <ErrorText text={`peers.yaml is not taken, and what it said before holds: ${peers.error}`} /> : null}
      </div>
      {part === 'devices' ? (
        <Devices managers={peers?.managers ?? []} self={peers?.self} />
      ) : part === 'moves' ? (
        <Moves />
      ) : part === 'duplicates' ? (
        <Duplicates />
      ) : (
        <Managers peers={peers} />
      )}
      {chosen ? <ManagerDialog m={chosen} onClose={() => app.put({ manager: undefined })} again={again} /> : null}
    </div>
  );
}

/** Head says who this manager is among the others, and has what an administrator does with all. */
function Head({ peers, again }: { peers: Overview | undefined; again: () => void }) {
  const app = useApp();
  const action = useAction();
  const [open, setOpen] = useState<'' | 'invite' | 'join' | 'handover'>('');
  const admin = may(app.session, 'admin');
  const self = peers?.self;
  const others = peers?.managers ?? [];
  const turn = (on: boolean) =>
    action.run(async () => {
      if (
        !(await confirm(
          on
            ? { title: 'Integrate other managers?', text: 'They can register here, and may leave their devices to this manager when they are gone.', action: 'Integrate' }
            : { title: 'Integrate no longer?', text: 'First this manager hands back what it watches for others; then nobody registers here any more.', action: 'Stop integrating', danger: true },
        ))
      )
        return;
      toast(outcomeText(await integrate(on)));
      again();
    });
  const live = () =>
    action.run(async () => {
      if (!(await confirm({ title: 'Take the devices back?', text: 'What others watch for this manager comes back with its present state.', action: 'I am live' }))) return;
      toast(outcomeText(await beLive()));
      again();
    });
  const down = others.filter((m) => m.link && !m.link.up).length;
  return (
    <>
      <div class="bar">
        <h1>Peers</h1>
        {self ? (
          <p class="soft self">
            <b>{self.name}</b> watches {devicesText(self)} devices{self.integrates ? ', integrates others' : ''}
            {peers.home ? `, is registered with ${peers.home}` : ''}
            {peers.standIns?.length ? `, stand-ins: ${peers.standIns.join(', ')}` : ''}
          </p>
        ) : null}
        {down > 0 ? (
          <p class="lost-links" role="status">
            <Mark status={3} size={12} /> {plural(down, 'link')} lost
          </p>
        ) : null}
        {admin && self ? (
          <div class="actions">
            <button class="primary" onClick={() => setOpen('invite')}>
              <Icon name="plus" /> Invite
            </button>
            <button onClick={() => setOpen('join')}>Join</button>
            <button disabled={action.busy} onClick={() => void turn(!self.integrates)}>
              {self.integrates ? 'Stop integrating' : 'Integrate others'}
            </button>
            {others.length > 0 ? (
              <>
                <button onClick={() => setOpen('handover')}>Hand over</button>
                <button disabled={action.busy} aria-busy={action.busy} onClick={() => void live()}>
                  I am live
                </button>
              </>
            ) : null}
          </div>
        ) : null}
      </div>
      <ErrorText text={action.error} />
      {open === 'invite' ? <Invite onClose={() => setOpen('')} /> : null}
      {open === 'join' ? <Join clustered={peers?.clustered ?? false} onClose={() => setOpen('')} onDone={again} /> : null}
      {open === 'handover' ? <HandOver managers={others} onClose={() => setOpen('')} onDone={again} /> : null}
    </>
  );
}

