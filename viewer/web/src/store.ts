// The state of the tree page and what can be done to it. The feed writes into the model
// at once; the screen follows at most once a frame.
//
// The server sends the nodes that show: what is below a closed group is not known here.
// A group is opened by telling the server, which answers with what is in it.

import { Announcer } from './announce';
import { get } from './api';
import type { App } from './app';
import type { LiveRequest, LiveSink, Ticket, Watch } from './feed';
import { type Filter, isOn, noFilter, sameFilter } from './filter';
import { names, parentPath, urlOf } from './path';
import { type Params, readList, writeList } from './route';
import { Rows, type Sort, sorts } from './rows';
import { ScrollRange } from './scroll';
import { Tree, none } from './tree';
import { type NodeRecord, type SnapshotHead, type State, type Status, type StatusWord, statusWords } from './wire';

/** Rows that are open when the address says nothing. */
const firstRows = 40;
/** How long after a move of the pointer or the keyboard rows stay although they belong elsewhere by now. */
const holdMs = 1500;
const restMs = 4000;
const refilterMs = 500;
const resortMs = 1000;
const addressMs = 300;
const typeMs = 700;
/** The server takes eight subscriptions a second: whoever types a filter is faster. */
const askMs = 180;
/** Browsers and mail programs bound addresses, and the server bounds messages: beyond this, open branches are left out. */
const maxOpenLength = 4000;
const maxOpenAsked = 12_000;

/** Decided is what the server opened: these groups, also below closed ones, or all. */
interface Decided {
  nodes: readonly number[];
  all: boolean;
  focus: number | undefined;
}

/** Open is which groups are open: as the page sees fit, all, or these and those above them, by path. */
type Open = 'some' | 'all' | readonly string[];

export class Store implements LiveSink {
  tree = new Tree(0);
  rows = new Rows(this.tree);
  loaded = false; // the first snapshot is here
  refusal = ''; // why the server gives no tree
  hits: { all: number; shown: number } | undefined; // as the server counts, while a filter is on

  focus = none; // node of the row that the keyboard is on
  cell = -1; // column of the cell that it is on; -1: the whole row
  grabFocus = false; // the grid moves the browser's focus there after drawing
  scrollTop = 0;
  viewport = 600;
  rowHeight = 30;
  scrollTo: number | undefined; // where the grid scrolls before it draws

  private watch: Watch | undefined;
  private readonly page: string;
  private at: number | undefined;
  private incoming: Tree | undefined;
  private filterNow: Filter = noFilter;
  private open: Open = 'some';
  private openBefore: Open | undefined; // when the filter was turned on
  private openNext: Open | undefined; // in the snapshot that comes
  private tickets = new Map<number, Ticket>(); // of groups that were opened or closed just now
  private decided: Decided | undefined; // in this subscription
  private seeking = false; // the worst attribute gets the keyboard as soon as the server names it
  private told: Params | undefined; // what the page wrote into the address itself
  private wanted: { path?: string; index?: number; select: boolean } | undefined; // a node that is to be shown once it is known
  private late = new Set<number>(); // nodes that went while the pointer is on them
  private frameAt = 0; // page clock of the frame that is read, 0 between frames
  private hover = none;
  private hoverAt = -Infinity;
  private keyAt = -Infinity;
  private typed = ''; // lately, to find a row by its name
  private typedAt = -Infinity;
  private built = { structure: -1, colours: -1, sorted: -1, at: -Infinity };
  private shape = true; // rows must be found anew
  private scheduled = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private askTimer: ReturnType<typeof setTimeout> | undefined;
  private askedAt = -Infinity;
  private addressTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly stops: (() => void)[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly announcer: Announcer;

  constructor(readonly app: App) {
    this.page = app.route.page;
    this.announcer = new Announcer((sentence) => app.announce(sentence));
  }

  /** start reads the address, begins to follow it, and watches the tree. */
  start(): void {
    this.at = this.app.at;
    this.readAddress(this.app.route.params);
    const { node } = this.app.route;
    if (node !== undefined && node !== '/') this.wanted = { path: node, select: false };
    this.watch = this.app.feed.watch(() => this.request(), this);
    const clock = setInterval(() => {
      if (document.visibilityState === 'visible') this.changed(); // ages
    }, 1000);
    this.stops.push(
      () => this.watch?.stop(),
      this.app.feed.onLink(() => this.changed()),
      this.app.subscribe(() => this.followApp()),
      () => clearInterval(clock),
    );
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
    this.announcer.stop();
    cancelAnimationFrame(this.scheduled);
    clearTimeout(this.timer);
    clearTimeout(this.askTimer);
    clearTimeout(this.addressTimer);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** changed draws the page before the next frame. */
  changed(): void {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      this.settle();
      for (const listener of this.listeners) listener();
    });
  }

