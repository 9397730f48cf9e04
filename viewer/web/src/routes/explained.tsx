// Who would be told of an alert, and which conditions of which route say so.

import { useReading } from '../definitions/read';
import { plural } from '../format';
import { Icon } from '../ui/marks';
import type { StatusWord } from '../wire';
import { type Explanation, type Routing, type Telling, explain } from './api';

/** Explained asks what would become of an alert of a node that has a status at a time. */
export function Explained({ path, status, at }: { path: string; status: StatusWord; at: number }) {
  const time = Number.isNaN(at) ? undefined : new Date(at).toISOString();
  const { value, error } = useReading(`${path} ${status} ${time ?? ''}`, (signal) => explain({ path, status, ...(time ? { at: time } : {}) }, signal));
  if (error) return <p class="wrong" role="alert">{error}</p>;
  return value ? <ExplanationView of={value} /> : <p class="soft">Asking…</p>;
}

/** ExplanationView shows an explanation: first who is told, then why. */
export function ExplanationView({ of }: { of: Explanation }) {
  const told = of.told ?? [];
  const routes = of.routes ?? [];
  const quiet = of.alert?.suppression;
  return (
    <div class="explanation">
      {quiet ? (
        <p class="quiet">
          <Icon name="muted" /> {quiet.text}
        </p>
      ) : null}
      {told.length === 0 ? (
        <p>{quiet ? 'So nobody is told.' : routes.length === 0 ? 'There is no route, so nobody is told. Routes stand in the file of alerts.' : 'No route takes it, so nobody is told.'}</p>
      ) : (
        <ol class="told-list" aria-label="Who is told">
          {told.map((t, i) => (
            <li key={i}>
              <b class="after">{t.after === '0s' || t.after === '' ? 'at once' : `after ${t.after}`}</b>
              <span>{sentence(t)}</span>
            </li>
          ))}
        </ol>
      )}
      {routes.length > 0 ? (
        <ul class="routings" aria-label="Routes">
          {routes.map((r, i) => (
            <RoutingView key={i} r={r} />
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function sentence(t: Telling): string {
  const who = t.to && t.to !== t.channel ? `${t.to} by ${t.channel}` : t.channel;
  const why = t.purpose === 'firing' ? '' : t.step > 0 ? `, escalation ${t.step}` : `, ${t.purpose}`;
  return `${who}${why}${t.every ? `, again every ${t.every}` : ''} (route ${t.route})`;
}

function RoutingView({ r }: { r: Routing }) {
  const conditions = r.conditions ?? [];
  return (
    <li class={r.takes ? 'takes' : ''}>
      <p>
        <Tick yes={r.takes} /> <b>{r.route}</b> <span class="soft">{r.takes ? 'takes it' : 'does not take it'}{r.group ? `, in the group ${r.group}` : ''}{r.text ? `; ${r.text}` : ''}</span>
      </p>
      {conditions.length > 0 ? (
        <ul aria-label={`${plural(conditions.length, 'condition')} of ${r.route}`}>
          {conditions.map((c) => (
            <li key={c.name}>
              <Tick yes={c.ok} /> {c.name} <code>{c.want}</code> <span class="soft">{c.have === '' ? 'it has none' : <>it has <code>{c.have}</code></>}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </li>
  );
}

/** Tick says yes or no, with a word for who does not see it. */
export function Tick({ yes }: { yes: boolean }) {
  return (
    <span class={yes ? 'tick-yes' : 'tick-no'}>
      <Icon name={yes ? 'check' : 'close'} />
      <span class="hidden">{yes ? 'yes:' : 'no:'}</span>
    </span>
  );
}
