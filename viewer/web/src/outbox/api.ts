// What the page reads and changes of the outbox: the messages that leave this manager.

import { get, send } from '../api';

export type MessageState = 'waiting' | 'dead' | 'sent';

/** Message is one delivery by one channel. */
export interface Message {
  id: string;
  key?: string;
  channel: string;
  precedence: 'urgent' | 'normal' | 'bulk';
  state: string;
  made: string;
  next?: string; // of the next attempt
  ends?: string; // of its time to live
  settled?: string; // when it was sent, or given up
  title: string;
  at?: string; // path that it is about
  purpose?: string;
  attempts: number;
  error?: string; // of the last attempt
}

/** Channel is how one channel does. */
export interface Channel {
  name: string;
  kind?: string;
  stopped?: boolean;
  waiting?: Partial<Record<Message['precedence'], number>>;
  oldest?: string;
  throttled?: string; // until when
  error?: string; // of the last attempt
  sent?: number;
  dead?: number;
}

export interface Outbox {
  stopped?: boolean;
  channels?: Channel[] | null;
  messages: Message[] | null;
  next?: string;
}

const url = 'api/v1/outbox';
export const fetchOutbox = (q: { state: MessageState; channel?: string; after?: string; limit?: number }, signal?: AbortSignal) => {
  const p = new URLSearchParams({ state: q.state });
  if (q.channel) p.set('channel', q.channel);
  if (q.after) p.set('after', q.after);
  if (q.limit) p.set('limit', String(q.limit));
  return get<Outbox>(`${url}?${p}`, signal);
};
/** An empty channel is all of them. */
export const stopOutbox = (channel: string) => send('POST', `${url}/stop`, { channel });
export const startOutbox = (channel: string) => send('POST', `${url}/start`, { channel });

/** Result is what came of a change of one message. */
export interface Result {
  id: string;
  error?: string; // why not
}

const change = async (what: string, ids: readonly string[]) => (await send<{ results: Result[] | null }>('POST', `${url}/${what}`, { ids })).results ?? [];
export const sendAgain = (ids: readonly string[]) => change('send', ids);
export const drop = (ids: readonly string[]) => change('drop', ids);
