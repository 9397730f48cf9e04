// What is wrong at present, as pages need it: a subscription to the nodes that have one
// of some statuses, and a list of them, the worst first and the newest first among those.

import { useMemo, useRef } from 'preact/hooks';
import { useLive } from '../live';
import { escapeName } from '../path';
import { type Tree, none } from '../tree';
import { type Status, White, statusWords } from '../wire';

/** Problem is an attribute that is not well. */
export interface Trouble {
  path: string;
  name: string;
  above: string; // path of its group
  status: Status;
  since: number; // unix milliseconds, 0 when not known
  value: number | string | undefined;
  unit: string;
  reason: string;
  flapping: boolean;
  pending: boolean;
}

export interface Troubles {
  items: readonly Trouble[];
  hits: number; // all that match, of which the server shows at most some thousands
  loaded: boolean;
  refusal: string;
}

export interface TroubleRequest {
  path: string;
  statuses: readonly Status[];
  text: string;
}

/** rank orders statuses by how much they matter: red, yellow, white, green. */
export function rank(status: Status): number {
  return status === White ? 1.5 : status === 1 ? 1 : status;
}

/** worse is the order of lists of what is wrong. */
export function worse(a: Trouble, b: Trouble): number {
  return rank(b.status) - rank(a.status) || b.since - a.since || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** useTroubles follows what is wrong below a path; undefined follows nothing. */
export function useTroubles(request: TroubleRequest | undefined): Troubles {
  const live = useLive(
    request === undefined
      ? undefined
      : { path: request.path, depth: 0, filter: { text: request.text, statuses: request.statuses.map((s) => statusWords[s]) } },
  );
  // What was known stays until the answer to another question is here.
  const before = useRef<readonly Trouble[]>([]);
  const statuses = request?.statuses.join() ?? '';
  const items = useMemo(() => {
    if (live.loaded) before.current = collect(live.tree, new Set(statuses.split(',').filter(Boolean).map(Number)));
    return before.current;
  }, [live.tree, live.version, live.loaded, statuses]);
  return { items, hits: Math.max(live.hits, items.length), loaded: live.loaded, refusal: live.refusal };
}

/** collect lists the attributes of a tree that have one of some statuses. */
export function collect(tree: Tree, statuses: ReadonlySet<number>): Trouble[] {
  const list: Trouble[] = [];
  if (tree.root === none) return list;
  const paths = new Map<number, string>(); // of groups
  const pathOf = (n: number): string => {
    let path = paths.get(n);
    if (path === undefined) paths.set(n, (path = tree.path(n)));
    return path;
  };
  for (let n = tree.root; n !== none; n = tree.after(n)) {
    const status = tree.statusOf(n);
    if (tree.isGroup(n) || !statuses.has(status)) continue;
    const above = n === tree.root ? '/' : pathOf(tree.parent[n]!);
    const name = tree.names[n]!;
    list.push({
      path: n === tree.root ? tree.path(n) : (above === '/' ? '' : above) + '/' + escapeName(name),
      name,
      above,
      status,
      since: tree.since[n]!,
      value: tree.shown(n),
      unit: tree.units[n]!,
      reason: tree.reason(n),
      flapping: tree.flapping(n),
      pending: tree.pending(n),
    });
  }
  return list.sort(worse);
}
