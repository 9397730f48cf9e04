// The system page: how this manager is, and which managers there are.

import { useApp } from '../app';
import { useReading } from '../definitions/read';
import { get } from '../api';
import { age, duration, moment, plural, show } from '../format';
import { may } from '../session';
import { Mark } from '../ui/marks';
import { type Status, type StatusWord, statusWords } from '../wire';

interface Figure {
  name: string;
  value?: number;
  unit?: string;
  text?: string;
  time?: string;
  status?: StatusWord;
  path?: string;
  description?: string;
}

interface Group {
  name: string;
  title: string;
  status: StatusWord;
  figures: Figure[];
}

interface Manager {
  name: string;
  self?: boolean;
  state: 'up' | 'lost' | 'unknown';
  version?: string;
  host?: string;
  address?: string;
  started?: string;
  ways?: { name: string; address: string; for: string }[];
  capabilities?: string[];
  counts?: Figure[];
}

interface Link {
  name: string;
  address: string;
  state: 'up' | 'connecting' | 'lost';
  since?: string;
  reason?: string;
  round_trip?: number;
  queue: number;
}

const systemMs = 5000;
const managersMs = 15_000;

const statusOf = (word: StatusWord | undefined): Status => Math.max(0, statusWords.indexOf(word ?? 'white')) as Status;
const marks = { up: 1, connecting: 2, lost: 3, unknown: 0 } as const;

export function System() {
  const app = useApp();
  const whole = may(app.session, 'viewer');
  const managers = useReading('managers', (signal) => get<{ managers: Manager[]; links: Link[] }>('api/v1/managers', signal), managersMs);
  return (
    <div class="system-page">
      <h1>System</h1>
      {app.at === undefined ? null : <p class="soft">These figures are of now; what they were is in the tree, below grove.</p>}
      {whole ? <Figures /> : <p class="soft">Figures of the manager itself are shown to who may see the whole of it.</p>}
      <h2>Managers</h2>
      {managers.error ? <p class="wrong">{managers.error}</p> : null}
      {(managers.value?.managers ?? []).map((m) => (
        <ManagerCard key={m.name} m={m} now={app.now()} />
      ))}
      <h2>Links</h2>
      {managers.value === undefined ? null : managers.value.links.length === 0 ? (
        <p class="soft">This manager is linked with no other.</p>
      ) : (
        <table class="links">
          <thead>
            <tr>
              <th>Manager</th>
              <th>State</th>
              <th>Round trip</th>
              <th>Queue</th>
            </tr>
          </thead>
          <tbody>
            {managers.value.links.map((l) => {
              const trip = show(l.round_trip, 's');
              return (
                <tr key={l.name}>
                  <td>
                    <b>{l.name}</b> <span class="soft">{l.address}</span>
                  </td>
                  <td>
                    <Mark status={marks[l.state]} /> {l.state} <span class="soft">{l.reason ?? (l.since ? `for ${age(app.now() - Date.parse(l.since))}` : '')}</span>
                  </td>
                  <td>{l.round_trip === undefined ? '–' : `${trip.number} ${trip.unit}`}</td>
                  <td>{plural(l.queue, 'message')}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </div>
  );
}

function Figures() {
  const read = useReading('system', (signal) => get<{ status: StatusWord; groups: Group[] }>('api/v1/system', signal), systemMs);
  return (
    <>
      {read.error ? (
        <p class="wrong" role="alert">
          {read.error}
        </p>
      ) : null}
      <div class="figure-groups">
        {(read.value?.groups ?? []).map((g) => (
          <section key={g.name} class={`figures ${g.status}`} aria-labelledby={`group-${g.name}`}>
            <h2 id={`group-${g.name}`}>
              <Mark status={statusOf(g.status)} size={15} label={g.status} /> {g.title}
            </h2>
            <dl>
              {g.figures.map((f) => (
                <FigureRow key={f.name} f={f} />
              ))}
            </dl>
          </section>
        ))}
      </div>
    </>
  );
}

function FigureRow({ f }: { f: Figure }) {
  const app = useApp();
  const path = f.path;
  return (
    <div title={[f.description, f.unit && f.text].filter(Boolean).join('; ')}>
      <dt>
        {path ? (
          <button class="link" onClick={() => app.showNode(path)}>
            {f.name}
          </button>
        ) : (
          f.name
        )}
      </dt>
      <dd>
        <Written f={f} now={app.now()} />
        {f.status && f.status !== 'green' ? (
          <>
            {' '}
            <Mark status={statusOf(f.status)} size={12} /> <span class={`word ${f.status}`}>{f.status}</span>
          </>
        ) : null}
      </dd>
    </div>
  );
}

function Written({ f, now }: { f: Figure; now: number }) {
  if (f.time) {
    const at = Date.parse(f.time);
    return (
      <>
        {moment(at)} <span class="soft">{age(now - at)} ago</span>
      </>
    );
  }
  // What has a unit and no value yet is a rate: its text says since when it is measured.
  if (f.value === undefined) return <span class="text">{f.unit ? `– ${f.unit}` : f.text || '–'}</span>;
  if (f.unit === 's' && f.value >= 120) return <b>{duration(1000 * f.value)}</b>;
  const v = show(f.value, f.unit);
  return (
    <>
      <b>{v.number}</b> <span class="soft">{v.unit}</span>
    </>
  );
}

function ManagerCard({ m, now }: { m: Manager; now: number }) {
  return (
    <section class="manager" aria-label={`Manager ${m.name}`}>
      <h3>
        <Mark status={marks[m.state]} size={15} /> {m.name} <span class="soft">{m.self ? `${m.state}, this manager` : m.state}</span>
      </h3>
      <dl>
        <div>
          <dt>Address</dt>
          <dd>{m.address ?? '–'}</dd>
        </div>
        <div>
          <dt>Host</dt>
          <dd>{m.host ?? '–'}</dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>{m.version || '–'}</dd>
        </div>
        {m.started ? (
          <div>
            <dt>Up for</dt>
            <dd>{duration(now - Date.parse(m.started))}</dd>
          </div>
        ) : null}
        {(m.counts ?? []).map((f) => (
          <div key={f.name}>
            <dt>{f.name}</dt>
            <dd>
              <Written f={{ ...f, unit: '' }} now={now} />
            </dd>
          </div>
        ))}
      </dl>
      {m.ways && m.ways.length > 0 ? (
        <details>
          <summary>{plural(m.ways.length, 'way')} of talking to it</summary>
          <ul class="ways">
            {m.ways.map((w) => (
              <li key={w.name + w.address}>
                <b>{w.name}</b> <code>{w.address}</code> <span class="soft">{w.for}</span>
              </li>
            ))}
          </ul>
        </details>
      ) : null}
      {m.capabilities && m.capabilities.length > 0 ? (
        <details>
          <summary>{plural(m.capabilities.length, 'kind')} of probes</summary>
          <p>{m.capabilities.join(', ')}</p>
        </details>
      ) : null}
    </section>
  );
}
