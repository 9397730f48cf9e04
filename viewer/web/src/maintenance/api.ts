// What the page reads and changes of maintenance windows. Durations are texts: "1h30m".

import { get, send } from '../api';

/** Occurrence is one time of a window. */
export interface Occurrence {
  start: string;
  end: string;
}

/** Window is one maintenance, or one that repeats. */
export interface Window {
  id: string;
  name: string;
  at: string[]; // these nodes and everything below
  start: string;
  for: string;
  rule?: string; // RFC 5545; absent: once
  zone?: string; // absent: UTC
  announce?: string; // how long ahead
  comment?: string;
  by?: string;
  source?: string; // "file": it stands in the file of alerts
  now?: Occurrence; // the time that runs
  next?: Occurrence;
  hidden?: boolean; // it is also about nodes that who asks does not see
  may?: boolean; // who asks may end and remove it
}

export interface NewWindow {
  name: string;
  at: string[];
  start?: string; // absent: now
  for: string;
  rule?: string;
  zone?: string;
  comment?: string;
  announce?: string;
}

const url = 'api/v1/maintenance';
export const fetchWindows = async (signal?: AbortSignal) => (await get<{ windows: Window[] | null }>(url, signal)).windows ?? [];
export const addWindow = (w: NewWindow) => send<Window>('POST', url, w);
export const endWindow = (id: string) => send('POST', `${url}/${encodeURIComponent(id)}/end`, {});
export const removeWindow = (id: string) => send('DELETE', `${url}/${encodeURIComponent(id)}`);

/** covers says whether a window is about a node. */
export function covers(w: Window, path: string): boolean {
  return w.at.some((at) => at === '/' || at === path || path.startsWith(at + '/'));
}
