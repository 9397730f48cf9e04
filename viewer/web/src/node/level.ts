// Levels as definitions write them, as far as a chart needs them: "> 500 for 30s",
// "outside 10..20". The server's parser decides; what this does not understand has no line.

import type { Thresholds } from '../api';
import { Red, Yellow } from '../wire';

/** Level is where readings enter a status, and where they leave it. */
export interface Level {
  form: 'above' | 'below' | 'outside' | 'inside';
  borders: number[]; // of entering: one, or the lower and the upper
  off: number[]; // of leaving, in the same order; as borders without hysteresis
}

export interface Line {
  status: typeof Yellow | typeof Red;
  level: Level;
}

const sizes: Record<string, number> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, B: 1, '%': 1 };

function number(text: string): number {
  const found = /^([+-]?(?:\d[\d_]*)?(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([KMGTk]i?B|B|%)?$/.exec(text.trim());
  if (!found || found[1] === '') return NaN;
  return Number(found[1]!.replaceAll('_', '')) * (found[2] ? (sizes[found[2]] ?? NaN) : 1);
}

/** parseLevel reads a level; back is how far readings must come back, "10%" or an amount. */
export function parseLevel(text: string, back = ''): Level | undefined {
  const rule = text.trim().split(/\s+for\s+/)[0]!;
  const single = /^([<>])\s*([^=].*)$/.exec(rule);
  const range = /^(outside|inside)\s+(.+?)\s*\.\.\s*(.+)$/.exec(rule);
  let form: Level['form'];
  let borders: number[];
  if (single) {
    form = single[1] === '>' ? 'above' : 'below';
    borders = [number(single[2]!)];
  } else if (range) {
    form = range[1] as Level['form'];
    borders = [number(range[2]!), number(range[3]!)];
  } else return undefined;
  if (!borders.every(Number.isFinite)) return undefined;
  const percent = back.trim().endsWith('%');
  const amount = back.trim() === '' ? 0 : number(back.trim().replace(/%$/, ''));
  const by = (border: number) => (percent ? (Math.abs(border) * amount) / 100 : amount);
  // Above and the upper border of outside are left below themselves, inside the other way around.
  const toward = (k: number) => (form === 'above' ? -1 : form === 'below' ? 1 : (form === 'outside') === (k === 0) ? 1 : -1);
  const off = borders.map((b, k) => (Number.isFinite(amount) ? b + toward(k) * by(b) : b));
  return { form, borders, off };
}

/** linesOf are the levels in force. */
export function linesOf(t: Thresholds | undefined): Line[] {
  const lines: Line[] = [];
  for (const [status, word] of [[Yellow, 'yellow'], [Red, 'red']] as const) {
    const level = t?.[word] ? parseLevel(t[word]) : undefined;
    if (!level) continue;
    const off = t?.back?.[word];
    lines.push({ status, level: off?.length === level.borders.length ? { ...level, off } : level });
  }
  return lines;
}

/** backOf writes a hysteresis as an editor wants it: "10%" where that is what it is, else the amount. */
export function backOf(t: Thresholds | undefined, word: 'yellow' | 'red'): string {
  const level = t?.[word] ? parseLevel(t[word]) : undefined;
  const off = t?.back?.[word];
  if (!level || !off || off.length !== level.borders.length) return '';
  const amounts = level.borders.map((b, k) => tidy(Math.abs(off[k]! - b)));
  const parts = level.borders.map((b, k) => (b === 0 ? NaN : tidy((100 * amounts[k]!) / Math.abs(b))));
  if (parts.every((p) => p === parts[0]) && Number.isInteger(parts[0])) return `${parts[0]}%`;
  return amounts.every((a) => a === amounts[0]) ? String(amounts[0]) : '';
}

/** tidy takes away what binary fractions add: 0.30000000000000004. */
function tidy(v: number): number {
  return Number(v.toPrecision(12));
}