  range(): ScrollRange {
    return new ScrollRange(this.rows.length, this.rowHeight, this.viewport);
  }

  /** selected is the node whose panel is open, or none. */
  get selected(): number {
    const path = this.app.route.node;
    return path === undefined ? none : this.tree.find(path);
  }

  get filter(): Filter {
    return this.filterNow;
  }

  get sort(): Sort {
    return this.rows.sort;
  }

  // What the server is asked for.

  private request(): LiveRequest {
    const base: LiveRequest = { path: '/', at: this.at };
    if (isOn(this.filterNow)) {
      const { text, statuses } = this.filterNow;
      return { ...base, depth: 1, filter: { text, statuses: [...statuses].sort().map((s) => statusWords[s]) } };
    }
    const reveal = this.wanted?.path !== undefined ? [parentPath(this.wanted.path)].filter((p) => p !== '/') : [];
    const open = this.openNow();
    if (open === 'all') {
      this.decided = undefined;
      return base;
    }
    if (open === 'some') return { ...base, depth: 1, some: firstRows, ...(reveal.length > 0 ? { open: reveal } : {}) };
    return { ...base, depth: 1, open: bounded([...reveal, ...open], maxOpenAsked) };
  }

  /** ask subscribes anew: at once, or as soon as the server takes it. */
  private ask(): void {
    clearTimeout(this.askTimer);
    const now = performance.now();
    const wait = Math.max(0, this.askedAt + askMs - now);
    this.askTimer = setTimeout(() => {
      this.askTimer = undefined;
      this.askedAt = performance.now();
      this.again();
    }, wait);
    if (wait > 0) return;
    clearTimeout(this.askTimer);
    this.askTimer = undefined;
    this.askedAt = now;
    this.again();
  }

  private again(): void {
    this.decided = undefined;
    this.tickets.clear();
    this.watch?.again();
  }

  // From the feed.

  begin(head: SnapshotHead): void {
    this.incoming = new Tree(head.count + 16);
  }

  node(record: NodeRecord): void {
    const tree = this.incoming ?? this.tree;
    if (record.index !== record.parent) {
      // A branch may have been closed while what is in it was on its way.
      if (!tree.has(record.parent) || this.waits(record.parent)) {
        tree.remove(record.index); // it moved to where it does not show
        return;
      }
      tree.open[record.parent] = 1;
    }
    this.late.delete(record.index);
    tree.place(record, this.clock());
  }

  /** clock is the time of the frame that is read: asking for it 100,000 times takes its time. */
  private clock(): number {
    return (this.frameAt ||= performance.now());
  }

  finish(): void {
    const before = this.tree;
    const tree = this.incoming!;
    this.incoming = undefined;
    const path = (n: number) => (before.has(n) ? before.path(n) : undefined);
    const [focus, hover] = [path(this.focus), path(this.hover)];
    const { sort } = this.rows;
    this.tree = tree;
    this.rows = new Rows(tree);
    this.rows.setFilter(this.filterNow);
    this.rows.setSort(sort);
    tree.onStatus = (index, _, to) => {
      if (!tree.isGroup(index) && this.at === undefined) this.announcer.note(() => names(tree.path(index)).join(', '), to);
    };
    tree.onRemove = (index) => {
      if (index === this.hover) this.hover = none;
    };
    this.late.clear();
    this.loaded = true;
    this.refusal = '';
    this.openNext = undefined;
    this.applyOpen();
    this.focus = focus === undefined ? none : tree.find(focus);
    this.hover = hover === undefined ? none : tree.find(hover);
    this.built = { structure: -1, colours: -1, sorted: tree.colours, at: -Infinity };
    this.shape = true;
    this.findWanted();
    this.heard();
  }

  removed(index: number): void {
    // What the pointer is on stays until it moves on.
    if (this.resting() && [this.hover, this.focus].some((n) => n !== none && this.tree.isAtOrBelow(n, index))) this.late.add(index);
    else this.tree.remove(index);
  }

  number(index: number, status: Status, value: number, time: number): void {
    this.tree.setNumber(index, status, value, time, this.clock());
  }

  state(index: number, state: State, since: number): void {
    this.tree.setState(index, state, since, this.clock());
  }

