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
  thresholds?: Record<string, unknown>;
  rollup?: string;
  events?: { time?: string; status?: StatusWord; text?: string }[];
  cause?: string[];
  created?: string;
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

/** fetchDefinitionErrors lists every error of every definition, in the order of the server. */
export async function fetchDefinitionErrors(): Promise<DefinitionError[]> {
  const body = await get('api/v1/definitions');
  const list = Array.isArray(body) ? body : record(body).definitions;
  const found: DefinitionError[] = [];
  const add = (file: string, errors: unknown) => {
    for (const e of Array.isArray(errors) ? errors : []) {
      const said = typeof e === 'string' ? { message: e } : record(e);
      found.push({
        file: String(said.file ?? file),
        line: typeof said.line === 'number' && said.line > 0 ? said.line : undefined,
        column: typeof said.column === 'number' && said.column > 0 ? said.column : undefined,
        message: String(said.message ?? said.text ?? 'no message'),
      });
    }
  };
  for (const d of Array.isArray(list) ? list : []) {
    const definition = record(d);
    add(String(definition.file ?? definition.name ?? ''), definition.errors);
  }
  add('', record(body).errors);
  return found;
}
