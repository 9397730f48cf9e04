// The rows that are open, as typed arrays: row -> node, and node -> row.

import { type Filter, Matches, isOn, noFilter } from './filter';
import type { Tree } from './tree';
import { none } from './tree';
import { Red, Yellow } from './wire';

export class Rows {
  length = 0;
  node = new Int32Array(0); // by row
  level = new Uint8Array(0); // by row, 1 for the children of the root
  position = new Int32Array(0); // by row: place among its siblings that show, from 1
  siblings = new Int32Array(0); // by node: how many of its children show
  filter: Filter = noFilter;
  readonly matches = new Matches();
  private row = new Int32Array(0); // by node
  private folded = new Set<number>(); // while a filter is on: closed by hand
  private unfolded = new Set<number>(); // and opened by hand
  private lowered: string[] = [];
  private loweredFrom: string[] = [];

  constructor(readonly tree: Tree) {}

  setFilter(filter: Filter): void {
    this.filter = filter;
    this.folded.clear();
    this.unfolded.clear();
  }

  get filtering(): boolean {
    return isOn(this.filter);
  }

  rowOf(index: number): number {
    return index >= 0 && index < this.row.length ? this.row[index]! : none;
  }

  canOpen(index: number): boolean {
    return this.tree.first[index] !== none;
  }

  isOpen(index: number): boolean {
    if (!this.canOpen(index)) return false;
    if (!this.filtering) return this.tree.open[index] === 1;
    return this.matches.hasHits(index) ? !this.folded.has(index) : this.unfolded.has(index);
  }

  setOpen(index: number, open: boolean): void {
    if (!this.filtering) {
      this.tree.open[index] = open ? 1 : 0;
    } else if (open) {
      this.folded.delete(index);
      this.unfolded.add(index);
    } else {
      this.unfolded.delete(index);
      this.folded.add(index);
    }
  }

  /** openAll opens or closes every group. */
  openAll(open: boolean): void {
    this.folded.clear();
    this.unfolded.clear();
    const { tree } = this;
    for (let n = 0; n < tree.capacity; n++) {
      if (!tree.has(n) || tree.first[n] === none) continue;
      if (this.filtering) this.setOpen(n, open);
      else tree.open[n] = open ? 1 : 0;
    }
  }

  /** openTo opens everything above a node, so that it has a row. */
  openTo(index: number): void {
    const { tree } = this;
    for (let n = index; n !== tree.root && tree.has(n); ) {
      n = tree.parent[n]!;
      tree.open[n] = 1;
      if (this.filtering) this.setOpen(n, true);
    }
  }

  /** openProblems opens the ways to yellow and red attributes and closes the rest; it returns the first of the worst, or none. */
  openProblems(): number {
    const { tree } = this;
    tree.open.fill(0);
    this.folded.clear();
    this.unfolded.clear();
    let worst = none;
    for (let n = tree.root; n !== none; n = this.after(n)) {
      const s = tree.statusOf(n);
      if (tree.isGroup(n) || (s !== Yellow && s !== Red)) continue;
      if (worst === none || s > tree.statusOf(worst)) worst = n;
      for (let p = tree.parent[n]!; tree.open[p] === 0; p = tree.parent[p]!) tree.open[p] = 1;
    }
    return worst;
  }

  /** openSome opens level by level as long as the rows stay within a budget. */
  openSome(budget: number): void {
    const { tree } = this;
    if (tree.root === none) return;
    let level = [tree.root];
    let rows = 0;
    while (level.length > 0) {
      const below = level.reduce((sum, n) => sum + tree.children[n]!, 0);
      if (rows > 0 && rows + below > budget) return;
      rows += below;
      const next: number[] = [];
      for (const n of level) {
        tree.open[n] = 1;
        for (let c = tree.first[n]!; c !== none; c = tree.next[c]!) if (tree.first[c] !== none) next.push(c);
      }
      level = next;
    }
  }

  /** after returns the next node in preorder, or none. */
  after(index: number): number {
    const { tree } = this;
    if (tree.first[index] !== none) return tree.first[index]!;
    let n = index;
    while (n !== tree.root && tree.next[n] === none) n = tree.parent[n]!;
    return n === tree.root ? none : tree.next[n]!;
  }

  /** rebuild finds the rows anew: one walk over what is open. */
  rebuild(sticky: readonly number[] = []): void {
    const { tree } = this;
    if (this.node.length < tree.capacity) {
      this.node = new Int32Array(tree.capacity);
      this.level = new Uint8Array(tree.capacity);
      this.position = new Int32Array(tree.capacity);
      this.siblings = new Int32Array(tree.capacity);
      this.row = new Int32Array(tree.capacity);
    }
    this.row.fill(none);
    this.length = 0;
    const filtering = this.filtering;
    if (filtering) this.matches.update(tree, this.filter, (n) => this.lower(n), sticky);
    if (tree.root === none) return;

    const places: number[] = [0];
    let depth = 0; // of the parent whose children are walked
    let n = tree.first[tree.root]!;
    let parent = tree.root;
    this.siblings[parent] = 0;
    for (;;) {
      if (n === none) {
        this.siblings[parent] = places[depth]!;
        if (parent === tree.root) return;
        n = tree.next[parent]!;
        parent = tree.parent[parent]!;
        depth--;
        continue;
      }
      if (filtering && !this.matches.shows(n)) {
        n = tree.next[n]!;
        continue;
      }
      const row = this.length++;
      this.node[row] = n;
      this.row[n] = row;
      this.level[row] = depth + 1;
      this.position[row] = ++places[depth]!;
      if (this.isOpen(n)) {
        parent = n;
        places[++depth] = 0;
        n = tree.first[n]!;
      } else {
        n = tree.next[n]!;
      }
    }
  }

  /** Lower-case names are kept, because a filter is typed letter by letter. */
  private lower(index: number): string {
    const name = this.tree.names[index]!;
    if (this.loweredFrom[index] !== name) {
      this.loweredFrom[index] = name;
      this.lowered[index] = name.toLowerCase();
    }
    return this.lowered[index]!;
  }
}
