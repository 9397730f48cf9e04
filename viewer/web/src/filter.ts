// What the tree shows while a filter is on: the nodes that match, and the way to them.
//
// A text matches a node when each of its words is in the node's path and at least one
// in its own name, so "web1 cpu" finds the CPU of web1. What hangs below a node that
// matches can be opened, but is not counted. A choice of statuses matches attributes
// only: a group has its colour from them.

import type { Tree } from './tree';
import { none } from './tree';
import type { Status } from './wire';

export interface Filter {
  text: string;
  statuses: ReadonlySet<Status>;
}

export const noFilter: Filter = { text: '', statuses: new Set() };

export function isOn(f: Filter): boolean {
  return f.statuses.size > 0 || words(f.text).length > 0;
}

export function sameFilter(a: Filter, b: Filter): boolean {
  return a.text === b.text && a.statuses.size === b.statuses.size && [...a.statuses].every((s) => b.statuses.has(s));
}

/** At most 30 words count: each is a bit. */
function words(text: string): string[] {
  return text.toLowerCase().split(/[\s/]+/).filter(Boolean).slice(0, 30);
}

/** Matches says for every node whether it and anything below it matches. */
export class Matches {
  hits = 0;
  private hit = new Uint8Array(0);
  private inside = new Uint8Array(0); // matches or hangs below a match by text
  private below = new Int32Array(0); // matches strictly below
  private mask = new Int32Array(0);
  private order = new Int32Array(0);

  isHit(index: number): boolean {
    return this.hit[index] === 1;
  }

  hasHits(index: number): boolean {
    return (this.below[index] ?? 0) > 0;
  }

  shows(index: number): boolean {
    return this.hasHits(index) || this.inside[index] === 1;
  }

  /** update looks at every node; sticky nodes stay whether or not they match. */
  update(tree: Tree, filter: Filter, lower: (index: number) => string, sticky: readonly number[]): void {
    if (this.hit.length < tree.capacity) {
      this.hit = new Uint8Array(tree.capacity);
      this.inside = new Uint8Array(tree.capacity);
      this.below = new Int32Array(tree.capacity);
      this.mask = new Int32Array(tree.capacity);
      this.order = new Int32Array(tree.capacity);
    }
    this.hits = 0;
    if (tree.root === none) return;
    const terms = words(filter.text);
    const all = 2 ** terms.length - 1;
    const byStatus = filter.statuses.size > 0;
    const statuses = [0, 1, 2, 3].map((s) => filter.statuses.has(s as Status));

    let n = tree.root;
    let length = 0;
    this.mask[n] = 0;
    for (;;) {
      this.order[length++] = n;
      let own = 0;
      if (n !== tree.root && terms.length > 0) {
        const name = lower(n);
        for (let t = 0; t < terms.length; t++) if (name.includes(terms[t]!)) own |= 1 << t;
      }
      const mask = (n === tree.root ? 0 : this.mask[tree.parent[n]!]!) | own;
      this.mask[n] = mask;
      const full = mask === all;
      const hit = n !== tree.root && full && (byStatus ? !tree.isGroup(n) && statuses[tree.status[n]!]! : own !== 0);
      this.hit[n] = hit ? 1 : 0;
      this.inside[n] = hit || (full && !byStatus) ? 1 : 0;
      this.below[n] = 0;
      if (hit) this.hits++;
      if (tree.first[n] !== none) {
        n = tree.first[n]!;
        continue;
      }
      while (n !== tree.root && tree.next[n] === none) n = tree.parent[n]!;
      if (n === tree.root) break;
      n = tree.next[n]!;
    }
    for (const s of sticky) if (tree.has(s)) this.inside[s] = 1;
    for (let i = length - 1; i > 0; i--) {
      const c = this.order[i]!;
      const stays = this.hit[c] === 1 || (this.inside[c] === 1 && sticky.includes(c)) ? 1 : 0;
      this.below[tree.parent[c]!]! += this.below[c]! + stays;
    }
  }
}
