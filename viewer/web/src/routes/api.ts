// What the page reads of routes: who is told of which alerts, and why.

import { get, send } from '../api';
import type { Alert } from '../alerts/api';
import type { StatusWord } from '../wire';

/** Rule is one route as the file of alerts has it. */
export interface Rule {
  name: string;
  when?: { name: string; want: string }[]; // all must hold; none: it takes everything
  to?: string[];
  group?: string[]; // what the alerts of one message have in common
  wait?: string;
  interval?: string;
  repeat?: string;
  escalate?: { after: string; to: string[] }[];
  precedence?: string;
  continue?: boolean;
}

export interface Routes {
  file?: string;
  error?: string; // why the file could not be taken: what held before holds still
  routes: Rule[] | null;
  channels: { name: string; kind: string }[] | null;
}

/** Explanation says what would become of an alert. */
export interface Explanation {
  alert?: Alert;
  routes: Routing[] | null;
  told: Telling[] | null;
}

/** Routing says whether a route takes an alert, and why. */
export interface Routing {
  route: string;
  takes: boolean;
  conditions: { name: string; want: string; have: string; ok: boolean }[] | null;
  group?: string;
  text?: string;
}

/** Telling is one message that would be sent; durations are texts: "1m30s". */
export interface Telling {
  route: string;
  channel: string;
  to?: string;
  after: string;
  step: number;
  purpose: string;
  every?: string;
}

export const fetchRoutes = (signal?: AbortSignal) => get<Routes>('api/v1/routes', signal);
export const explain = (q: { path: string; status: StatusWord; at?: string }, signal?: AbortSignal) => send<Explanation>('POST', 'api/v1/routes/explain', q, signal);
export const testChannel = (name: string) => send<{ took_seconds?: number }>('POST', `api/v1/channels/${encodeURIComponent(name)}/test`, {});
