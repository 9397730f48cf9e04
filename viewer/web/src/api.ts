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

/** Problem is an error as the server words it (RFC 9457), or why there was no answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** What is wrong with single fields of what was sent: "body.yellow". */
    readonly fields: readonly { location: string; message: string }[] = [],
  ) {
    super(message);
    this.name = 'Problem';
  }
}

/** What happens when the server wants a login; the shell sets it. */
let unauthorized = (): void => {};

export function onUnauthorized(act: () => void): void {
  unauthorized = act;
}

/** get reads an address relative to the page; it throws Problem in the server's words. */
export async function get<T = unknown>(url: string, signal?: AbortSignal): Promise<T> {
  return (await ask('GET', url, undefined, signal)) as T;
}

/** send asks for a change; the answer is undefined when the server has nothing to say. */
export async function send<T = unknown>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await ask(method, url, body, signal)) as T;
}

async function ask(method: string, url: string, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'The server does not answer.');
  }
  let answer: unknown;
  try {
    answer = text === '' ? undefined : JSON.parse(text);
  } catch {
    if (response.ok) throw new Problem(response.status, 'The server answered with something that is not JSON.');
  }
  if (!response.ok) {
    // A wrong password is for the login page to tell; everything else leads there.
    if (response.status === 401 && !url.endsWith('api/v1/session')) unauthorized();
    throw problemOf(response.status, answer);
  }
  return answer;
}

/** problemOf words an error of the server (RFC 9457); what it says of single fields follows its detail. */
function problemOf(status: number, answer: unknown): Problem {
  const said = record(answer);
  const fields = (Array.isArray(said.errors) ? said.errors.map(record) : []).map((e) => ({ location: String(e.location ?? ''), message: String(e.message ?? '') }));
  const words = String(said.detail ?? said.title ?? `The server answered ${status}.`);
  const more = fields.filter((f) => f.message && !words.includes(f.message)).map((f) => [f.location, f.message].filter(Boolean).join(': '));
  return new Problem(status, more.length > 0 ? `${words}: ${more.join('; ')}` : words, fields);
}

function record(v: unknown): Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {};
}

export function nodeUrl(path: string): string {
  return urlOf('api/v1/nodes', path);
}
