// What the pages about people read and change. Times are RFC 3339; absent: never.

import { get, send } from '../api';
import type { Grant } from '../session';

export interface User {
  name: string;
  title?: string;
  source: 'local' | 'oidc';
  grants: Grant[];
  disabled: boolean;
  password: boolean; // has one
  created?: string;
  last_login?: string;
  sessions: number;
  tokens: number;
}

export interface Token {
  id: string;
  name: string;
  user: string;
  grants: Grant[]; // as asked for; none: all of the owner's
  allowed: Grant[]; // what is left of them
  created?: string;
  expires?: string;
  last_used?: string;
  token?: string; // only in the answer that makes it
}

export interface Login {
  id: string;
  user: string;
  method: string;
  address?: string;
  agent?: string;
  created?: string;
  last_seen?: string;
  expires?: string;
  current: boolean;
}

export interface View {
  name: string;
  address: string;
}

const v1 = 'api/v1/';
const part = encodeURIComponent;
const of = (user: string | undefined) => (user === undefined ? '' : `?user=${part(user)}`);

export const fetchUsers = async (signal?: AbortSignal) => (await get<{ users: User[] }>(v1 + 'users', signal)).users;
export const fetchUser = (name: string, signal?: AbortSignal) => get<User>(`${v1}users/${part(name)}`, signal);
export const addUser = (user: { name: string; title?: string; password?: string; grants: Grant[] }) => send<User>('POST', v1 + 'users', user);
export const changeUser = (name: string, change: { title?: string; grants?: Grant[]; disabled?: boolean }) => send<User>('PATCH', `${v1}users/${part(name)}`, change);
export const resetPassword = (name: string, password: string) => send('PUT', `${v1}users/${part(name)}/password`, { password });
export const deleteUser = (name: string) => send('DELETE', `${v1}users/${part(name)}`);

/** Without a user it is about who asks; "*" is everybody, for admins. */
export const fetchTokens = async (user?: string, signal?: AbortSignal) => (await get<{ tokens: Token[] }>(`${v1}tokens${of(user)}`, signal)).tokens;
export const makeToken = (token: { name: string; user?: string; grants?: Grant[]; expires?: string }) => send<Token>('POST', v1 + 'tokens', token);
export const deleteToken = (id: string) => send('DELETE', `${v1}tokens/${part(id)}`);

export const fetchLogins = async (user?: string, signal?: AbortSignal) => (await get<{ sessions: Login[] }>(`${v1}sessions${of(user)}`, signal)).sessions;
export const endLogin = (id: string) => send('DELETE', `${v1}sessions/${part(id)}`);
/** endLogins ends all of a user, or all of one's own but the present one. */
export const endLogins = (user?: string) => send('DELETE', `${v1}sessions${of(user)}`);

export const logIn = (name: string, password: string) => send('POST', v1 + 'session', { name, password });
export const logOut = () => send('DELETE', v1 + 'session');
export const changePassword = (current: string, password: string) => send('PUT', v1 + 'me/password', { current, password });

export const fetchViews = async (signal?: AbortSignal) => (await get<{ views: View[] }>(v1 + 'me/views', signal)).views;
export const saveView = async (name: string, address: string, from?: string) =>
  (await send<{ views: View[] }>('PUT', `${v1}me/views/${part(name)}`, { address, ...(from === undefined ? {} : { from }) })).views;
export const deleteView = (name: string) => send('DELETE', `${v1}me/views/${part(name)}`);