  applied(): void {
    if (this.tree.structure !== this.built.structure) {
      // The tree may still be growing, while nobody chose what is open.
      if (this.open === 'some' && !this.rows.filtering) this.expand(this.rows.closedWithin(firstRows));
      this.findWanted();
    }
    this.heard();
  }

  opened(decided: Decided): void {
    this.decided = decided;
    if (this.watch?.fresh || isOn(this.filterNow)) return; // it is about the tree that comes
    if (decided.all) this.open = 'all';
    this.applyOpen();
    if (this.seeking && decided.focus !== undefined) {
      this.wanted = { index: decided.focus, select: true };
      this.seeking = false;
      this.findWanted();
    }
    this.writeAddress();
    this.shape = true;
    this.changed();
  }

  /** applyOpen opens what the server opened, everything when it decided nothing, and lets go of what is below the rest. */
  private applyOpen(): void {
    if (isOn(this.filterNow)) return;
    const { tree, decided } = this;
    const waiting = [...this.tickets.keys()].filter((n) => this.waits(n)).map((n) => [n, tree.open[n] === 1] as const);
    tree.open.fill(decided && !decided.all ? 0 : 1);
    for (const n of decided?.nodes ?? []) tree.setOpen(n, true);
    if (decided && !decided.all) {
      tree.setOpen(tree.root, true);
      for (let n = tree.root; n !== none; n = tree.after(n)) if (tree.open[n] === 0) tree.prune(n);
    }
    // What was opened or closed after that holds; the server sends what is in it again.
    for (const [n, open] of waiting) {
      tree.setOpen(n, open);
      if (!open) tree.prune(n);
    }
  }

  matches(all: number, shown: number): void {
    this.hits = { all, shown };
    this.changed();
  }

  refused(code: string, message: string): void {
    this.refusal = message || code;
    this.changed();
  }

  private heard(): void {
    this.frameAt = 0;
    this.changed();
  }

  // Rows.

  /** resting says whether the pointer or the keyboard was used just now. */
  private resting(): boolean {
    return performance.now() - Math.max(this.hoverAt, this.keyAt) < holdMs;
  }

