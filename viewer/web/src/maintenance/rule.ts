// How a window repeats: the choices that people make, as a rule of RFC 5545, and a rule in
// words.

export type Frequency = 'once' | 'daily' | 'weekly' | 'monthly-day' | 'monthly-weekday' | 'own';

/** Repeat is what somebody chose. */
export interface Repeat {
  frequency: Frequency;
  every: number; // every so many days, weeks or months
  days: readonly Day[]; // of weekly
  day: number; // of the month; -1 is the last
  nth: number; // 1 to 4, -1 the last: "first Sunday"
  weekday: Day; // of nth
  until: string; // a date, "2026-12-24"; empty: for good
  own: string; // a rule as it is
}

export type Day = 'MO' | 'TU' | 'WE' | 'TH' | 'FR' | 'SA' | 'SU';
export const days: readonly Day[] = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'];
export const dayNames: Record<Day, string> = { MO: 'Monday', TU: 'Tuesday', WE: 'Wednesday', TH: 'Thursday', FR: 'Friday', SA: 'Saturday', SU: 'Sunday' };
export const nths: readonly (readonly [value: string, text: string])[] = [
  ['1', 'first'],
  ['2', 'second'],
  ['3', 'third'],
  ['4', 'fourth'],
  ['-1', 'last'],
];

/** ruleOf writes the rule; empty is once. */
export function ruleOf(r: Repeat): string {
  const every = r.every > 1 ? `;INTERVAL=${r.every}` : '';
  // The rule has no zone of its own for this: the end of the day that it names, in any zone.
  const until = r.until ? `;UNTIL=${r.until.replaceAll('-', '')}T235959Z` : '';
  switch (r.frequency) {
    case 'once':
      return '';
    case 'daily':
      return `FREQ=DAILY${every}${until}`;
    case 'weekly':
      return `FREQ=WEEKLY${every}${r.days.length > 0 ? `;BYDAY=${days.filter((d) => r.days.includes(d)).join()}` : ''}${until}`;
    case 'monthly-day':
      return `FREQ=MONTHLY${every};BYMONTHDAY=${r.day}${until}`;
    case 'monthly-weekday':
      return `FREQ=MONTHLY${every};BYDAY=${r.nth}${r.weekday}${until}`;
    case 'own':
      return r.own.trim();
  }
}

/** ruleText says a rule in words; one that it has no words for it says as it is. */
export function ruleText(rule: string | undefined): string {
  if (!rule) return 'once';
  const parts = new Map(rule.replace(/^RRULE:/i, '').toUpperCase().split(';').map((p) => [p.slice(0, p.indexOf('=')), p.slice(p.indexOf('=') + 1)] as const));
  const known = ['FREQ', 'INTERVAL', 'BYDAY', 'BYMONTHDAY', 'UNTIL'];
  if ([...parts.keys()].some((k) => !known.includes(k))) return rule;
  const n = Number(parts.get('INTERVAL') ?? 1);
  const every = (one: string) => (n > 1 ? `every ${n} ${one}s` : `every ${one}`);
  const [by, date, until] = [parts.get('BYDAY'), parts.get('BYMONTHDAY'), parts.get('UNTIL')];
  const end = until ? ` until ${until.slice(0, 4)}-${until.slice(4, 6)}-${until.slice(6, 8)}` : '';
  const listed = (text: string) => text.split(',').map((d) => dayNames[d as Day]);
  switch (parts.get('FREQ')) {
    case 'DAILY':
      return by || date ? rule : `${every('day')}${end}`;
    case 'WEEKLY': {
      const named = by ? listed(by) : [];
      return date || named.some((d) => d === undefined) ? rule : `${every('week')}${named.length > 0 ? ` on ${named.join(', ')}` : ''}${end}`;
    }
    case 'MONTHLY': {
      if (date && !by && /^-?\d+$/.test(date)) return `${every('month')} on ${date === '-1' ? 'the last day' : `day ${date}`}${end}`;
      const [, nth, day] = /^(-?\d)(MO|TU|WE|TH|FR|SA|SU)$/.exec(by ?? '') ?? [];
      const word = nths.find(([v]) => v === nth)?.[1];
      return word && day && !date ? `${every('month')} on the ${word} ${dayNames[day as Day]}${end}` : rule;
    }
  }
  return rule;
}

/** dayOf is the day of the week of a date, "2026-11-22". */
export function dayOf(date: string): Day {
  const at = new Date(date.slice(0, 10) + 'T00:00:00Z').getUTCDay();
  return days[(at + 6) % 7] ?? 'MO';
}

/** zones are the time zones that the browser knows. */
export function zones(): readonly string[] {
  const known = Intl.supportedValuesOf?.('timeZone') ?? [];
  return known.includes('UTC') ? known : ['UTC', ...known];
}

/** ownZone is the zone of this browser. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** inZone reads a clock of a zone, "2026-11-22T04:00", as unix milliseconds; NaN: it is none. */
export function inZone(text: string, zone: string): number {
  const wall = Date.parse(text + 'Z');
  if (Number.isNaN(wall)) return NaN;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' });
  } catch {
    return NaN;
  }
  const shown = (ms: number) => {
    const p = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(p.year!, p.month! - 1, p.day!, p.hour!, p.minute!, p.second!);
  };
  // The offset is that of the moment itself: twice around, since the first guess may lie on
  // the other side of a change of the clock.
  let at = wall;
  for (let i = 0; i < 2; i++) at += wall - shown(at);
  return at;
}

/** wallIn writes a moment as the clock of a zone, for a field of type datetime-local. */
export function wallIn(ms: number, zone: string): string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' });
  return format.format(ms).replace(' ', 'T');
}
