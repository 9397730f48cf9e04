// Values of beans as texts that people write, and back.

/** Wrong is why a text is no value. */
export class Wrong extends Error {}

const listTypes = new Set(['[]string', '[]float64', '[]int64']);
const jsonTypes = new Set(['map', 'table', '[]any']);

export const isList = (type: string) => listTypes.has(type);
export const isJson = (type: string) => jsonTypes.has(type);

const hints: Record<string, string> = {
  int64: 'An integer.',
  float64: 'A number.',
  duration: 'As in 1m30s, or seconds.',
  time: 'As in 2026-03-01T12:00:00Z, or milliseconds since 1970.',
  name: 'The name of a bean.',
  any: 'JSON, or a text.',
  map: 'A JSON object.',
  table: 'A JSON list of objects.',
  '[]any': 'A JSON list.',
  '[]string': 'One on each line.',
  '[]float64': 'One number on each line.',
  '[]int64': 'One integer on each line.',
};

/** hintOf says how a value of a type is written. */
export function hintOf(type: string): string {
  return hints[type] ?? '';
}

/** textOf writes a value as readText takes it. */
export function textOf(value: unknown, type: string): string {
  if (value === undefined || value === null) return type === 'bool' ? 'false' : '';
  if (isList(type) && Array.isArray(value)) return value.join('\n');
  if (typeof value === 'object') return JSON.stringify(value, null, 2);
  return String(value);
}

/** readText reads what somebody wrote. The server converts it further; only what cannot
 * be sent is refused here. */
export function readText(text: string, type: string): unknown {
  const trimmed = text.trim();
  if (isList(type)) return text.split('\n').map((line) => (type === '[]string' ? line : line.trim())).filter((line) => line !== '');
  if (isJson(type)) {
    if (trimmed === '') return type === 'map' ? {} : [];
    try {
      return JSON.parse(trimmed);
    } catch (error) {
      throw new Wrong(`This is no JSON: ${error instanceof Error ? error.message : error}`);
    }
  }
  switch (type) {
    case 'string':
      return text;
    case 'any':
      try {
        return JSON.parse(trimmed);
      } catch {
        return text;
      }
    case 'bool':
      return trimmed === 'true';
    case 'int64':
    case 'float64':
    case 'duration':
    case 'time':
    case 'name':
      if (trimmed === '') throw new Wrong('A value is missing.');
      return trimmed;
  }
  return text;
}

/** shortClass is the last part of the name of a class. */
export function shortClass(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** parts takes a name apart for people: what it is called, and what kind it is of. */
export function parts(name: string, path?: string): { title: string; kind: string } {
  const colon = name.indexOf(':');
  const properties = propertiesOf(name.slice(colon + 1));
  const kind = properties.find(([key]) => key === 'type')?.[1] ?? '';
  if (kind === 'Node' && path) return { title: path, kind };
  const rest = properties.filter(([key]) => key !== 'type').map(([key, value]) => `${key}=${value}`);
  return { title: rest.length > 0 ? rest.join(', ') : kind, kind };
}

/** propertiesOf reads key=value pairs with commas between them; values may be quoted. */
export function propertiesOf(text: string): [key: string, value: string][] {
  const found: [string, string][] = [];
  for (const match of text.matchAll(/([^=,]+)=("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)/g)) {
    const value = match[2]!;
    found.push([match[1]!, value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : value]);
  }
  return found;
}

/** sentence begins a description with a capital and ends it with a stop. */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : whole + '.';
}
