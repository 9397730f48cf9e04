// What the page reads of what would be.

import { send } from '../api';
import type { Explanation } from '../routes/api';
import type { StatusWord } from '../wire';

export interface Change {
  path: string;
  from: StatusWord;
  to: StatusWord;
  set?: boolean; // asked for, not a consequence
}

export interface WhatIf {
  changes: Change[] | null;
  alerts: Explanation[] | null;
  messages: { route: string; channel: string; to?: string; title: string; group?: string; purpose?: string; after?: string; every?: string; alerts: number }[] | null;
  truncated?: boolean; // there would be more
}

export const whatIf = (set: Readonly<Record<string, StatusWord>>, signal?: AbortSignal) => send<WhatIf>('POST', 'api/v1/what-if', { set }, signal);
