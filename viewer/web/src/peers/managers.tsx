// The other managers, a row each, and one of them with all that is known of it.

import { useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { age, duration, figures, moment, plural } from '../format';
import { Fact } from '../node/facts';
import { NodeLink } from '../node/link';
import { may } from '../session';
import { Dialog, confirm, toast } from '../ui/dialog';
import { ErrorText, Form, Submit, TextField, useAction } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Mark } from '../ui/marks';
import { useMedia, usePhone } from '../ui/phone';
import { statusWords } from '../wire';
import { type Other, type Overview, leave, revoke, tell } from './api';
import { callText, devicesText, lagText, linkText, managerMeaning, managerStatus, saturationStatus, written } from './words';

const byText = (of: (m: Other) => string) => (a: Other, b: Other) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
const byNumber = (of: (m: Other) => number | undefined) => (a: Other, b: Other) => (of(a) ?? -1) - (of(b) ?? -1);

const close = matchMedia('(max-width: 1450px)');
const closer = matchMedia('(max-width: 1280px)');

/** columnsOf are those that there is room for; all stands in the dialog of one. */
function columnsOf(now: number, phone: boolean, left: readonly string[]): readonly Column<Other>[] {
  const all: Column<Other>[] = [
    {
      name: 'manager',
      title: 'Manager',
      width: 'minmax(10rem, 1.4fr)',
      order: byText((m) => m.name),
      draw: (m) => (
        <span class={`who ${statusWords[managerStatus[m.state]]}`}>
          <span>
            <Mark status={managerStatus[m.state]} /> <b>{m.name}</b>{' '}
            <span class="word" title={managerMeaning[m.state]}>
              {m.state}
            </span>
            {m.integrates ? <span class="note">integrates</span> : null}
          </span>
          {phone ? (
            <span class="soft second">
              link {linkText(m, now)}
              {m.link?.up ? `, ${written(m.link.roundTrip, 's')}` : ''}; {devicesText(m)} devices{m.lag.entries > 0 ? `; ${figures(m.lag.entries)} behind` : ''}
            </span>
          ) : null}
        </span>
      ),
    },
    {
      name: 'link',
      title: 'Link',
      width: 'minmax(8rem, 0.8fr)',
      slim: false,
      order: byText((m) => (m.link ? (m.link.up ? '2' : '0') + m.link.since : '1')),
      draw: (m) => (
        <span class={m.link && !m.link.up ? 'lost' : ''} title={m.link ? [callText(m.link), m.link.error].filter(Boolean).join('; ') : undefined}>
          {m.link ? linkText(m, now) : 'none'}
        </span>
      ),
    },
    { name: 'trip', title: 'Round trip', width: '5.5rem', slim: false, down: true, order: byNumber((m) => m.link?.roundTrip), draw: (m) => (m.link?.up ? written(m.link.roundTrip, 's') : '') },
    { name: 'waiting', title: 'Waiting', width: '5rem', slim: false, down: true, order: byNumber((m) => m.link?.waiting), draw: (m) => (m.link ? written(m.link.waiting, 'bytes') : '') },
    {
      name: 'bytes',
      title: 'Received / sent',
      width: 'minmax(9.5rem, 0.9fr)',
      slim: false,
      down: true,
      order: byNumber((m) => m.link?.bytesIn),
      draw: (m) => (m.link ? `${written(m.link.bytesIn, 'bytes')} / ${written(m.link.bytesOut, 'bytes')}` : ''),
    },
    { name: 'load', title: 'Messages', width: '11rem', slim: false, down: true, order: byNumber((m) => m.saturation), draw: (m) => (m.link ? <Load m={m} /> : '') },
    { name: 'behind', title: 'Behind', width: 'minmax(5.5rem, 1fr)', slim: false, down: true, order: byNumber((m) => m.lag.entries), draw: (m) => <span title={lagText(m.lag)}>{lagText(m.lag)}</span> },
    { name: 'devices', title: 'Devices', width: '7.5rem', slim: false, down: true, order: byNumber((m) => m.devices), draw: (m) => devicesText(m) },
    { name: 'tree', title: 'Tree', width: 'minmax(6rem, 1fr)', slim: false, order: byText((m) => m.branch ?? ''), draw: (m) => (m.branch ? <NodeLink path={m.branch} from="/" bare /> : '') },
    { name: 'standins', title: 'Stand-ins', width: 'minmax(4rem, 0.8fr)', slim: false, draw: (m) => m.standIns?.join(', ') ?? '' },
  ];
  return all.filter((c) => !left.includes(c.name));
}

