// What the page reads and changes of other managers. Seconds and bytes are plain numbers.

import { get, send } from '../api';

export type ManagerState = 'known' | 'live' | 'suspect' | 'cut off' | 'dead' | 'gone';

/** Manager is what a manager says of itself. */
export interface Manager {
  id: string;
  name: string;
  site?: string;
  version: string;
  protocol: number;
  url?: string; // of its page
  ways?: string[];
  kinds?: string[];
  applications?: string[];
  capacity: number; // devices
  devices: number;
  integrates?: boolean;
  started?: string;
}

/** Link is how the way to a manager is. */
export interface Link {
  outbound: boolean; // this manager calls the other one
  address: string;
  up: boolean;
  since: string;
  error?: string;
  roundTrip?: number; // seconds
  waiting: number; // bytes
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
  certificateEnds?: string;
}

/** Other is another manager, as this one sees it. */
export interface Other extends Manager {
  state: ManagerState;
  heard?: string;
  link: Link | null;
  branch?: string; // where its tree hangs here
  nodes?: number;
  lag: { entries: number; seconds: number };
  messagesPerSecond: number;
  saturation: number; // 0 to 1
  standIns?: string[];
}

export interface Overview {
  self: Manager;
  home?: string;
  standIns?: string[];
  managers: Other[];
  next?: string;
  error?: string; // what is wrong with peers.yaml
  clustered?: boolean; // an external cluster carries what managers say
  deaf?: string; // why nobody can link to this manager
}

export type DeviceState = 'own' | 'given' | 'taken' | 'prepared' | 'orphaned';
export const deviceStates: readonly DeviceState[] = ['own', 'given', 'taken', 'prepared', 'orphaned'];

/** Device is one instance of a definition, and who watches it. */
export interface Device {
  name: string;
  application: string;
  at: string; // at its owner
  path?: string; // in the tree of this manager
  owner: string;
  ownerId: string;
  watcher?: string; // absent: nobody
  watcherId?: string;
  epoch: number;
  state: DeviceState;
  since?: string;
  until?: string;
  standIns?: string[];
  duplicateOf?: string;
  identity?: Record<string, string>;
}

export interface DevicePage {
  devices: Device[];
  total: number;
  next?: string;
}

/** Move is one delegation or takeover. */
export interface Move {
  time: string;
  device: string;
  owner?: string;
  from?: string; // absent: nobody
  to: string;
  why: 'given' | 'returned' | 'handover' | 'takeover' | 'back';
  by?: string;
  state: 'under way' | 'done' | 'failed';
  error?: string;
  took: number; // seconds
  epoch: number;
}

export interface Sighting {
  manager: string;
  device: string;
  path: string;
}

export interface Duplicate {
  identity: string;
  primary: Sighting;
  secondaries: Sighting[];
  why: string;
}

/** Outcome is what came of moving many devices. */
export interface Outcome {
  moved: number;
  underWay: number;
  left: { device: string; error: string }[];
}

/** Moved is what came of moving several devices, each by itself. */
export interface Moved {
  moves: Move[];
  stays: { path: string; why: string }[];
  done: number;
  underWay: number;
  failed: number;
}

const url = 'api/v1/peers';
const most = 1000; // on a page

/** How often the page reads: links have no stream of their own. */
export const readMs = 2000;

/** fetchPeers reads all managers. */
export async function fetchPeers(signal?: AbortSignal): Promise<Overview> {
  const all = await get<Overview>(`${url}?limit=${most}`, signal);
  for (let next = all.next; next; ) {
    const page = await get<Overview>(`${url}?limit=${most}&after=${encodeURIComponent(next)}`, signal);
    all.managers.push(...page.managers);
    next = page.next;
  }
  return all;
}

export function fetchDevices(q: { manager?: string; state?: string; at?: string; text?: string; limit: number }, signal?: AbortSignal): Promise<DevicePage> {
  const p = new URLSearchParams({ limit: String(q.limit) });
  for (const name of ['manager', 'state', 'at', 'text'] as const) if (q[name]) p.set(name, q[name]);
  return get<DevicePage>(`api/v1/devices?${p}`, signal);
}

export const fetchMoves = (q: { device?: string; limit: number }, signal?: AbortSignal) =>
  get<{ moves: Move[]; next?: string }>(`${url}/moves?limit=${q.limit}${q.device ? `&device=${encodeURIComponent(q.device)}` : ''}`, signal);
export const fetchDuplicates = (signal?: AbortSignal) => get<{ groups: Duplicate[]; next?: string }>(`api/v1/duplicates?limit=${most}`, signal);

export const invite = (name: string, within: string) => send<{ token: string; address: string; ends: string; command: string }>('POST', `${url}/invite`, { name, for: within });
export const join = (address: string, token: string) => send<{ id: string; name: string; address: string }>('POST', `${url}/join`, { address, token });
export const revoke = (id: string, comment: string) => send('POST', `${url}/${encodeURIComponent(id)}/revoke`, comment ? { comment } : {});
export const leave = (id: string) => send('POST', `${url}/${encodeURIComponent(id)}/leave`);
export const integrate = (on: boolean) => send<Outcome>('POST', `${url}/integrate`, { on });
export const handOver = (to: string) => send<Outcome>('POST', `${url}/handover`, to ? { to } : {});
export const beLive = () => send<Outcome>('POST', `${url}/live`);
/** keyOf names a device so that no other is meant. */
export const keyOf = (d: Device) => `${d.ownerId}:${d.name}`;
export const give = (d: Device, to: string, within: string) => send<Move>('POST', `api/v1/devices/${encodeURIComponent(keyOf(d))}/give`, { to, ...(within ? { for: within } : {}) });
export const giveBack = (d: Device) => send<Move>('POST', `api/v1/devices/${encodeURIComponent(keyOf(d))}/return`);
export const giveAll = (of: readonly Device[], to: string, within: string) => send<Moved>('POST', 'api/v1/devices/give', { devices: of.map(keyOf), to, ...(within ? { for: within } : {}) });
export const returnAll = (of: readonly Device[]) => send<Moved>('POST', 'api/v1/devices/return', { devices: of.map(keyOf) });
export const tell = async (to: string, text: string) => (await send<{ deliveries: { name: string; error?: string }[] }>('POST', 'api/v1/messages', { to, text })).deliveries;
