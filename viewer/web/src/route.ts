// The address of the page, after "#": "/PAGE?params". A link shows another person the
// same. On every page node= names the node whose panel is open and at= the moment of
// the past that is shown; all other parameters belong to the page.

export type Params = Readonly<Record<string, string>>;

export interface Route {
  page: string;
  params: Params; // without node and at
  node: string | undefined; // path
  at: number | undefined; // unix milliseconds
}

/** The page that an empty address means. */
export const home = 'tree';

/** Slashes and commas stay as they are, so that paths in the address can be read. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%20', '+');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

export function readRoute(hash: string): Route {
  const text = hash.replace(/^#/, '');
  // Addresses of earlier versions had no page: they showed the tree.
  const paged = text.startsWith('/');
  const question = text.indexOf('?');
  const page = paged ? text.slice(1, question < 0 ? undefined : question) : home;
  const query = paged ? (question < 0 ? '' : text.slice(question + 1)) : text;
  const params: Record<string, string> = Object.create(null);
  let node: string | undefined;
  let at: number | undefined;
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1) continue;
    const name = decode(part.slice(0, equals));
    const value = part.slice(equals + 1);
    if (name === 'node') node = decode(value) || undefined;
    else if (name === 'at') at = readTime(decode(value));
    else params[name] = decode(value);
  }
  return { page: decode(page) || home, params, node, at };
}

function readTime(text: string): number | undefined {
  const at = Date.parse(text);
  return Number.isFinite(at) && at > 0 ? at : undefined;
}

export function writeRoute(route: Route): string {
  const parts = Object.entries(route.params).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  if (route.node !== undefined) parts.push('node=' + encode(route.node));
  if (route.at !== undefined) parts.push('at=' + new Date(route.at).toISOString().replace('.000Z', 'Z'));
  return '#/' + encode(route.page) + (parts.length > 0 ? '?' + parts.join('&') : '');
}

/** writeList joins members, which may hold commas themselves, for one parameter; readList is its inverse. */
export function writeList(members: readonly string[]): string {
  return members.map((m) => m.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');
}

export function readList(text: string): string[] {
  return text.split(',').filter(Boolean).map((m) => m.replaceAll('%2C', ',').replaceAll('%25', '%'));
}