  /** settle finds the rows anew if something moved, and keeps what the eye is on where it is. */
  private settle(): void {
    const { tree, rows, built } = this;
    const now = performance.now();
    if (this.late.size > 0) {
      if (this.resting()) this.later(holdMs);
      else {
        for (const n of this.late) tree.remove(n);
        this.late.clear();
      }
    }
    let due = this.shape || tree.structure !== built.structure;
    if (tree.colours !== built.colours && rows.filter.statuses.size > 0) {
      const wait = Math.max(built.at + refilterMs, this.hoverAt + holdMs) - now;
      if (wait <= 0) due = true;
      else this.later(wait);
    }
    if (tree.colours !== built.sorted && rows.sort === 'severity') {
      const touched = Math.max(this.hover === none ? -Infinity : this.hoverAt, this.hasFocus() ? this.keyAt : -Infinity);
      const wait = Math.max(built.at + resortMs, touched + restMs) - now;
      if (wait <= 0) {
        rows.resort();
        built.sorted = tree.colours;
        due = true;
      } else this.later(wait);
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

    rows.rebuild([this.hover, this.selected, ...this.late].filter((n) => n !== none));
    this.built = { ...this.built, structure: tree.structure, colours: tree.colours, at: now };

    const to = tree.has(anchor) ? rows.rowOf(anchor) : none;
    if (to !== none && to !== from) this.scrollTo = this.range().scrollTopFor(top + (to - from) * this.rowHeight);
    this.keepFocus(focusRow);
  }

  private later(ms: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed();
    }, ms);
  }

  private hasFocus(): boolean {
    return document.activeElement?.closest('[role=treegrid]') !== null;
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
    this.grabFocus = this.hasFocus();
  }

  toggle(index: number, open = !this.rows.isOpen(index)): void {
    if (!this.rows.canOpen(index)) return;
    if (open) this.expand([index]);
    else this.collapse(index);
    this.reshape();
  }

  private expand(list: readonly number[]): void {
    if (list.length === 0) return;
    for (const n of list) this.rows.setOpen(n, true);
    // With a filter the ways to matches are open on the server whatever is folded here.
    this.tell('open', list.filter((n) => this.tree.first[n] === none));
  }

  private tell(what: 'open' | 'close', list: readonly number[]): void {
    const ticket = list.length > 0 ? this.watch?.[what](list) : undefined;
    if (ticket) for (const n of list) this.tickets.set(n, ticket);
  }

  private waits(n: number): boolean {
    const ticket = this.tickets.get(n);
    if (!ticket || this.watch?.waits(ticket)) return ticket !== undefined;
    this.tickets.delete(n);
    return false;
  }

  private collapse(index: number): void {
    const { tree, rows } = this;
    rows.setOpen(index, false);
    if (rows.filtering && rows.matches.hasHits(index)) return; // folded here alone
    if (this.focus !== index && tree.isAtOrBelow(this.focus, index)) {
      this.focus = index;
      this.cell = -1;
      this.grabFocus = this.hasFocus();
    }
    tree.prune(index);
    this.tell('close', [index]);
  }

  /** openSiblings opens a node and every one beside it. */
  openSiblings(index: number): void {
    const { tree, rows } = this;
    const list: number[] = [];
    for (let c = tree.first[tree.parent[index]!]!; c !== none; c = tree.next[c]!) if (rows.canOpen(c) && !rows.isOpen(c)) list.push(c);
    this.expand(list);
    this.reshape();
  }

  openAll(open: boolean): void {
    const { tree, rows } = this;
    rows.openAll(open);
    if (!rows.filtering && this.loaded) {
      this.open = open ? 'all' : [];
      const ticket = this.watch?.openAll(open);
      if (!open) {
        for (let c = tree.first[tree.root]!; c !== none; c = tree.next[c]!) {
          tree.prune(c);
          if (ticket) this.tickets.set(c, ticket);
        }
      }
    }
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  /** openProblems shows the ways to what is yellow or red, and puts the keyboard on the worst. */
  openProblems(): void {
    this.setFilter(noFilter);
    this.open = [];
    this.seeking = true;
    this.watch?.openProblems();
  }

  /** showCause leads from a group to the attribute that gives it its colour. */
  async showCause(index: number): Promise<void> {
    const { tree } = this;
    if (!tree.has(index) || !tree.isGroup(index)) return;
    const path = tree.path(index);
    try {
      const { cause } = await get<{ cause?: string[] }>(urlOf('api/v1/nodes', path) + (this.at === undefined ? '' : `?at=${new Date(this.at).toISOString()}`));
      if (cause?.[0] !== undefined) this.show(cause[0]);
      else this.app.announce(`${path} is ${statusWords[tree.statusOf(index)]} because of nothing that you may see.`);
    } catch (error) {
      this.app.announce(String(error instanceof Error ? error.message : error));
    }
  }

  setFilter(filter: Filter): void {
    if (sameFilter(filter, this.filterNow)) return;
    const was = isOn(this.filterNow);
    const on = isOn(filter);
    if (on && !was) this.openBefore = this.openNow();
    if (!on && was) {
      this.open = this.openNext = this.openBefore ?? this.open;
      this.openBefore = undefined;
      const kept = this.app.route.node ?? (this.tree.has(this.focus) ? this.tree.path(this.focus) : undefined);
      if (kept !== undefined && kept !== '/') this.wanted = { path: kept, select: false }; // what was found stays in sight
    }
    this.filterNow = filter;
    this.rows.setFilter(filter);
    this.hits = undefined;
    if (on || was) this.ask();
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  setSort(sort: Sort): void {
    this.rows.setSort(sort);
    this.built.sorted = this.tree.colours;
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  toggleStatus(status: Status): void {
    const statuses = new Set(this.filter.statuses);
    if (!statuses.delete(status)) statuses.add(status);
    this.setFilter({ ...this.filter, statuses });
  }

  private reshape(): void {
    if (!this.rows.filtering) this.open = [];
    this.shape = true;
    this.changed();
    this.writeAddress();
  }

  // Selection and the keyboard's place.

  select(index: number): void {
    this.app.showNode(this.tree.has(index) ? this.tree.path(index) : undefined);
    this.changed();
  }

  closePanel(): void {
    const back = this.selected;
    this.app.showNode(undefined);
    if (back !== none && this.rows.rowOf(back) !== none) this.focusOn(back);
    this.changed();
  }

  /** show brings a node into sight by its path and puts the keyboard on it. */
  show(path: string): void {
    const known = this.tree.find(path);
    if (isOn(this.filterNow) && (known === none || this.rows.rowOf(known) === none)) this.setFilter(noFilter);
    else if (known === none) this.watch?.openPath(path);
    this.open = this.openNow() === 'all' ? 'all' : [];
    this.wanted = { path, select: true };
    this.findWanted();
    this.writeAddress();
  }

  /** findWanted goes to the node that is to be shown, if it is known by now. */
  private findWanted(): void {
    const { wanted, tree, rows } = this;
    if (!wanted || !this.loaded) return;
    const n = wanted.index ?? tree.find(wanted.path ?? '');
    if (!tree.has(n)) return;
    this.wanted = undefined;
    if (n === tree.root) return;
    rows.openTo(n);
    this.shape = true;
    this.settle();
    this.focus = n;
    this.cell = -1;
    if (wanted.select) this.grabFocus = true;
    this.reveal(n);
    this.changed();
  }

  focusOn(index: number, cell = -1): void {
    this.focus = index;
    this.cell = cell;
    this.grabFocus = true;
    this.keyAt = performance.now();
    this.reveal(index);
    this.changed();
  }

  /** typing says whether letters that are pressed continue a name. */
  get typing(): boolean {
    return performance.now() - this.typedAt < typeMs;
  }

  /** typeAhead goes to the next row whose name begins with what was typed lately. */
  typeAhead(key: string): void {
    const { tree, rows } = this;
    const now = performance.now();
    this.typed = (this.typing ? this.typed : '') + key.toLowerCase();
    this.typedAt = now;
    // The same letter again and again goes from one to the next.
    const sought = /^(.)\1+$/.test(this.typed) ? this.typed[0]! : this.typed;
    const from = Math.max(0, rows.rowOf(this.focus));
    const first = sought.length === 1 ? 1 : 0;
    for (let i = first; i < rows.length + first; i++) {
      const n = rows.node[(from + i) % rows.length]!;
      if (tree.names[n]!.toLowerCase().startsWith(sought)) return this.focusOn(n);
    }
  }

  private reveal(index: number): void {
    const row = this.rows.rowOf(index);
    if (row === none) return;
    const at = this.scrollTo ?? this.scrollTop;
    const to = this.range().reveal(row, at);
    if (to !== at) this.scrollTo = to;
  }

  /** arrived notes that the browser's focus went to a row or cell by other ways than ours. */
  arrived(index: number, cell: number): void {
    if (index === this.focus && cell === this.cell) return;
    this.focus = index;
    this.cell = cell;
    this.changed();
  }

  pointAt(index: number): void {
    this.hover = index;
    this.hoverAt = index === none ? -Infinity : performance.now();
  }

  // The address.

  private followApp(): void {
    const { route, at } = this.app;
    if (route.page !== this.page) return; // another page takes over in this frame
    if (at !== this.at) {
      this.at = at;
      if (this.loaded && !isOn(this.filterNow)) this.open = this.openNow();
      this.ask();
    }
    if (this.told !== undefined && route.params !== this.told && !sameParams(route.params, this.told)) {
      this.readAddress(route.params);
      this.ask();
    }
    this.changed();
  }

  private readAddress(params: Params): void {
    this.told = params;
    const { open, find = '', status = '', sort } = params;
    this.open = this.openNext = open === undefined ? 'some' : open === '*' ? 'all' : readList(open);
    const chosen = status.split(',').map((w) => statusWords.indexOf(w as StatusWord)).filter((s) => s >= 0);
    this.filterNow = { text: find, statuses: new Set(chosen as Status[]) };
    this.openBefore = isOn(this.filterNow) ? this.open : undefined;
    this.rows.setFilter(this.filterNow);
    this.rows.setSort(sorts.find((s) => s === sort) ?? 'tree');
    this.shape = true;
  }

  /** openNow is what is open at the moment. */
  private openNow(): Open {
    if (this.openNext !== undefined) return this.openNext;
    if (!this.loaded || this.open === 'some' || this.open === 'all') return this.open;
    return this.rows.openPaths();
  }

  private writeAddress(): void {
    this.addressTimer ??= setTimeout(() => {
      this.addressTimer = undefined;
      if (!this.loaded || this.app.route.page !== this.page) return;
      const { text, statuses } = this.filterNow;
      const open = this.openBefore ?? this.openNow();
      this.told = undefined;
      this.app.put({
        open: open === 'some' ? undefined : open === 'all' ? '*' : writeList(bounded(open, maxOpenLength)),
        find: text.trim() || undefined,
        status: statuses.size > 0 ? [...statuses].sort((a, b) => b - a).map((s) => statusWords[s]).join(',') : undefined,
        sort: this.sort === 'tree' ? undefined : this.sort,
      });
      this.told = this.app.route.params;
    }, addressMs);
  }
}

/** bounded takes paths from the front as long as together they stay short enough. */
function bounded(paths: readonly string[], most: number): string[] {
  let length = 0;
  return paths.filter((p) => (length += p.length + 3) <= most);
}

function sameParams(a: Params, b: Params): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((k) => a[k] === b[k]);
}
