// The history of a node for a chart: what the server has, and the live readings since,
// merged into the same steps.

import { get } from '../api';
import { type Status, White, statusWords } from '../wire';

/** Point is what the readings of one step come to; a gap has no values. */
export interface Point {
  time: number; // unix ms of its beginning
  min: number | null;
  max: number | null;
  avg: number | null;
  last: number | null;
  count: number;
}

/** Band is a time with one status. */
export interface Band {
  from: number;
  to: number;
  status: Status;
  text: string; // why it was white
}

export interface Series {
  from: number;
  to: number;
  step: number; // ms that one point covers
  merged: number; // unix ms; before that, readings were stored merged; 0: nowhere
  points: Point[];
  bands: Band[];
}

interface Answer {
  from: string;
  to: string;
  step_seconds: number;
  merged_until?: string;
  points: { time: string; min?: number; max?: number; avg?: number; last?: number; count: number }[];
  statuses: { from: string; to: string; status: string; text?: string }[];
}

export async function readSeries(path: string, from: number, to: number, points: number, signal: AbortSignal): Promise<Series> {
  const query = new URLSearchParams({ path, from: new Date(from).toISOString(), to: new Date(to).toISOString(), points: String(points) });
  const answer = await get<Answer>(`api/v1/history?${query}`, signal);
  return {
    from,
    to,
    step: Math.max(1, answer.step_seconds * 1000),
    merged: answer.merged_until ? Date.parse(answer.merged_until) : 0,
    points: answer.points.map((p) => ({ time: Date.parse(p.time), min: p.min ?? null, max: p.max ?? null, avg: p.avg ?? null, last: p.last ?? null, count: p.count })),
    bands: answer.statuses.map((b) => ({ from: Date.parse(b.from), to: Date.parse(b.to), status: statusOf(b.status), text: b.text ?? '' })),
  };
}

export function statusOf(word: string | undefined): Status {
  return Math.max(0, (statusWords as readonly string[]).indexOf(word ?? '')) as Status;
}

/** add puts what is so now at the right end of a series that follows the present. */
export function add(s: Series, now: number, value: number | undefined, status: Status): void {
  const last = s.points.at(-1);
  const gap = value === undefined || !Number.isFinite(value);
  if (gap) {
    if (last && last.count > 0) s.points.push({ time: Math.max(now, last.time + 1), min: null, max: null, avg: null, last: null, count: 0 });
  } else if (last && last.count > 0 && now < last.time + s.step) {
    last.min = Math.min(last.min ?? value, value);
    last.max = Math.max(last.max ?? value, value);
    last.avg = ((last.avg ?? value) * last.count + value) / (last.count + 1);
    last.last = value;
    last.count++;
  } else if (!last || now > last.time) {
    s.points.push({ time: now, min: value, max: value, avg: value, last: value, count: 1 });
  }
  const band = s.bands.at(-1);
  if (band && band.status === status) band.to = now;
  else if (band || status !== White) s.bands.push({ from: band ? Math.max(band.to, Math.min(now, band.to + 1000)) : now, to: now, status, text: '' });
  s.to = now;
}

/** slide lets go of what is older than the beginning. */
export function slide(s: Series, from: number): void {
  s.from = from;
  let old = 0;
  while (old < s.points.length - 1 && s.points[old + 1]!.time < from) old++;
  if (old > 0) s.points.splice(0, old);
  while (s.bands.length > 1 && s.bands[0]!.to < from) s.bands.shift();
}

export interface Summary {
  min: number;
  max: number;
  avg: number;
  count: number;
}

/** summary is what the readings between two moments come to; undefined without any. */
export function summary(s: Series, from = s.from, to = s.to): Summary | undefined {
  let [min, max, sum, count] = [Infinity, -Infinity, 0, 0];
  for (const p of s.points) {
    if (p.count === 0 || p.avg === null || p.time < from - s.step || p.time > to) continue;
    min = Math.min(min, p.min ?? p.avg);
    max = Math.max(max, p.max ?? p.avg);
    sum += p.avg * p.count;
    count += p.count;
  }
  return count > 0 ? { min, max, avg: sum / count, count } : undefined;
}

/** shares is how long each status lasted, in parts of one. */
export function shares(s: Series): number[] {
  const out = [0, 0, 0, 0];
  let all = 0;
  for (const b of s.bands) {
    const ms = Math.max(0, Math.min(b.to, s.to) - Math.max(b.from, s.from));
    out[b.status]! += ms;
    all += ms;
  }
  return out.map((ms) => (all > 0 ? ms / all : 0));
}

/** bandAt is the status at a moment. */
export function bandAt(s: Series, at: number): Band | undefined {
  return s.bands.findLast((b) => b.from <= at);
}

/** rowsOf are at most so many lines for a table: neighbours are merged. */
export function rowsOf(s: Series, most: number): Point[] {
  const points = s.points.filter((p) => p.count > 0);
  const each = Math.ceil(points.length / most);
  if (each <= 1) return points;
  const out: Point[] = [];
  for (let k = 0; k < points.length; k += each) {
    const part = points.slice(k, k + each);
    const count = part.reduce((n, p) => n + p.count, 0);
    out.push({
      time: part[0]!.time,
      min: Math.min(...part.map((p) => p.min ?? Infinity)),
      max: Math.max(...part.map((p) => p.max ?? -Infinity)),
      avg: part.reduce((sum, p) => sum + (p.avg ?? 0) * p.count, 0) / count,
      last: part.at(-1)!.last,
      count,
    });
  }
  return out;
}
