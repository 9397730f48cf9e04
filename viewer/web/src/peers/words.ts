// How managers, links, devices and moves are said in words, and which mark they have.

import { age, duration, figures, plural, show } from '../format';
import type { Status } from '../wire';
import type { Device, DeviceState, Link, ManagerState, Move, Moved, Other, Outcome } from './api';

export const managerStatus: Record<ManagerState, Status> = { known: 0, live: 1, suspect: 2, 'cut off': 0, dead: 3, gone: 0 };
export const deviceStatus: Record<DeviceState, Status> = { own: 1, given: 1, prepared: 2, taken: 2, orphaned: 3 };
export const moveStatus: Record<Move['state'], Status> = { done: 1, 'under way': 2, failed: 3 };

/** What the states mean, for who rests on the word. */
export const managerMeaning: Record<ManagerState, string> = {
  known: 'Others told of it; nothing was heard of it here.',
  live: 'It answers.',
  suspect: 'Its link was lost just now.',
  'cut off': 'It is not heard here, but others hear it: it keeps its devices.',
  dead: 'Nobody hears it: its devices go to stand-ins.',
  gone: 'It left, or was revoked.',
};
export const deviceMeaning: Record<DeviceState, string> = {
  own: 'Its owner watches it.',
  given: 'Another manager watches it for its owner.',
  prepared: 'The next manager has it on disk; the one before has not let go yet.',
  taken: 'A stand-in watches it: its owner is dead, or handed it over.',
  orphaned: 'Nobody watches it.',
};

/** written is a figure with its unit. */
export function written(value: number | undefined, unit: string): string {
  if (value === undefined) return '–';
  const { number, unit: after } = show(value, unit);
  return after ? `${number} ${after}` : number;
}

/** linkText says how a link is, and since when. */
export function linkText(m: Pick<Other, 'link' | 'heard'>, now: number): string {
  if (m.link) return `${m.link.up ? 'up' : 'lost'} for ${age(now - Date.parse(m.link.since))}`;
  return m.heard ? `none, heard ${age(now - Date.parse(m.heard))} ago` : 'none';
}

/** callText says who calls whom. */
export function callText(l: Link): string {
  return l.outbound ? `this manager calls ${l.address}` : `it calls from ${l.address}`;
}

export function lagText(lag: Other['lag']): string {
  return lag.entries === 0 ? '' : `${plural(lag.entries, 'entry', 'entries')}, ${duration(1000 * lag.seconds)}`;
}

export function devicesText(m: { devices: number; capacity: number }): string {
  return m.capacity > 0 ? `${figures(m.devices)} of ${figures(m.capacity)}` : figures(m.devices);
}

/** saturationStatus is how near a manager is to more messages than can be taken. */
export function saturationStatus(part: number): Status {
  return part >= 0.9 ? 3 : part >= 0.7 ? 2 : 1;
}

/** moveText says what came of moving one device. */
export function moveText(m: Move): string {
  if (m.state === 'done') return `${m.device} is watched by ${m.to} now.`;
  if (m.state === 'under way') return `${m.device} is on its way to ${m.to}${m.error ? `: ${m.error}` : ''}.`;
  return `${m.device} stays with ${m.from || 'nobody'}: ${m.error ?? 'it failed'}.`;
}

/** movedText says what came of moving several devices. */
export function movedText(m: Moved): string {
  const parts = [`${m.done} of ${plural(m.moves.length, 'device')} moved`];
  if (m.underWay > 0) parts.push(`${figures(m.underWay)} on the way`);
  if (m.failed > 0) parts.push(`${figures(m.failed)} not`);
  return parts.join(', ') + '.';
}

/** worstFirst has those first of which people must know. */
export function worstFirst(moves: readonly Move[]): Move[] {
  const rank = { failed: 0, 'under way': 1, done: 2 };
  return [...moves].sort((a, b) => rank[a.state] - rank[b.state]);
}

/** outcomeText says what came of moving many. */
export function outcomeText(o: Outcome): string {
  const parts = [`${plural(o.moved, 'device')} moved`];
  if (o.underWay > 0) parts.push(`${plural(o.underWay, 'device')} still on the way`);
  if (o.left.length > 0) parts.push(`${plural(o.left.length, 'device')} did not: ${o.left[0]!.device}: ${o.left[0]!.error}`);
  return parts.join(', ') + '.';
}

/** whyText says why a device moved. */
export const whyText: Record<Move['why'], string> = { given: 'given', returned: 'returned', handover: 'handed over', takeover: 'taken over', back: 'taken back' };

/** epochText writes which time it is that a device moves: the number of the home's term, and of the move in it. */
export function epochText(epoch: number): string {
  const term = 2 ** 32;
  return epoch < term ? String(epoch) : `${Math.floor(epoch / term)}.${epoch % term}`;
}

/** holderText says who has a device, for one line. */
export function holderText(d: Device): string {
  return d.watcher === d.owner ? d.owner : `${d.watcher || 'nobody'} for ${d.owner}`;
}
