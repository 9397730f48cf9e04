// The model of the tree: one typed array per field, addressed by the server's node
// index, and children as linked lists. There is no object per node, which is what
// keeps 100,000 nodes light.

import type { NodeRecord, State, Status } from './wire';
import { Group, StatusKind, White } from './wire';
import { escapeName, names } from './path';

export const none = -1;

const bitNumber = 1;
const bitFlapping = 2;
const bitPending = 4;
const bitHidden = 8; // something below that this viewer may not see contributes

export class Tree {
  root = none;
  size = 0; // nodes, the root included
  structure = 0; // counts changes of the shape and of names
  colours = 0; // counts changes of statuses
  /** Called for every change of a status after the first snapshot. */
  onStatus: ((index: number, from: Status, to: Status) => void) | undefined;
  /** Called when a node got, lost, or renamed a child. */
  onShape: ((parent: number, child: number) => void) | undefined;
  /** Called before a node goes, so that what refers to it can let go. */
  onRemove: ((index: number) => void) | undefined;

  capacity: number;
  parent: Int32Array;
  first: Int32Array;
  last: Int32Array;
  next: Int32Array;
  prev: Int32Array;
  children: Int32Array; // those that are known
  told: Int32Array; // how many children the server says it has
  kind: Uint8Array;
  status: Uint8Array;
  open: Uint8Array;
  since: Float64Array; // unix milliseconds of the server, 0 when not known
  counts: Int32Array; // four a node: white, green, yellow, red
  flashed: Float64Array; // page clock (ms) of the last change of status, 0 for never
  ticked: Float64Array; // page clock (ms) of the last change of value that was shown
  stamp: Uint32Array; // counts what changed of a node that its row shows
  names: string[] = [];
  units: string[] = [];
  private bits: Uint8Array;
  private numbers: Float32Array;
  private texts = new Map<number, string>();
  private reasons = new Map<number, string>();

  /** base is the path of the root. */
  constructor(
    capacity: number,
    readonly base = '/',
  ) {
    this.capacity = Math.max(64, capacity);
    const links = () => new Int32Array(this.capacity).fill(none);
    this.parent = links();
    this.first = links();
    this.last = links();
    this.next = links();
    this.prev = links();
    this.children = new Int32Array(this.capacity);
    this.told = new Int32Array(this.capacity);
    this.kind = new Uint8Array(this.capacity);
    this.status = new Uint8Array(this.capacity);
    this.open = new Uint8Array(this.capacity);
    this.bits = new Uint8Array(this.capacity);
    this.since = new Float64Array(this.capacity);
    this.numbers = new Float32Array(this.capacity);
    this.counts = new Int32Array(4 * this.capacity);
    this.flashed = new Float64Array(this.capacity);
    this.ticked = new Float64Array(this.capacity);
    this.stamp = new Uint32Array(this.capacity);
  }

  has(index: number): boolean {
    return index >= 0 && index < this.capacity && this.parent[index]! !== none;
  }

  isGroup(index: number): boolean {
    return this.kind[index] === Group;
  }

  statusOf(index: number): Status {
    return (this.status[index] ?? White) as Status;
  }

  /** value returns the number, the text, or undefined when there is none. */
  value(index: number): number | string | undefined {
    return this.bits[index]! & bitNumber ? this.numbers[index]! : this.texts.get(index);
  }

  /** shown is value for people: a status that is 1 or 0 is a yes or a no. */
  shown(index: number): number | string | undefined {
    const value = this.value(index);
    return this.kind[index] === StatusKind && (value === 0 || value === 1) ? (value ? 'yes' : 'no') : value;
  }

  reason(index: number): string {
    return this.reasons.get(index) ?? '';
  }

  flapping(index: number): boolean {
    return (this.bits[index]! & bitFlapping) !== 0;
  }

  pending(index: number): boolean {
    return (this.bits[index]! & bitPending) !== 0;
  }

  /** hidden says that something below which this viewer may not see contributes to the status. */
  hidden(index: number): boolean {
    return (this.bits[index]! & bitHidden) !== 0;
  }

  /** canOpen says whether there is something below, known or not. */
  canOpen(index: number): boolean {
    return this.first[index] !== none || this.told[index]! > 0;
  }

