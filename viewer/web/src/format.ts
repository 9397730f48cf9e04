// How values, ages and times are written for people.

export interface Shown {
  number: string; // also a text value
  unit: string;
}

const space = '\u202f'; // narrow, does not break

const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const decimal = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** What single precision cannot hold, as the feed sends numbers; the details have it exactly. */
const beyond = '3.4e38';

/** figures writes a number with about four significant digits and grouped thousands. */
export function figures(v: number): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? `> ${beyond}` : `< −${beyond}`;
  const size = Math.abs(v);
  if (size >= 1e15) return v.toExponential(2).replace(/\.?0*e\+/, 'e').replace('-', '−');
  let digits = 0;
  if (!Number.isInteger(v)) {
    if (size < 0.001) return v.toExponential(2).replace('-', '−');
    digits = size < 1 ? 3 : size < 10 ? 2 : size < 1000 ? 1 : 0;
  }
  const [whole, rest] = size.toFixed(digits).split('.') as [string, string | undefined];
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, space) : whole;
  const fraction = rest?.replace(/0+$/, '');
  const text = fraction ? `${grouped}.${fraction}` : grouped;
  return v < 0 && /[1-9]/.test(text) ? '−' + text : text;
}

function scaled(v: number, base: number, prefixes: readonly string[], tail: string): Shown {
  let size = Math.abs(v);
  if (size >= base ** prefixes.length) return { number: figures(v), unit: prefixes[0]! + tail };
  let step = 0;
  while (size >= base * 0.9995 && step < prefixes.length - 1) {
    size /= base;
    step++;
  }
  return { number: figures(v < 0 ? -size : size), unit: prefixes[step]! + tail };
}

function seconds(v: number): Shown {
  const size = Math.abs(v);
  if (v === 0) return { number: '0', unit: 's' };
  if (size < 1e-6) return { number: figures(v * 1e9), unit: 'ns' };
  if (size < 1e-3) return { number: figures(v * 1e6), unit: 'µs' };
  if (size < 1) return { number: figures(v * 1e3), unit: 'ms' };
  if (size < 120) return { number: figures(v), unit: 's' };
  return { number: (v < 0 ? '−' : '') + duration(size * 1000), unit: '' };
}

const aliases: Record<string, string> = {
  byte: 'bytes',
  B: 'bytes',
  seconds: 's',
  second: 's',
  sec: 's',
  percent: '%',
  celsius: '°C',
  C: '°C',
  degC: '°C',
  hertz: 'Hz',
  volts: 'V',
  volt: 'V',
  watts: 'W',
  watt: 'W',
  amperes: 'A',
  ampere: 'A',
  milliseconds: 'ms',
  microseconds: 'µs',
  us: 'µs',
  nanoseconds: 'ns',
  bits: 'bit',
};

/** show writes a value with its unit as definitions name it. */
export function show(value: number | string | null | undefined, unit = ''): Shown {
  if (value === undefined || value === null) return { number: '', unit: '' };
  if (typeof value === 'string') return { number: value, unit: '' };
  if (!Number.isFinite(value)) return { number: figures(value), unit };
  const slash = unit.indexOf('/');
  const head = slash < 0 ? unit : unit.slice(0, slash);
  const tail = slash < 0 ? '' : unit.slice(slash).replace('/sec', '/s').replace('/second', '/s');
  switch (aliases[head] ?? head) {
    case 'bytes':
      return scaled(value, 1024, binary, tail);
    case 's':
      if (tail) break;
      return seconds(value);
    case 'ms':
      if (tail) break;
      return seconds(value / 1e3);
    case 'µs':
      if (tail) break;
      return seconds(value / 1e6);
    case 'ns':
      if (tail) break;
      return seconds(value / 1e9);
    case '%':
      return { number: figures(Math.abs(value) < 1000 ? Math.round(value * 10) / 10 : Math.round(value)), unit: '%' + tail };
    case 'Hz':
    case 'bit':
    case 'V':
    case 'W':
    case 'A':
      return Math.abs(value) < 1000
        ? { number: figures(value), unit: (aliases[head] ?? head) + tail }
        : scaled(value, 1000, decimal, (aliases[head] ?? head) + tail);
    case '°C':
      return { number: figures(Math.round(value * 10) / 10), unit: '°C' };
    case '1':
      return { number: big(value), unit: tail };
  }
  return { number: big(value), unit };
}

/** Single precision is good for seven digits: what is larger is written as such. */
function big(v: number): string {
  if (Math.abs(v) < 1e7) return figures(v);
  const s = scaled(v, 1000, decimal, '');
  return s.unit === '' ? s.number : s.number + space + s.unit;
}

/** exact writes a value of double precision as it is, for the details. */
export function exact(value: number | string, unit: string): string {
  if (typeof value === 'string') return value;
  return unit ? `${value} ${unit}` : String(value);
}

/** duration writes milliseconds in the two largest units: "3 h 12 min". */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}${space}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return m < 10 && s % 60 ? `${m}${space}min ${s % 60}${space}s` : `${m}${space}min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h}${space}h ${m % 60}${space}min` : `${h}${space}h`;
  const d = Math.floor(h / 24);
  return h % 24 && d < 10 ? `${d}${space}d ${h % 24}${space}h` : `${d}${space}d`;
}

/** age writes how long ago something was, in its largest unit. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}${space}s`;
  if (s < 3600) return `${Math.floor(s / 60)}${space}min`;
  if (s < 86_400) return `${Math.floor(s / 3600)}${space}h`;
  return `${Math.floor(s / 86_400)}${space}d`;
}

const clockStyle = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
const dayStyle = { year: 'numeric', month: 'short', day: 'numeric' } as const;
let clockFormat = new Intl.DateTimeFormat(undefined, clockStyle);
let dayFormat = new Intl.DateTimeFormat(undefined, dayStyle);
let utc = false;

/** setZone chooses the zone of all times that are written from now on. */
export function setZone(zone: 'local' | 'utc'): void {
  utc = zone === 'utc';
  const where = utc ? { timeZone: 'UTC' } : {};
  clockFormat = new Intl.DateTimeFormat(undefined, { ...clockStyle, ...where });
  dayFormat = new Intl.DateTimeFormat(undefined, { ...dayStyle, ...where });
}

/** clock writes a time of day; in UTC it says so. */
export function clock(ms: number): string {
  return clockFormat.format(ms) + (utc ? ' UTC' : '');
}

/** day writes a date. */
export function day(ms: number): string {
  return dayFormat.format(ms);
}

/** moment writes a time of day, with the date when it is not today. */
export function moment(ms: number, now = Date.now()): string {
  const date = day(ms);
  return date === day(now) ? clock(ms) : `${date}, ${clock(ms)}`;
}

export function plural(n: number, one: string, many = one + 's'): string {
  return `${figures(n)} ${n === 1 ? one : many}`;
}
