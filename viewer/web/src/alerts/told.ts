// Who was told of an alert, as the journal has it. A line stands at the node that a message
// was about: at the node of the alert, or above it when the message was about several.

import { get } from '../api';
import { parentPath } from '../path';
import type { Alert, Step } from './api';

/** Line is an entry of the journal, as far as it is read here. */
interface Line {
  time: string;
  path: string;
  text?: string;
}

/** Telling is one message. */
export interface Telling {
  time: string;
  path: string; // of what it was about
  channels: string;
  purpose: string; // firing, reminder, escalation, resolved
}

/** Moment is a step of an alert, or that somebody was told. */
export type Moment = { step: Step; told?: undefined } | { step?: undefined; told: Telling };

const most = 100; // lines of one node
const after = 86_400_000; // of what is over, in milliseconds

/** placesOf are the nodes at which lines about a node may stand: itself and those above. */
export function placesOf(path: string): string[] {
  const places = [path];
  while (places.at(-1) !== '/') places.push(parentPath(places.at(-1)!));
  return places;
}

/** tellingOf reads a line of the journal: "told hook, boss: firing". */
export function tellingOf(line: Line): Telling | undefined {
  const [, channels, purpose] = /^told (.+): ([a-z]+)$/.exec(line.text ?? '') ?? [];
  return channels && purpose ? { time: line.time, path: line.path, channels, purpose } : undefined;
}

/**
 * tellingsOf picks those of an alert, the oldest first. Once it is over, what is told at a
 * node is about later alerts, except that it is over.
 */
export function tellingsOf(alert: Pick<Alert, 'resolved'>, lines: readonly Line[]): Telling[] {
  const end = alert.resolved ? Date.parse(alert.resolved) : Infinity;
  const closed = new Set<string>(); // nodes of which all is told
  const all = lines.map(tellingOf).filter((t) => t !== undefined);
  return all
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time))
    .filter((t) => {
      if (Date.parse(t.time) < end) return true;
      if (closed.has(t.path)) return false;
      closed.add(t.path);
      return t.purpose === 'resolved';
    });
}

/** momentsOf are the steps of an alert and who was told, in order of time. */
export function momentsOf(steps: readonly Step[], told: readonly Telling[]): Moment[] {
  const all: Moment[] = [...steps.map((step) => ({ step })), ...told.map((t) => ({ told: t }))];
  const at = (m: Moment) => Date.parse((m.step ?? m.told).time);
  return all.sort((a, b) => at(a) - at(b));
}

/** fetchTold asks the journal who was told of an alert. */
export async function fetchTold(alert: Pick<Alert, 'path' | 'opened' | 'resolved'>, signal?: AbortSignal): Promise<Telling[]> {
  const lines = await Promise.all(
    placesOf(alert.path).map(async (path) => {
      const p = new URLSearchParams({ kind: 'alert', path, only: 'true', text: 'told ', from: alert.opened, limit: String(most) });
      if (alert.resolved) p.set('to', new Date(Date.parse(alert.resolved) + after).toISOString());
      return (await get<{ entries: Line[] | null }>(`api/v1/journal?${p}`, signal)).entries ?? [];
    }),
  );
  return tellingsOf(alert, lines.flat());
}