  count(index: number, status: Status): number {
    return this.counts[4 * index + status]!;
  }

  /** leaves counts the attributes below a group. */
  leaves(index: number): number {
    const c = 4 * index;
    return this.counts[c]! + this.counts[c + 1]! + this.counts[c + 2]! + this.counts[c + 3]!;
  }

  // Paths.

  path(index: number): string {
    let text = '';
    for (let n = index; n !== this.root && this.has(n); n = this.parent[n]!) {
      text = '/' + escapeName(this.names[n]!) + text;
    }
    return (this.base === '/' ? text : this.base + text) || '/';
  }

  /** find returns the node at a path, or none when it is not known here. */
  find(path: string): number {
    const above = names(this.base);
    const way = names(path);
    if (above.some((name, i) => way[i] !== name)) return none;
    let n = this.root;
    for (const name of way.slice(above.length)) {
      let c = n === none ? none : this.first[n]!;
      while (c !== none && this.names[c] !== name) c = this.next[c]!;
      if (c === none) return none;
      n = c;
    }
    return n;
  }

  /** after returns the next node in preorder, or none. */
  after(index: number): number {
    if (this.first[index] !== none) return this.first[index]!;
    let n = index;
    while (n !== this.root && this.next[n] === none) n = this.parent[n]!;
    return n === this.root ? none : this.next[n]!;
  }

  // Structure.

  /** place adds a node, or moves and renames one that is known. */
  place(r: NodeRecord, now: number): void {
    const { index, parent } = r;
    const isRoot = index === parent;
    this.grow(index);
    const known = this.has(index);
    if (!isRoot && (!this.has(parent) || this.isAtOrBelow(parent, index))) {
      throw new Error(`node ${index} is placed below ${parent}, which ${this.has(parent) ? 'is itself below it' : 'is not known'}`);
    }
    if (known && this.parent[index] !== parent) this.unlink(index);
    if (!known) {
      this.size++;
      this.first[index] = this.last[index] = none;
      this.children[index] = 0;
      this.flashed[index] = this.ticked[index] = 0;
    }
    if (this.parent[index] !== parent) this.link(index, parent);
    if (isRoot) this.root = index;
    if (known && this.names[index] !== r.name) this.onShape?.(parent, index);
    this.told[index] = r.children;
    this.kind[index] = r.kind;
    this.names[index] = r.name;
    this.units[index] = r.unit;
    if (known) {
      this.put(index, r.state, r.since, now);
    } else {
      this.fill(index, r.state);
      this.since[index] = r.since;
    }
    if (r.hidden) this.bits[index]! |= bitHidden;
    else this.bits[index]! &= ~bitHidden;
    this.stamp[index]!++;
    this.structure++;
  }

  /** setOpen notes that a group is open, also before it is known. */
  setOpen(index: number, open: boolean): void {
    this.grow(index);
    this.open[index] = open ? 1 : 0;
  }

  /** prune takes away what is below a node, because nobody looks at it. */
  prune(index: number): void {
    if (!this.has(index)) return;
    while (this.first[index] !== none) {
      const child = this.first[index]!;
      const open = this.open[child]!;
      this.prune(child);
      this.remove(child);
      this.open[child] = open; // what was open in it is open again when it is shown again
    }
  }

  /** remove takes away a node and everything below it; an unknown index is let be. */
  remove(index: number): void {
    if (!this.has(index)) return;
    while (this.first[index] !== none) this.remove(this.first[index]!);
    this.onRemove?.(index);
    this.unlink(index);
    this.parent[index] = none;
    if (index === this.root) this.root = none;
    this.names[index] = this.units[index] = '';
    this.open[index] = 0;
    this.texts.delete(index);
    this.reasons.delete(index);
    this.size--;
    this.structure++;
  }

  // State.

  /** setNumber is the common change: a number, and the status that it has anyway. */
  setNumber(index: number, status: Status, value: number, time: number, now: number): void {
    if (!this.has(index)) return;
    this.stamp[index]!++;
    if (!(this.bits[index]! & bitNumber) || !Object.is(this.numbers[index], value)) this.tick(index, now);
    this.numbers[index] = value;
    this.bits[index]! |= bitNumber;
    this.colour(index, status, time, now);
  }

