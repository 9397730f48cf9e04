// What the page reads over REST. Answers are checked only as far as they are used:
// everything in them may be absent.

import type { StatusWord } from './wire';
import { urlOf } from './path';

export interface NodeDetail {
  path: string;
  name?: string;
  kind?: string;
  description?: string;
  unit?: string;
  status?: StatusWord;
  last?: StatusWord;
  since?: string;
  value?: number | string | null;
  time?: string;
  reason?: string;
  mode?: string;
  source?: string;
  owner?: string;
  metric?: string;
  labels?: Record<string, string>;
  flapping?: boolean;
  pending?: boolean;
  counts?: Partial<Record<StatusWord, number>>;
  children?: number;
  thresholds?: Thresholds;
  rollup?: Rollup;
  edge?: { as: string; fixed?: string; weight?: number };
  events?: { time?: string; status?: StatusWord; text?: string }[];
  cause?: string[]; // attributes that give a group its yellow or red, the worst first
  created?: string;
}

export interface Thresholds {
  yellow?: string; // "> 500 for 30s"
  red?: string;
  back?: { yellow?: number[]; red?: number[] }; // where a level is left
  states?: Record<string, string>; // status by text, * for any other
  clear?: string; // durations as Go writes them: "1m0s"
  white?: string;
  flap?: { changes: number; window: string };
  tuned?: boolean;
}

export interface Rollup {
  rule: string;
  yellow?: number;
  red?: number;
  green?: number;
  cap?: string;
  white?: string;
}

export interface DefinitionError {
  file: string;
  line: number | undefined;
  column: number | undefined;
  message: string;
}

/** Problem is an error as the server words it (RFC 9457), or why there was no answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'Problem';
  }
}

async function get(url: string, signal?: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { Accept: 'application/json' }, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'The server does not answer.');
  }
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (!response.ok) {
    const said = record(body);
    throw new Problem(response.status, String(said.detail ?? said.title ?? `The server answered ${response.status}.`));
  }
  if (body === undefined) throw new Problem(response.status, 'The server answered with something that is not JSON.');
  return body;
}

function record(v: unknown): Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {};
}

export function nodeUrl(path: string): string {
  return urlOf('api/v1/nodes', path);
}

export async function fetchNode(path: string, signal: AbortSignal): Promise<NodeDetail> {
  return record(await get(nodeUrl(path), signal)) as unknown as NodeDetail;
}

/** fetchDefinitionErrors lists every error of every definition and instance once, in the order of the server. */
export async function fetchDefinitionErrors(): Promise<DefinitionError[]> {
  const body = record(await get('api/v1/definitions'));
  const found = new Map<string, DefinitionError>();
  const list = (v: unknown) => (Array.isArray(v) ? v.map(record) : []);
  const add = (file: unknown, errors: unknown) => {
    for (const said of list(errors)) {
      const place = (v: unknown) => (typeof v === 'number' && v > 0 ? v : undefined);
      const error = { file: String(said.file ?? file ?? ''), line: place(said.line), column: place(said.column), message: String(said.message ?? 'no message') };
      found.set(JSON.stringify(error), error);
    }
  };
  add('', body.errors);
  for (const part of [...list(body.applications), ...list(body.instances)]) add(part.file, part.errors);
  return [...found.values()];
}
