// What the pages of beans read, as the server words it. Everything but names may be absent.

import { get, send } from '../api';

export interface Domain {
  name: string;
  beans: number;
}

export interface ListedBean {
  name: string;
  class: string;
  path?: string;
}

export interface Attribute {
  name: string;
  type: string;
  description?: string;
  unit?: string;
  readable: boolean;
  writable: boolean;
  may: boolean;
  value?: unknown;
  of?: number; // how long the value is, when only its beginning is there
  error?: string;
  columns?: { name: string; type: string; unit?: string; description?: string }[];
}

export interface Parameter {
  name: string;
  type: string;
  description?: string;
  unit?: string;
}

export interface Operation {
  name: string;
  signature: string;
  description?: string;
  parameters: Parameter[];
  returns: string;
  impact: string;
  may: boolean;
}

export interface Bean {
  name: string;
  class: string;
  description?: string;
  path?: string;
  hidden?: boolean;
  attributes: Attribute[];
  operations: Operation[];
  notifications: { name?: string; types: string[]; description?: string }[];
}

export interface Result {
  operation: string;
  type: string;
  value?: unknown;
  of?: number;
  took: number; // seconds
}

export interface Told {
  type: string;
  source: string;
  sequence?: number;
  time: string;
  message?: string;
  path?: string;
  data?: unknown;
}

const about = (what: string, name: string) => `api/v1/bean${what}?name=${encodeURIComponent(name)}`;

export const fetchDomains = async (signal?: AbortSignal) => (await get<{ domains: Domain[] }>('api/v1/beans/domains', signal)).domains;

export function fetchNames(query: string, text: string, offset: number, signal?: AbortSignal): Promise<{ beans: ListedBean[]; total: number }> {
  const asked = new URLSearchParams({ query, limit: '200', offset: String(offset) });
  if (text) asked.set('text', text);
  return get(`api/v1/beans?${asked}`, signal);
}

export const fetchBean = (name: string, signal?: AbortSignal) => get<Bean>(about('', name), signal);

export const setAttribute = (name: string, attribute: string, value: unknown) => send<Attribute>('PUT', about('/attribute', name), { attribute, value });

export const invoke = (name: string, operation: string, args: unknown[]) => send<Result>('POST', about('/operation', name), { operation, arguments: args });

export const notificationsUrl = (name: string) => about('/notifications', name);