  /** setState replaces everything that changes with readings. */
  setState(index: number, state: State, since: number, now: number): void {
    if (this.has(index)) this.put(index, state, since, now);
  }

  private put(index: number, state: State, since: number, now: number): void {
    const before = this.value(index);
    const from = this.statusOf(index);
    this.fill(index, state);
    if (!Object.is(before, this.value(index))) this.tick(index, now);
    this.status[index] = from;
    this.colour(index, state.status, since, now);
    this.since[index] = since;
  }

  private fill(index: number, s: State): void {
    this.stamp[index]!++;
    this.status[index] = s.status;
    this.bits[index] = (this.bits[index]! & bitHidden) | (s.hasNumber ? bitNumber : 0) | (s.flapping ? bitFlapping : 0) | (s.pending ? bitPending : 0);
    this.numbers[index] = s.number;
    if (s.text === undefined) this.texts.delete(index);
    else this.texts.set(index, s.text);
    if (s.reason) this.reasons.set(index, s.reason);
    else this.reasons.delete(index);
    for (let i = 0; i < 4; i++) this.counts[4 * index + i] = s.counts[i]!;
  }

  private colour(index: number, to: Status, time: number, now: number): void {
    const from = this.statusOf(index);
    if (from === to) return;
    this.status[index] = to;
    this.since[index] = time;
    this.flashed[index] = now;
    this.colours++;
    this.onStatus?.(index, from, to);
  }

  /** A value that changes all the time flashes only now and then. */
  private tick(index: number, now: number): void {
    if (now - this.ticked[index]! > 2500) this.ticked[index] = now;
  }

  /** isAtOrBelow says whether a node is another or hangs below it. */
  isAtOrBelow(index: number, above: number): boolean {
    if (!this.has(above) || !this.has(index)) return false;
    for (let n = index; ; n = this.parent[n]!) {
      if (n === above) return true;
      if (n === this.root || n === this.parent[n]) return false;
    }
  }

  private link(index: number, parent: number): void {
    this.parent[index] = parent;
    this.next[index] = this.prev[index] = none;
    if (parent === index) return;
    const before = this.last[parent]!;
    this.prev[index] = before;
    if (before === none) this.first[parent] = index;
    else this.next[before] = index;
    this.last[parent] = index;
    this.children[parent]!++;
    this.stamp[parent]!++;
    this.onShape?.(parent, index);
  }

  private unlink(index: number): void {
    const parent = this.parent[index]!;
    if (parent === index || parent === none) return;
    const before = this.prev[index]!;
    const after = this.next[index]!;
    if (before === none) this.first[parent] = after;
    else this.next[before] = after;
    if (after === none) this.last[parent] = before;
    else this.prev[after] = before;
    this.children[parent]!--;
    this.stamp[parent]!++;
    this.onShape?.(parent, index);
    this.next[index] = this.prev[index] = none;
  }

  private grow(index: number): void {
    if (index < this.capacity) return;
    const size = Math.max(index + 1, 2 * this.capacity);
    const links = (old: Int32Array) => {
      const array = new Int32Array(size).fill(none);
      array.set(old);
      return array;
    };
    const ints = (old: Int32Array, each = 1) => {
      const array = new Int32Array(each * size);
      array.set(old);
      return array;
    };
    const bytes = (old: Uint8Array) => {
      const array = new Uint8Array(size);
      array.set(old);
      return array;
    };
    const doubles = (old: Float64Array) => {
      const array = new Float64Array(size);
      array.set(old);
      return array;
    };
    this.parent = links(this.parent);
    this.first = links(this.first);
    this.last = links(this.last);
    this.next = links(this.next);
    this.prev = links(this.prev);
    this.children = ints(this.children);
    this.told = ints(this.told);
    this.kind = bytes(this.kind);
    this.status = bytes(this.status);
    this.open = bytes(this.open);
    this.bits = bytes(this.bits);
    this.since = doubles(this.since);
    this.counts = ints(this.counts, 4);
    this.flashed = doubles(this.flashed);
    this.ticked = doubles(this.ticked);
    const numbers = new Float32Array(size);
    numbers.set(this.numbers);
    this.numbers = numbers;
    const stamp = new Uint32Array(size);
    stamp.set(this.stamp);
    this.stamp = stamp;
    this.capacity = size;
  }
}
