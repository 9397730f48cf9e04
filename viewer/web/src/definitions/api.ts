// What the definitions page reads and sends.

import { get, send } from '../api';

export interface Fault {
  file?: string;
  line?: number; // from 1; absent when not known
  column?: number;
  message: string;
}

export interface Instance {
  name: string;
  application?: string;
  title?: string;
  description?: string;
  at?: string;
  file?: string;
  definition?: string;
  why?: string; // of an instance that was discovered: its row, and how its definition was chosen
  state: 'running' | 'kept' | 'failed';
  nodes: number;
  errors?: Fault[];
}

export interface Application {
  name: string;
  title?: string;
  description?: string;
  file?: string;
  errors?: Fault[];
}

export interface Definitions {
  instances: Instance[];
  applications: Application[];
  errors?: Fault[];
}

export interface Source {
  file: string;
  text: string;
  masked?: boolean;
  drop_in?: string;
  shared?: string;
}

export interface Plan {
  text: string;
  changes: boolean;
  errors?: Fault[];
}

export interface Revision {
  name: string;
  revision: number;
  removed?: boolean;
  who: string;
  time: string;
  comment?: string;
  text?: string;
}

const definition = (name: string) => `api/v1/definitions/${encodeURIComponent(name)}`;

export const readDefinitions = (signal: AbortSignal) => get<Definitions>('api/v1/definitions', signal);
export const readShared = (signal: AbortSignal) => get<{ revisions: Revision[] }>('api/v1/shared-definitions?removed=true', signal);
export const readSource = (file: string, signal: AbortSignal) => get<Source>(`api/v1/sources?file=${encodeURIComponent(file)}`, signal);
export const readRevision = (name: string, revision: number, signal: AbortSignal) => get<Revision>(`${definition(name)}?revision=${revision}`, signal);
export const readRevisions = (name: string, signal: AbortSignal) => get<{ revisions: Revision[] }>(`${definition(name)}/revisions`, signal);
export const readDiff = (name: string, from: number, to: number, signal: AbortSignal) =>
  get<{ diff: string }>(`${definition(name)}/diff?from=${from}&to=${to}`, signal);
export const plan = (name: string, text: string) => send<Plan>('POST', 'api/v1/plan', { files: [{ name, text }] });
export const put = (name: string, text: string, expected: number, comment: string) =>
  send<Revision>('PUT', definition(name), { text, expected, ...(comment ? { comment } : {}) });
export const rollBack = (name: string, to: number, expected: number, comment: string) =>
  send<Revision>('POST', `${definition(name)}/rollback`, { to, expected, ...(comment ? { comment } : {}) });
export const remove = (name: string, expected: number) => send('DELETE', `${definition(name)}?expected=${expected}`);
