// The state of the page and what can be done to it. The feed writes into the model
// at once; the screen follows at most once a frame.

import { type View, readView, writeView } from './address';
import { Announcer } from './announce';
import { type DefinitionError, fetchDefinitionErrors } from './api';
import type { FeedSink, Link } from './feed';
import { type Filter, isOn, noFilter } from './filter';
import { names } from './path';
import { Rows } from './rows';
import { ScrollRange } from './scroll';
import { Tree, none } from './tree';
import { type DeltaHead, Green, type NodeRecord, Red, type SnapshotHead, type State, type Status, White, Yellow } from './wire';

/** Rows that are open when the address says nothing. */
const firstRows = 40;
/** How long after a move of the pointer rows stay although they no longer match the filter. */
const holdMs = 1500;
const refilterMs = 500;
const addressMs = 300;
const definitionsMs = 30_000;
const definitionsGroup = '/grove/Definitions'; // its nodes say what became of the files
const definitionsQuietMs = 300; // several files change together

export class Store implements FeedSink {
  tree = new Tree(0);
  rows = new Rows(this.tree);
  loaded = false; // the first snapshot is here
  link: Link = { state: 'connecting', tries: 0, retryAt: 0, server: '' };
  refusal = ''; // why the server gives no tree
  updatedAt = 0; // server's unix milliseconds of the last frame
  aliveAt = 0; // Date.now() of the last frame
  definitionErrors: DefinitionError[] = [];
  announcement = '';

  selected = none;
  selectedPath: string | undefined; // stays while the node is away
  focus = none; // node of the row that the keyboard is on
  cell = -1; // column of the cell that it is on; -1: the whole row
  grabFocus = false; // the grid moves the browser's focus there after drawing
  scrollTop = 0;
  viewport = 600;
  rowHeight = 30;
  scrollTo: number | undefined; // where the grid scrolls before it draws

  private skew = 0; // server's clock minus ours
  private incoming: Tree | undefined;
  private view: View = readView('');
  private ownOpen = false; // the branches are the user's choice, not ours
  private hover = none;
  private hoverAt = -Infinity;
  private built = { structure: -1, colours: -1, at: -Infinity };
  private shape = true; // rows must be found anew
  private scheduled = false;
  private refilter: ReturnType<typeof setTimeout> | undefined;
  private definitionsAt = none; // the node of definitionsGroup
  private definitionsTimer: ReturnType<typeof setTimeout> | undefined;
  private addressTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly announcer = new Announcer((sentence) => {
    this.announcement = sentence;
    this.changed();
  });

