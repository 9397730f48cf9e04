// What moved, and which devices several managers see.

import { useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { useReading } from '../definitions/read';
import { moment } from '../format';
import { ErrorText } from '../ui/form';
import { type Column, List } from '../ui/list';
import { Mark } from '../ui/marks';
import { usePhone } from '../ui/phone';
import { statusWords } from '../wire';
import { type Move, fetchDuplicates, fetchMoves, readMs } from './api';
import { moveStatus, whyText, written } from './words';

const pageSize = 200;
const most = 1000;

function columnsOf(now: number, phone: boolean): readonly Column<Move>[] {
  const way = (m: Move) => `${m.from || 'nobody'} → ${m.to}`;
  return [
    { name: 'time', title: 'Time', width: '11rem', slim: false, draw: (m) => moment(Date.parse(m.time), now) },
    {
      name: 'device',
      title: 'Device',
      width: 'minmax(10rem, 1.2fr)',
      draw: (m) => (
        <span class={`who ${statusWords[moveStatus[m.state]]}`}>
          <span>
            <Mark status={moveStatus[m.state]} /> <b>{m.device}</b> <span class="word">{m.state}</span>
          </span>
          {phone ? (
            <span class="soft second">
              {whyText[m.why] ?? m.why}, {way(m)}, {moment(Date.parse(m.time), now)}
            </span>
          ) : null}
        </span>
      ),
    },
    { name: 'way', title: 'From → to', width: 'minmax(9rem, 1fr)', slim: false, draw: way },
    { name: 'why', title: 'Why', width: '7rem', slim: false, draw: (m) => whyText[m.why] ?? m.why },
    { name: 'by', title: 'By', width: '7rem', slim: false, draw: (m) => m.by || <span class="soft">grove</span> },
    { name: 'took', title: 'Took', width: '5rem', slim: false, draw: (m) => (m.state === 'done' ? written(m.took, 's') : '') },
    { name: 'error', title: 'What came of it', width: 'minmax(0, 1.2fr)', slim: false, draw: (m) => <span title={m.error}>{m.error ?? ''}</span> },
  ];
}

export function Moves() {
  const app = useApp();
  const now = useNow();
  const phone = usePhone();
  const [limit, setLimit] = useState(pageSize);
  const { value, error } = useReading(`moves ${limit}`, (signal) => fetchMoves({ limit }, signal), readMs);
  return (
    <div class="devices-part">
      <ErrorText text={error} />
      <List
        label="Moves"
        name="moves-list"
        items={value?.moves ?? []}
        columns={columnsOf(now, phone)}
        keyOf={(m) => `${m.time} ${m.device} ${m.epoch} ${m.why}`}
        row={38}
        slimRow={64}
        live
        onOpen={(m) => app.go('peers', { part: 'devices', text: m.device })}
        {...(value?.next && limit < most ? { more: () => setLimit(most) } : {})}
        empty={value ? 'Nothing has moved: every device is where its definition put it.' : 'Loading…'}
      />
    </div>
  );
}

export function Duplicates() {
  const { value, error } = useReading('duplicates', fetchDuplicates, 5 * readMs);
  return (
    <div class="duplicates-part">
      <ErrorText text={error} />
      <p class="soft">Devices that several managers see. The primary counts; readings and events of the others are not counted again.</p>
      {value && value.groups.length === 0 ? <p>No device is seen by several managers.</p> : null}
      <ul class="things" aria-label="Devices seen twice">
        {(value?.groups ?? []).map((g) => (
          <li key={`${g.identity} ${g.primary.manager} ${g.primary.device}`}>
            <div class="thing">
              <b>{g.identity}</b> <span class="soft">{g.why}</span>
              <dl class="sightings">
                <dt>primary</dt>
                <dd>
                  <b>{g.primary.manager}</b>: {g.primary.device} <span class="soft">{g.primary.path}</span>
                </dd>
                {g.secondaries.map((s) => [
                  <dt key={`${s.manager} ${s.device} t`}>secondary</dt>,
                  <dd key={`${s.manager} ${s.device}`}>
                    <b>{s.manager}</b>: {s.device} <span class="soft">{s.path}</span>
                  </dd>,
                ])}
              </dl>
            </div>
          </li>
        ))}
      </ul>
      {value?.next ? <p class="soft">There are more than are shown.</p> : null}
    </div>
  );
}
