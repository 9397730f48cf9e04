// What the page reads and changes of alerts. Times are RFC 3339. Numbers of alerts are
// texts: JavaScript cannot hold them as numbers.

import { get, send } from '../api';
import type { Session } from '../session';
import { may } from '../session';
import { type Status, type StatusWord, statusWords } from '../wire';

export type State = 'open' | 'acknowledged' | 'suppressed' | 'resolved';
export type Severity = 'critical' | 'major' | 'minor' | 'warning' | 'indeterminate' | 'cleared';

export const states: readonly State[] = ['open', 'acknowledged', 'suppressed', 'resolved'];
/** The gravest first. */
export const severities: readonly Severity[] = ['critical', 'major', 'minor', 'warning', 'indeterminate'];

/** Alert is one fault of one node. */
export interface Alert {
  id: string;
  key: string; // the same for all alerts of one kind of one node
  manager?: string;
  path: string;
  kind: 'status' | 'silence' | 'missing';
  state: State;
  status: StatusWord; // now
  worst: StatusWord; // since it opened
  severity: Severity;
  opened: string;
  changed: string;
  resolved?: string;
  message: string;
  value?: string;
  unit?: string;
  threshold?: string;
  instance?: string;
  labels?: Record<string, string>;
  properties?: Record<string, string>;
  customers?: string[];
  eventType?: string;
  probableCause?: string;
  proposedRepairActions?: string;
  count: number;
  flapping?: boolean;
  acknowledgement?: { by: string; at: string; comment?: string; sticky?: boolean; until?: string };
  suppression?: { reason: 'parent' | 'dependency' | 'whole' | 'maintenance' | 'twin'; cause?: string; at: string; text: string; since: string; until?: string; hidden?: boolean };
  consequences?: number;
  history?: Step[];
  revision?: number;
}

/** Step is one change of an alert. */
export interface Step {
  time: string;
  what: string;
  status: StatusWord;
  by?: string; // absent: grove
  text?: string;
}

export type Counts = Partial<Record<State, number>>;

/** Alerts is a page of a list. */
export interface Alerts {
  alerts: Alert[] | null;
  next?: string;
  counts?: Counts;
}

/** AlertQuery says which alerts are asked for; what is empty asks for all. */
export interface AlertQuery {
  states?: readonly string[];
  statuses?: readonly string[];
  severities?: readonly string[];
  kinds?: readonly string[];
  under?: string;
  instance?: string;
  customer?: string;
  cause?: string;
  text?: string;
  from?: string;
  to?: string;
  limit?: number;
  after?: string;
}

const v1 = 'api/v1/';

/** alertsUrl is the address that answers a query. */
export function alertsUrl(q: AlertQuery): string {
  const p = new URLSearchParams();
  const lists = { state: q.states, status: q.statuses, severity: q.severities, kind: q.kinds };
  for (const [name, list] of Object.entries(lists)) for (const member of list ?? []) p.append(name, member);
  const { under, instance, customer, cause, text, from, to, after } = q;
  for (const [name, value] of Object.entries({ under: under === '/' ? '' : under, instance, customer, cause, text, from, to, after })) if (value) p.set(name, value);
  if (q.limit) p.set('limit', String(q.limit));
  return `${v1}alerts?${p}`;
}

export const fetchAlerts = (q: AlertQuery, signal?: AbortSignal) => get<Alerts>(alertsUrl(q), signal);
export const fetchAlert = (id: string, signal?: AbortSignal) => get<Alert>(`${v1}alerts/${encodeURIComponent(id)}`, signal);
export const streamUrl = `${v1}alerts/stream`;

export type Act = 'acknowledge' | 'unacknowledge' | 'comment' | 'resolve';

/** Result is what came of a change of one alert. */
export interface Result {
  id: string;
  error?: string; // why not
}

export async function act(what: Act, body: { ids: readonly string[]; comment?: string; sticky?: boolean; until?: string }): Promise<readonly Result[]> {
  return (await send<{ results: Result[] | null }>('POST', `${v1}alerts/${what}`, body)).results ?? [];
}

/** markOf is the status that an alert is drawn with: of what is over, the worst. */
export function markOf(a: Pick<Alert, 'state' | 'status' | 'worst'>): Status {
  return Math.max(0, statusWords.indexOf(a.state === 'resolved' ? a.worst : a.status)) as Status;
}

/** mayAct says whether somebody may acknowledge an alert and so on. */
export function mayAct(session: Session | undefined, a: Pick<Alert, 'path' | 'customers'>): boolean {
  return may(session, 'operator', a.path) || (a.customers ?? []).some((c) => may(session, 'operator', a.path, c));
}
