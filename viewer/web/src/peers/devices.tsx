// Who watches what: devices with a filter, and one of them to give away and to return.

import { useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { useReading } from '../definitions/read';
import { duration, figures, moment, plural } from '../format';
import { Fact } from '../node/facts';
import { NodeLink } from '../node/link';
import { may } from '../session';
import { Dialog, confirm, toast } from '../ui/dialog';
import { ErrorText, Form, SelectField, Submit, TextField, useAction } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Mark } from '../ui/marks';
import { usePhone } from '../ui/phone';
import { statusWords } from '../wire';
import { type Device, type Manager, type Move, type Other, deviceStates, fetchDevices, fetchMoves, give, giveBack, keyOf, readMs } from './api';
import { spanError } from './join';
import { MoveMany } from './many';
import { deviceMeaning, deviceStatus, epochText, holderText, moveStatus, moveText, whyText } from './words';

const pageSize = 1000;

const by = (of: (d: Device) => string) => (a: Device, b: Device) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);

function columnsOf(now: number, phone: boolean): readonly Column<Device>[] {
  return [
    {
      name: 'device',
      title: 'Device',
      width: 'minmax(11rem, 1.3fr)',
      order: by((d) => d.name),
      draw: (d) => (
        <span class={`who ${statusWords[deviceStatus[d.state]]}`}>
          <span>
            <Mark status={deviceStatus[d.state]} /> <b>{d.name}</b>{' '}
            <span class="word" title={deviceMeaning[d.state]}>
              {d.state}
            </span>
            {d.duplicateOf ? (
              <span class="note" title={`Also seen as ${d.duplicateOf}, which counts`}>
                seen twice
              </span>
            ) : null}
          </span>
          {phone ? <span class="soft second">{holderText(d)}</span> : null}
        </span>
      ),
    },
    { name: 'application', title: 'Definition', width: 'minmax(6rem, 0.7fr)', slim: false, order: by((d) => d.application), draw: (d) => d.application },
    { name: 'at', title: 'At', width: 'minmax(8rem, 1.2fr)', slim: false, order: by((d) => d.at), draw: (d) => <span title={d.path ?? d.at}>{d.path ?? d.at}</span> },
    { name: 'owner', title: 'Owner', width: 'minmax(5rem, 0.7fr)', slim: false, order: by((d) => d.owner), draw: (d) => d.owner },
    { name: 'watcher', title: 'Watched by', width: 'minmax(5rem, 0.7fr)', slim: false, order: by((d) => d.watcher ?? ''), draw: (d) => d.watcher || <span class="lost">nobody</span> },
    { name: 'until', title: 'Back', width: 'minmax(5rem, 0.7fr)', slim: false, order: by((d) => d.until ?? '~'), draw: (d) => (d.until ? `in ${duration(Date.parse(d.until) - now)}` : '') },
    { name: 'standins', title: 'Stand-ins', width: 'minmax(4rem, 0.7fr)', slim: false, draw: (d) => d.standIns?.join(', ') ?? '' },
  ];
}

export function Devices({ managers, self }: { managers: readonly Other[]; self: Manager | undefined }) {
  const app = useApp();
  const now = useNow();
  const phone = usePhone();
  const { of = '', state = '', text = '', at = '', device } = app.route.params;
  const { value, error, again } = useReading(`devices ${of} ${state} ${text} ${at}`, (signal) => fetchDevices({ manager: of, state, text, at, limit: pageSize }, signal), readMs);
  const all = self ? [self, ...managers] : managers;
  const chosen = value?.devices.find((d) => keyOf(d) === device);
  const filtered = of + state + text + at !== '';
  const [many, setMany] = useState(false);
  return (
    <div class="devices-part">
      <div class="filters" role="search">
        <input class="input" type="search" aria-label="Filter devices" placeholder="Name, definition or path" value={text} onInput={(e) => app.put({ text: e.currentTarget.value || undefined })} />
        <select aria-label="Manager" value={of} onChange={(e) => app.put({ of: e.currentTarget.value || undefined })}>
          <option value="">all managers</option>
          {all.map((m) => (
            <option key={m.id} value={m.id} selected={m.id === of}>
              {m.name}
            </option>
          ))}
        </select>
        <select aria-label="State" value={state} onChange={(e) => app.put({ state: e.currentTarget.value || undefined })}>
          <option value="">in every state</option>
          {deviceStates.map((s) => (
            <option key={s} value={s} selected={s === state}>
              {s}
            </option>
          ))}
        </select>
        <p class="soft" role="status">
          {value ? (value.devices.length < value.total ? `the first ${figures(value.devices.length)} of ${plural(value.total, 'device')}` : plural(value.total, 'device')) : ''}
          {at ? ` below ${at}` : ''}
        </p>
        {filtered ? <button onClick={() => app.put({ of: undefined, state: undefined, text: undefined, at: undefined })}>Show all</button> : null}
        {filtered && value && value.devices.length > 1 && may(app.session, 'admin') ? <button onClick={() => setMany(true)}>{`Move these ${figures(value.devices.length)}…`}</button> : null}
      </div>
      <ErrorText text={error} />
      <List
        label="Devices"
        name="devices-list"
        items={value?.devices ?? []}
        columns={columnsOf(now, phone)}
        keyOf={keyOf}
        row={38}
        slimRow={64}
        live
        order={`${of} ${state} ${text} ${at}`}
        onOpen={(d) => app.put({ device: keyOf(d) })}
        selected={device}
        empty={value ? (filtered ? 'No device is so.' : 'There are no devices: they are the instances of definitions.') : 'Loading…'}
      />
      {many && value ? <MoveMany devices={value.devices} managers={all} onClose={() => setMany(false)} again={again} /> : null}
      {chosen ? <DeviceDialog key={keyOf(chosen)} d={chosen} managers={all} onClose={() => app.put({ device: undefined })} again={again} /> : null}
    </div>
  );
}

