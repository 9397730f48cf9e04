// The areas of the map: what hangs directly below a node, the worst first.

import { rank } from '../problems/model';
import { type Tree, none } from '../tree';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import { plural, show } from '../format';

export interface Area {
  key: string; // path
  name: string;
  index: number;
  group: boolean;
  status: Status;
  counts: readonly [white: number, green: number, yellow: number, red: number];
  size: number; // attributes
  value: string; // of an attribute, with its unit
  hidden: boolean; // something that is not shown contributes
}

export function areasOf(tree: Tree, root: number): Area[] {
  const list: Area[] = [];
  if (root === none) return list;
  const base = tree.path(root);
  for (let n = tree.first[root]!; n !== none; n = tree.next[n]!) {
    const group = tree.isGroup(n);
    const status = tree.statusOf(n);
    const count = (s: Status) => (group ? tree.count(n, s) : s === status ? 1 : 0);
    const name = tree.names[n]!;
    const v = group ? undefined : show(tree.shown(n), tree.units[n]);
    list.push({
      key: (base === '/' ? '' : base) + '/' + name.replaceAll('~', '~0').replaceAll('/', '~1'),
      name,
      index: n,
      group,
      status,
      counts: [count(White), count(Green), count(Yellow), count(Red)],
      size: group ? tree.leaves(n) : 1,
      value: v ? [v.number, v.unit].filter(Boolean).join(' ') : '',
      hidden: tree.hidden(n),
    });
  }
  return list.sort(worseArea);
}

function worseArea(a: Area, b: Area): number {
  return (
    rank(b.status) - rank(a.status) ||
    b.counts[Red] - a.counts[Red] ||
    b.counts[Yellow] - a.counts[Yellow] ||
    b.size - a.size ||
    (a.name < b.name ? -1 : 1)
  );
}

/** inOrder sorts areas as they were before: those that are new come last. */
export function inOrder(areas: readonly Area[], keys: ReadonlyMap<string, number>): Area[] {
  const at = (a: Area) => keys.get(a.key) ?? Infinity;
  return [...areas].sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
}

/** placeOf follows groups that have nothing but one group in them, so that a map never shows a single tile for no reason. */
export function placeOf(tree: Tree, from: number): number {
  let n = from;
  while (n !== none && tree.first[n] !== none && tree.first[n] === tree.last[n] && tree.isGroup(tree.first[n]!) && tree.first[tree.first[n]!] !== none) {
    n = tree.first[n]!;
  }
  return n;
}

/** inWords says how an area is: "red: 3 red, 2 yellow of 40 attributes". */
export function inWords(a: Pick<Area, 'group' | 'status' | 'counts' | 'size' | 'value' | 'hidden'>): string {
  const word = statusWords[a.status];
  if (!a.group) return a.value ? `${word}, ${a.value}` : word;
  const parts = ([Red, Yellow, White] as const).filter((s) => a.counts[s] > 0).map((s) => `${a.counts[s]} ${statusWords[s]}`);
  const of = plural(a.size, 'attribute');
  return `${word}: ${parts.length > 0 ? `${parts.join(', ')} of ${of}` : of}${a.hidden ? '; something hidden contributes' : ''}`;
}

/** restInWords sums up areas that found no room. */
export function restInWords(areas: readonly Area[]): string {
  const of = [0, 0, 0, 0];
  for (const a of areas) of[a.status]!++;
  const parts = ([Red, Yellow, White, Green] as const).filter((s) => of[s]! > 0).map((s) => `${of[s]} ${statusWords[s]}`);
  return `${plural(areas.length, 'more area')}: ${parts.join(', ')}`;
}