  /** start reads the address and begins to follow it. */
  start(): void {
    this.followAddress();
    addEventListener('hashchange', () => this.followAddress());
    setInterval(() => {
      if (document.visibilityState === 'visible') this.changed(); // ages
    }, 1000);
    void this.readDefinitions();
    setInterval(() => void this.readDefinitions(), definitionsMs);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** changed draws the page before the next frame. */
  changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.settle();
      for (const listener of this.listeners) listener();
    });
  }

  /** now returns the server's time. */
  now(): number {
    return Date.now() + this.skew;
  }

  range(): ScrollRange {
    return new ScrollRange(this.rows.length, this.rowHeight, this.viewport);
  }

  get overall(): Status {
    return this.tree.root === none ? White : this.tree.statusOf(this.tree.root);
  }

  // From the feed.

  begin(head: SnapshotHead): void {
    this.incoming = new Tree(head.count + 16);
  }

  node(record: NodeRecord): void {
    (this.incoming ?? this.tree).place(record, performance.now());
    if (!this.incoming) this.noteDefinition(record.index);
  }

  finish(head: SnapshotHead): void {
    const before = this.tree;
    const tree = this.incoming!;
    this.incoming = undefined;
    const focusPath = before.has(this.focus) ? before.path(this.focus) : undefined;
    this.tree = tree;
    this.rows = new Rows(tree);
    this.rows.setFilter(this.view.filter);
    tree.onStatus = (index, _, to) => {
      if (!tree.isGroup(index)) this.announcer.note(() => names(tree.path(index)).join(', '), to);
    };
    tree.onRemove = (index) => {
      if (index === this.selected) this.selected = none;
      if (index === this.hover) this.hover = none;
    };
    if (this.loaded) copyOpen(before, tree);
    else this.applyOpen();
    this.loaded = true;
    this.refusal = '';
    this.hover = none;
    this.definitionsAt = tree.find(definitionsGroup);
    this.selected = this.selectedPath === undefined ? none : tree.find(this.selectedPath);
    this.focus = focusPath === undefined ? none : tree.find(focusPath);
    this.shape = true;
    this.heard(head.time);
  }

  removed(index: number): void {
    this.noteDefinition(index);
    this.tree.remove(index);
  }

  number(index: number, status: Status, value: number, time: number): void {
    this.tree.setNumber(index, status, value, time, performance.now());
  }

  state(index: number, state: State, since: number): void {
    this.tree.setState(index, state, since, performance.now());
    this.noteDefinition(index);
  }

  /** noteDefinition reads the errors again soon when the node of a definition changed. */
  private noteDefinition(index: number): void {
    if (this.definitionsAt === none || this.tree.parent[index] !== this.definitionsAt) return;
    this.definitionsTimer ??= setTimeout(() => {
      this.definitionsTimer = undefined;
      void this.readDefinitions();
    }, definitionsQuietMs);
  }

  applied(head: DeltaHead): void {
    if (this.definitionsAt === none && this.tree.structure !== this.built.structure) {
      this.definitionsAt = this.tree.find(definitionsGroup);
    }
    if (this.selected === none && this.selectedPath !== undefined && this.tree.structure !== this.built.structure) {
      this.selected = this.tree.find(this.selectedPath);
    }
    if (!this.ownOpen && this.rows.length < firstRows && this.tree.structure !== this.built.structure) {
      this.rows.openSome(firstRows); // the tree is still growing, and nobody chose what is open
    }
    this.heard(head.time);
  }

  refused(code: string, message: string): void {
    this.refusal = message || code;
    this.changed();
  }

  setLink(link: Link): void {
    const cameBack = link.state === 'live' && this.link.state !== 'live';
    this.link = link;
    if (cameBack) {
      this.aliveAt = Date.now();
      void this.readDefinitions();
    }
    this.changed();
  }

  private heard(time: number): void {
    this.updatedAt = time;
    this.aliveAt = Date.now();
    this.skew = time - this.aliveAt;
    this.changed();
  }

  private async readDefinitions(): Promise<void> {
    try {
      this.definitionErrors = await fetchDefinitionErrors();
      this.changed();
    } catch {
      // What was known stays; that the server is away shows in the header.
    }
  }

  // Rows.

  /** settle finds the rows anew if something moved, and keeps what the eye is on where it is. */
  private settle(): void {
    const { tree, rows, built } = this;
    let due = this.shape || tree.structure !== built.structure;
    if (!due && rows.filter.statuses.size > 0 && tree.colours !== built.colours) {
      const now = performance.now();
      const wait = Math.max(built.at + refilterMs, this.hoverAt + holdMs) - now;
      if (wait <= 0) due = true;
      else this.refilter ??= setTimeout(() => {
        this.refilter = undefined;
        this.changed();
      }, wait);
    }
    if (!due) return;
    this.shape = false;

    const range = this.range();
    const top = range.top(this.scrollTop);
    const inView = (n: number) => {
      const row = tree.has(n) ? rows.rowOf(n) : none;
      return row !== none && (row + 1) * this.rowHeight > top && row * this.rowHeight < top + this.viewport;
    };
    let anchor = none;
    if (inView(this.hover)) anchor = this.hover;
    else if (inView(this.focus)) anchor = this.focus;
    else if (this.scrollTop > 0) anchor = rows.node[Math.min(rows.length - 1, Math.ceil(top / this.rowHeight))] ?? none;
    const from = anchor === none ? 0 : rows.rowOf(anchor);
    const focusRow = rows.rowOf(this.focus);

    rows.rebuild([this.hover, this.selected].filter((n) => n !== none));
    this.built = { structure: tree.structure, colours: tree.colours, at: performance.now() };

    const to = tree.has(anchor) ? rows.rowOf(anchor) : none;
    if (to !== none && to !== from) this.scrollTo = this.range().scrollTopFor(top + (to - from) * this.rowHeight);
    this.keepFocus(focusRow);
  }

  /** keepFocus moves the keyboard to the nearest row when its row is gone. */
  private keepFocus(oldRow: number): void {
    const { tree, rows } = this;
    if (this.focus === none || rows.rowOf(this.focus) !== none) return;
    let n = this.focus;
    while (tree.has(n) && n !== tree.root && rows.rowOf(n) === none) n = tree.parent[n]!;
    if (!tree.has(n) || n === tree.root) {
      n = rows.length === 0 ? none : rows.node[Math.max(0, Math.min(oldRow, rows.length - 1))]!;
    }
    this.focus = n;
    this.cell = -1;
    this.grabFocus = document.activeElement?.closest('[role=treegrid]') !== null;
  }

  toggle(index: number, open = !this.rows.isOpen(index)): void {
    if (!this.rows.canOpen(index)) return;
    this.rows.setOpen(index, open);
    this.reshape();
  }

  /** openSiblings opens a node and every one beside it. */
  openSiblings(index: number): void {
    const { tree, rows } = this;
    for (let c = tree.first[tree.parent[index]!]!; c !== none; c = tree.next[c]!) if (rows.canOpen(c)) rows.setOpen(c, true);
    this.reshape();
  }

  openAll(open: boolean): void {
    this.rows.openAll(open);
    this.reshape();
  }

  /** openProblems shows the ways to what is yellow or red, and puts the keyboard on the worst. */
  openProblems(): void {
    this.setFilter(noFilter);
    const worst = this.rows.openProblems();
    this.reshape();
    if (worst === none) return;
    this.settle();
    this.focusOn(worst);
  }

  setFilter(filter: Filter): void {
    if (!isOn(filter) && isOn(this.view.filter) && this.tree.has(this.selected)) {
      this.rows.openTo(this.selected); // what was found stays in sight
    }
    this.view = { ...this.view, filter };
    this.rows.setFilter(filter);
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  get filter(): Filter {
    return this.view.filter;
  }

  toggleStatus(status: Status): void {
    const statuses = new Set(this.filter.statuses);
    if (!statuses.delete(status)) statuses.add(status);
    this.setFilter({ ...this.filter, statuses });
  }

  private reshape(): void {
    this.ownOpen = true;
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  // Selection and the keyboard's place.

  select(index: number): void {
    this.selected = index;
    this.selectedPath = this.tree.has(index) ? this.tree.path(index) : undefined;
    this.changed();
    this.writeAddress();
  }

  closeDetails(): void {
    const back = this.tree.has(this.selected) && this.rows.rowOf(this.selected) !== none ? this.selected : none;
    this.selected = none;
    this.selectedPath = undefined;
    if (back !== none) this.focusOn(back);
    this.changed();
    this.writeAddress();
  }

  /** show selects a node by its path, with its row in sight. */
  show(path: string): void {
    const n = this.tree.find(path);
    this.selectedPath = path;
    this.selected = n;
    if (n !== none && n !== this.tree.root) {
      this.rows.openTo(n);
      this.reshape();
      this.settle();
      if (this.rows.rowOf(n) === none) {
        this.setFilter(noFilter);
        this.rows.openTo(n);
        this.settle();
      }
      this.reveal(n);
      this.focus = n;
      this.cell = -1;
    }
    this.changed();
    this.writeAddress();
  }

  focusOn(index: number, cell = -1): void {
    this.focus = index;
    this.cell = cell;
    this.grabFocus = true;
    this.reveal(index);
    this.changed();
  }

  private reveal(index: number): void {
    const row = this.rows.rowOf(index);
    if (row === none) return;
    const at = this.scrollTo ?? this.scrollTop;
    const to = this.range().reveal(row, at);
    if (to !== at) this.scrollTo = to;
  }

  pointAt(index: number): void {
    this.hover = index;
    this.hoverAt = index === none ? -Infinity : performance.now();
  }

  // The address.

  private followAddress(): void {
    this.view = readView(location.hash);
    this.ownOpen = this.view.open !== 'some';
    this.selectedPath = this.view.selected;
    if (this.loaded) {
      this.applyOpen();
      this.rows.setFilter(this.view.filter);
      this.selected = this.selectedPath === undefined ? none : this.tree.find(this.selectedPath);
    }
    this.shape = true;
    this.changed();
  }

  private applyOpen(): void {
    const { tree, rows, view } = this;
    tree.open.fill(0);
    if (view.open === 'some') rows.openSome(firstRows);
    else if (view.open === 'all') rows.openAll(true);
    else {
      for (const path of view.open) {
        const n = tree.find(path);
        if (n === none) continue;
        rows.openTo(n);
        tree.open[n] = 1;
      }
    }
    if (view.selected !== undefined) {
      const n = tree.find(view.selected);
      if (n !== none && n !== tree.root) {
        rows.openTo(n);
        this.focus = n;
        this.shape = true;
        this.settle();
        this.reveal(n);
      }
    }
  }

  private writeAddress(): void {
    if (!this.loaded) return;
    this.addressTimer ??= setTimeout(() => {
      this.addressTimer = undefined;
      const hash = writeView({ open: this.ownOpen ? openPaths(this.tree) : 'some', filter: this.filter, selected: this.selectedPath });
      if (hash === location.hash.slice(1)) return;
      history.replaceState(null, '', hash ? '#' + hash : location.pathname + location.search);
    }, addressMs);
  }

  /** problems lists the worst attributes below a node: red before yellow before white, each in the order of the tree. */
  problems(index: number, most: number): number[] {
    const found: [number[], number[], number[], number[]] = [[], [], [], []];
    const { tree, rows } = this;
    const end = this.afterAll(index);
    for (let n = rows.after(index); n !== none && n !== end; n = rows.after(n)) {
      const s = tree.statusOf(n);
      if (!tree.isGroup(n) && s !== Green && found[s].length < most) found[s].push(n);
      if (found[Red].length >= most) break;
    }
    return [...found[Red], ...found[Yellow], ...found[White]].slice(0, most);
  }

  /** afterAll returns the node in preorder behind everything below a node, or none. */
  private afterAll(index: number): number {
    const { tree } = this;
    let n = index;
    while (n !== tree.root && tree.next[n] === none) n = tree.parent[n]!;
    return n === tree.root ? none : tree.next[n]!;
  }
}

/** copyOpen opens in one tree what is open in another, by name. */
function copyOpen(from: Tree, to: Tree): void {
  if (from.root === none || to.root === none) return;
  const pairs: [number, number][] = [[from.root, to.root]];
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [a, b] = pair;
    to.open[b] = from.open[a]!;
    const groups = new Map<string, number>();
    for (let c = to.first[b]!; c !== none; c = to.next[c]!) if (to.first[c] !== none) groups.set(to.names[c]!, c);
    for (let c = from.first[a]!; c !== none; c = from.next[c]!) {
      const same = from.first[c] === none ? undefined : groups.get(from.names[c]!);
      if (same !== undefined) pairs.push([c, same]);
    }
  }
}

/** openPaths returns the deepest open nodes of every open branch. */
function openPaths(tree: Tree): 'all' | string[] {
  const paths: string[] = [];
  let all = true;
  if (tree.root === none) return paths;
  const visit = (n: number): void => {
    let deeper = false;
    for (let c = tree.first[n]!; c !== none; c = tree.next[c]!) {
      if (tree.first[c] === none) continue;
      if (tree.open[c] === 0) {
        all = false;
        continue;
      }
      deeper = true;
      visit(c);
    }
    if (!deeper && n !== tree.root && paths.length < 500) paths.push(tree.path(n));
  };
  visit(tree.root);
  return all && paths.length > 0 ? 'all' : paths;
}
