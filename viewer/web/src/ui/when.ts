// Moments and lengths of time as people type them: in fields of the browser, by the clock
// that the page shows, and in words such as "2h".

/** fieldTime writes a moment for a field of type datetime-local. */
export function fieldTime(ms: number, utc: boolean): string {
  const shift = utc ? 0 : new Date(ms).getTimezoneOffset() * 60_000;
  return Number.isNaN(ms) ? '' : new Date(ms - shift).toISOString().slice(0, 16);
}

/** readField reads what such a field says as unix milliseconds; NaN: nothing. */
export function readField(text: string, utc: boolean): number {
  return text === '' ? NaN : new Date(utc && !text.endsWith('Z') ? text + 'Z' : text).getTime();
}

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** readSpan reads "1h30m" as milliseconds; NaN: it is none. */
export function readSpan(text: string): number {
  const parts = [...text.trim().toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*(w|d|h|m(?:in)?|s)\s*/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text.trim().toLowerCase()) return NaN;
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * units[unit![0]!]!, 0);
}