/** Load is how many messages are taken, and how near that is to all that can be. */
function Load({ m }: { m: Other }) {
  const percent = Math.round(100 * m.saturation);
  return (
    <span class="load">
      <span>{figures(Math.round(10 * m.messagesPerSecond) / 10)}/s</span>
      <span class={`gauge ${statusWords[saturationStatus(m.saturation)]}`} role="meter" aria-label={`Saturation of ${m.name}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent} title={`${percent} % of the time is spent on its messages`}>
        <i style={{ width: `${percent}%` }} />
      </span>
      <span class="soft">{percent} %</span>
    </span>
  );
}

export function Managers({ peers }: { peers: Overview | undefined }) {
  const app = useApp();
  const now = useNow();
  const phone = usePhone();
  const left = [...(useMedia(close) ? ['standins'] : []), ...(useMedia(closer) ? ['bytes'] : [])];
  return (
    <List
      label="Managers"
      name="managers-list"
      items={peers?.managers ?? []}
      columns={columnsOf(now, phone, left)}
      keyOf={(m) => m.id}
      row={38}
      slimRow={64}
      live
      onOpen={(m) => app.put({ manager: m.id })}
      selected={app.route.params.manager}
      empty={
        peers ? (
          <>
            <p>No other manager is known.</p>
            <p>Invite one here, or join one that invites this manager: then each can see the other's tree, and stand in for it.</p>
          </>
        ) : (
          'Loading…'
        )
      }
    />
  );
}

/** ManagerDialog has all that is known of one, and what can be done with it. */
export function ManagerDialog({ m, onClose, again }: { m: Other; onClose: () => void; again: () => void }) {
  const app = useApp();
  const now = useNow();
  const action = useAction();
  const l = m.link;
  const [reason, setReason] = useState('');
  const [revoking, setRevoking] = useState(false);
  const cut = () =>
    void action.run(async () => {
      await revoke(m.id, reason.trim());
      toast(`${m.name} is cut off.`);
      again();
      onClose();
    });
  const part = () =>
    action.run(async () => {
      if (!(await confirm({ title: `Leave ${m.name}?`, text: `The link to ${m.name} ends. Joining it again takes a new invitation.`, action: 'Leave', danger: true }))) return;
      await leave(m.id);
      toast(`Left ${m.name}.`);
      again();
      onClose();
    });
  return (
    <Dialog title={m.name} onClose={onClose} wide>
      <p class={`state-line ${statusWords[managerStatus[m.state]]}`}>
        <Mark status={managerStatus[m.state]} size={16} /> <b>{m.state}</b> <span class="soft">{managerMeaning[m.state]}</span>
      </p>
      {l?.error ? <ErrorText text={l.error} /> : null}
      <dl class="manager-facts">
        <Fact name="Link">
          {linkText(m, now)}
          {l ? <span class="soft">, {callText(l)}</span> : null}
        </Fact>
        {l ? (
          <>
            <Fact name="Round trip">{written(l.roundTrip, 's')}</Fact>
            <Fact name="Waiting">{written(l.waiting, 'bytes')}</Fact>
            <Fact name="Received">
              {written(l.bytesIn, 'bytes')} in {plural(l.messagesIn, 'message')}
            </Fact>
            <Fact name="Sent">
              {written(l.bytesOut, 'bytes')} in {plural(l.messagesOut, 'message')}
            </Fact>
            <Fact name="Worked at">
              <Load m={m} />
            </Fact>
            {l.certificateEnds ? <Fact name="Certificate">good until {moment(Date.parse(l.certificateEnds), now)}</Fact> : null}
          </>
        ) : null}
        {m.heard ? <Fact name="Heard">{age(now - Date.parse(m.heard))} ago</Fact> : null}
        <Fact name="Behind">{lagText(m.lag) || 'nothing'}</Fact>
        {m.branch ? (
          <Fact name="Its tree">
            <NodeLink path={m.branch} from="/" />, {plural(m.nodes ?? 0, 'node')}
          </Fact>
        ) : null}
        <Fact name="Devices">
          {devicesText(m)} <a href={app.href('peers', { part: 'devices', of: m.id })}>show them</a>
        </Fact>
        {m.standIns?.length ? <Fact name="Stand-ins">{m.standIns.join(', ')}</Fact> : null}
        {m.site ? <Fact name="Site">{m.site}</Fact> : null}
        {m.url && /^https?:\/\//.test(m.url) ? (
          <Fact name="Its page">
            <a href={m.url} target="_blank" rel="noreferrer">
              {m.url}
            </a>
          </Fact>
        ) : null}
        {m.ways?.length ? <Fact name="Reached at">{m.ways.join(', ')}</Fact> : null}
        <Fact name="Version">{m.version || '–'}</Fact>
        {m.started ? <Fact name="Up for">{duration(now - Date.parse(m.started))}</Fact> : null}
        <Fact name="ID">
          <code>{m.id}</code>
        </Fact>
      </dl>
      {m.kinds?.length ? (
        <details>
          <summary>{plural(m.kinds.length, 'kind')} of probes</summary>
          <p>{m.kinds.join(', ')}</p>
        </details>
      ) : null}
      {m.applications?.length ? (
        <details>
          <summary>{plural(m.applications.length, 'definition')}</summary>
          <p>{m.applications.join(', ')}</p>
        </details>
      ) : null}
      {may(app.session, 'operator') && m.state !== 'gone' ? <Message m={m} /> : null}
      {may(app.session, 'admin') && m.state !== 'gone' ? (
        revoking ? (
          <Form
            onSend={cut}
            error={action.error}
            actions={
              <>
                <button type="button" onClick={() => setRevoking(false)}>
                  Cancel
                </button>
                <Submit busy={action.busy} danger>
                  Revoke {m.name}
                </Submit>
              </>
            }
          >
            <p>{m.name} is cut off at once, and comes in again by a new invitation alone.</p>
            <TextField label="Why" hint="It stands in the audit log." value={reason} onValue={setReason} maxLength={1024} autofocus autocomplete="off" />
          </Form>
        ) : (
          <>
            <ErrorText text={action.error} />
            <div class="actions">
              {l?.outbound ? (
                <button disabled={action.busy} onClick={() => void part()}>
                  Leave
                </button>
              ) : null}
              <button onClick={() => setRevoking(true)}>Revoke…</button>
            </div>
          </>
        )
      ) : null}
    </Dialog>
  );
}

/** Message puts a text into the journal of a manager. */
function Message({ m }: { m: Other }) {
  const [text, setText] = useState('');
  const action = useAction();
  const send = () =>
    void action.run(async () => {
      if (text.trim() === '') return;
      const failed = (await tell(m.id, text.trim())).find((d) => d.error);
      if (failed) throw new Error(`${failed.name}: ${failed.error}`);
      setText('');
      toast(`${m.name} has it.`);
    });
  return (
    <Form class="say" onSend={send} error={action.error}>
      <TextField label="Message" hint={`It stands in the journal of ${m.name}.`} value={text} onValue={setText} maxLength={2000} autocomplete="off" />
      <Submit busy={action.busy} disabled={text.trim() === ''}>
        Send
      </Submit>
    </Form>
  );
}
