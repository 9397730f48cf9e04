// The rows that are open, as typed arrays: row -> node, and node -> row.

import { type Filter, Matches, isOn, noFilter } from './filter';
import type { Tree } from './tree';
import { none } from './tree';

/** Sort is the order of the children of a group. */
export type Sort = 'tree' | 'severity' | 'name';
export const sorts: readonly Sort[] = ['tree', 'severity', 'name'];

/** Red before yellow before white before green, by status. */
const severity = [1, 0, 2, 3] as const;
const unsettled = 255;
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

export class Rows {
  length = 0;
  node = new Int32Array(0); // by row
  level = new Uint8Array(0); // by row, 1 for the children of the root
  position = new Int32Array(0); // by row: place among its siblings that show, from 1
  siblings = new Int32Array(0); // by node: how many of its children show
  filter: Filter = noFilter;
  readonly matches = new Matches();
  sort: Sort = 'tree';
  private row = new Int32Array(0); // by node
  // The order of siblings while it is not that of the tree.
  private head = new Int32Array(0); // by node: its first child
  private after = new Int32Array(0); // by node: its next sibling
  private sorted = new Uint8Array(0); // by node: its children are in order
  private settled = new Uint8Array(0); // by node: the status that it stands for in the order
  private folded = new Set<number>(); // while a filter is on: closed by hand
  private unfolded = new Set<number>(); // and opened by hand
  private lowered: string[] = [];
  private loweredFrom: string[] = [];

  constructor(readonly tree: Tree) {
    tree.onShape = (parent, child) => {
      if (parent < this.sorted.length) this.sorted[parent] = 0;
      if (child < this.settled.length) this.settled[child] = unsettled;
    };
  }

  setSort(sort: Sort): void {
    this.sort = sort;
    this.resort();
  }

  /** resort lets rows move to where their statuses of now belong. */
  resort(): void {
    this.sorted.fill(0);
    this.settled.set(this.tree.status.subarray(0, this.settled.length));
  }

  /** order puts the children of a node in order, if they are not. */
  private order(parent: number): void {
    if (this.sorted[parent] === 1) return;
    this.sorted[parent] = 1;
    const { tree, settled } = this;
    const list: number[] = [];
    for (let c = tree.first[parent]!; c !== none; c = tree.next[c]!) {
      if (settled[c] === unsettled) settled[c] = tree.status[c]!;
      list.push(c);
    }
    // Sorting is stable: equals stay in the order of the tree.
    if (this.sort === 'severity') list.sort((a, b) => severity[settled[b] as 0]! - severity[settled[a] as 0]!);
    else list.sort((a, b) => collator.compare(tree.names[a]!, tree.names[b]!));
    let last = none;
    for (const c of list) {
      if (last === none) this.head[parent] = c;
      else this.after[last] = c;
      last = c;
    }
    if (last === none) this.head[parent] = none;
    else this.after[last] = none;
  }

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
    return this.tree.canOpen(index);
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
      if (!tree.has(n) || !tree.canOpen(n)) continue;
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

  /** closedWithin lists the closed groups of the highest level that has some, if with what is in them no more rows show than the budget. */
  closedWithin(budget: number): number[] {
    const { tree } = this;
    let level = tree.root === none ? [] : [tree.root];
    let rows = 0;
    while (level.length > 0) {
      const next: number[] = [];
      const closed: number[] = [];
      for (const n of level) {
        for (let c = tree.first[n]!; c !== none; c = tree.next[c]!) {
          rows++;
          if (!tree.canOpen(c)) continue;
          if (tree.open[c] === 1) next.push(c);
          else closed.push(c);
        }
      }
      if (closed.length > 0) return this.length + closed.reduce((sum, n) => sum + tree.told[n]!, 0) <= budget ? closed : [];
      if (rows > budget) return [];
      level = next;
    }
    return [];
  }

  /** openPaths returns the deepest open groups of every open branch, at most 500. */
  openPaths(): string[] {
    const { tree } = this;
    const paths: string[] = [];
    const visit = (n: number): void => {
      let deeper = false;
      for (let c = tree.first[n]!; c !== none; c = tree.next[c]!) {
        if (tree.open[c] === 0 || !tree.canOpen(c)) continue;
        deeper = true;
        visit(c);
      }
      if (!deeper && n !== tree.root && paths.length < 500) paths.push(tree.path(n));
    };
    if (tree.root !== none) visit(tree.root);
    return paths;
  }

  /** rebuild finds the rows anew: one walk over what is open. */
  rebuild(sticky: readonly number[] = []): void {
    const { tree } = this;
    if (this.node.length < tree.capacity) this.grow();
    this.row.fill(none);
    this.length = 0;
    const filtering = this.filtering;
    if (filtering) this.matches.update(tree, this.filter, (n) => this.lower(n), sticky);
    if (tree.root === none) return;

    const places: number[] = [0];
    const given = this.sort === 'tree';
    const next = given ? tree.next : this.after;
    const firstOf = (parent: number): number => {
      if (given) return tree.first[parent]!;
      this.order(parent);
      return this.head[parent]!;
    };
    let depth = 0; // of the parent whose children are walked
    let n = firstOf(tree.root);
    let parent = tree.root;
    this.siblings[parent] = 0;
    for (;;) {
      if (n === none) {
        this.siblings[parent] = places[depth]!;
        if (parent === tree.root) return;
        n = next[parent]!;
        parent = tree.parent[parent]!;
        depth--;
        continue;
      }
      if (filtering && !this.matches.shows(n)) {
        n = next[n]!;
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
        n = firstOf(n);
      } else {
        n = next[n]!;
      }
    }
  }

  private grow(): void {
    const size = this.tree.capacity;
    this.node = new Int32Array(size);
    this.level = new Uint8Array(size);
    this.position = new Int32Array(size);
    this.siblings = new Int32Array(size);
    this.row = new Int32Array(size);
    this.head = new Int32Array(size);
    this.after = new Int32Array(size);
    this.sorted = new Uint8Array(size);
    const settled = new Uint8Array(size).fill(unsettled);
    settled.set(this.settled);
    this.settled = settled;
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