function DeviceDialog({ d, managers, onClose, again }: { d: Device; managers: readonly (Manager | Other)[]; onClose: () => void; again: () => void }) {
  const app = useApp();
  const now = useNow();
  const [to, setTo] = useState('');
  const [within, setWithin] = useState('');
  const [wrong, setWrong] = useState('');
  const action = useAction();
  const history = useReading(`moves of ${keyOf(d)} ${d.epoch}`, (signal) => fetchMoves({ device: keyOf(d), limit: 20 }, signal), readMs);
  const admin = may(app.session, 'admin');
  const takers = managers.filter((m) => m.id !== d.watcherId && m.id !== d.ownerId && (!('state' in m) || m.state === 'live'));
  const target = takers.find((m) => m.id === to) ?? takers[0];
  const done = (m: Move) => {
    if (m.state === 'failed') throw new Error(moveText(m));
    toast(moveText(m));
    again();
    history.again();
  };
  const hand = () => {
    setWrong(spanError(within));
    if (spanError(within) || !target) return;
    void action.run(async () => {
      const span = within.trim();
      if (!(await confirm({ title: `Give ${d.name} to ${target.name}?`, text: `${target.name} watches it${span ? ` for ${span}` : ' until it is returned'}, with its thresholds, acknowledgements and maintenance. ${target.name} has it on disk before ${d.watcher || 'anybody'} lets go.`, action: 'Give' }))) return;
      done(await give(d, target.id, span.replace(/\s+/g, '')));
    });
  };
  const back = () =>
    void action.run(async () => {
      if (!(await confirm({ title: `Return ${d.name} to ${d.owner}?`, text: `${d.owner} watches it again, with its present state.`, action: 'Return' }))) return;
      done(await giveBack(d));
    });
  return (
    <Dialog title={d.name} onClose={onClose} wide>
      <p class={`state-line ${statusWords[deviceStatus[d.state]]}`}>
        <Mark status={deviceStatus[d.state]} size={16} /> <b>{d.state}</b> <span class="soft">{deviceMeaning[d.state]}</span>
      </p>
      <dl class="manager-facts">
        <Fact name="Definition">{d.application}</Fact>
        <Fact name="At">
          {d.path ? <NodeLink path={d.path} from="/" /> : `${d.at} at ${d.owner}`}
        </Fact>
        <Fact name="Owner">{d.owner}</Fact>
        <Fact name="Watched by">
          {d.watcher || 'nobody'}
          {d.since ? <span class="soft">, since {moment(Date.parse(d.since), now)}</span> : null}
        </Fact>
        {d.until ? <Fact name="Back">{moment(Date.parse(d.until), now)}</Fact> : null}
        {d.standIns?.length ? <Fact name="Stand-ins">{d.standIns.join(', ')}</Fact> : null}
        {d.duplicateOf ? <Fact name="Same as">{d.duplicateOf}, which counts</Fact> : null}
        {Object.entries(d.identity ?? {}).map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
        <Fact name="Epoch">{epochText(d.epoch)}</Fact>
      </dl>
      <ErrorText text={action.error || history.error} />
      {admin ? (
        <Form class="give" onSend={hand}>
          {takers.length > 0 ? (
            <>
              <SelectField label="Give it to" value={target?.id ?? ''} onValue={setTo} options={takers.map((m) => [m.id, m.name] as const)} />
              <TextField label="For" value={within} onValue={setWithin} error={wrong} placeholder="until it is returned" autocomplete="off" maxLength={32} />
              <Submit busy={action.busy}>Give</Submit>
            </>
          ) : (
            <p class="soft">No other manager is live that could take it.</p>
          )}
          {d.watcherId !== d.ownerId ? (
            <button type="button" disabled={action.busy} onClick={back}>
              Return to {d.owner}
            </button>
          ) : null}
        </Form>
      ) : null}
      <section aria-label="Moves">
        <h3>Moves</h3>
        {history.value && history.value.moves.length === 0 ? <p class="soft">It has not moved.</p> : null}
        <ul class="steps">
          {(history.value?.moves ?? []).map((m) => (
            <li key={`${m.time} ${m.epoch}`}>
              <Mark status={moveStatus[m.state]} size={12} label={m.state} />
              <span>
                {whyText[m.why] ?? m.why} from {m.from || 'nobody'} to {m.to}
                {m.by ? ` by ${m.by}` : ''}
                {m.error ? <span class="said">{m.error}</span> : null}
              </span>
              <time>{moment(Date.parse(m.time), now)}</time>
            </li>
          ))}
        </ul>
      </section>
    </Dialog>
  );
}
