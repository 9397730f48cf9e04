// The live feed: one websocket with any number of watches on it, each of which is a
// subscription that shows a part of the tree, acknowledged batch by batch. After a
// break the feed comes back by itself with growing pauses, and every watch goes on
// from its last sequence number; after a gap it asks for a fresh snapshot.

import type { DeltaHead, NodeRecord, SnapshotHead, State, Status, StatusWord } from './wire';
import { readFrame } from './wire';

export const protocol = 'grove.live.v2.binary';

/** LiveRequest says which nodes a watch is sent: those that show. */
export interface LiveRequest {
  path: string; // the root of the view
  depth?: number; // groups less than so many levels below the root are open; without it all are
  open?: readonly string[]; // paths of further open groups
  some?: number; // the server opens level by level as long as no more than so many rows show
  filter?: { text: string; statuses: readonly StatusWord[] };
  at?: number | undefined; // unix milliseconds of a moment in the past; nothing changes then
}

/** LiveSink takes what a watch is told; the calls come in the order of the feed. */
export interface LiveSink {
  begin(head: SnapshotHead): void; // a fresh tree follows, node by node
  finish(head: SnapshotHead): void; // and is complete
  node(record: NodeRecord): void;
  removed(index: number): void;
  number(index: number, status: Status, value: number, time: number): void;
  state(index: number, state: State, since: number): void;
  applied(head: DeltaHead): void;
  refused(code: string, message: string): void; // the server will not give this
  /** The server decided what is open; focus is the node that was asked for. */
  opened?(open: { nodes: readonly number[]; all: boolean; focus: number | undefined }): void;
  /** How many nodes match the filter, and how many of them are shown. */
  matches?(hits: number, shown: number): void;
}

/**
 * Watch is one subscription. What it asks for takes a while: each request has a ticket,
 * and frames from before the server answered it may still be on their way.
 */
export interface Watch {
  open(nodes: readonly number[]): Ticket; // the server sends what is in them
  close(nodes: readonly number[]): Ticket; // the server sends nothing more of what is below; forget it
  openAll(open: boolean): Ticket;
  openProblems(): Ticket; // exactly the ways to yellow and red attributes, told by opened
  openPath(path: string): Ticket; // the groups above a node, told by opened
  waits(ticket: Ticket | undefined): boolean; // the server has not come to it
  readonly fresh: boolean; // its first snapshot is still to come
  again(): void; // subscribes anew, with the request as it is by now
  stop(): void;
}

export interface Ticket {
  readonly id: number; // of the subscription, another one after a break
  readonly count: number; // of the request in it
}

/** Link is the state of the connection. */
export interface Link {
  state: 'connecting' | 'live' | 'waiting';
  tries: number; // failed ones since it was last live
  retryAt: number; // Date.now() of the next try, while waiting
  server: string; // as the server names itself
  time: number; // server's unix milliseconds of the last frame, 0 for none
  heardAt: number; // Date.now() of the last frame
}

/** Silence after which the page asks whether the server is still there, and how long it waits for the answer. */
const quietMs = 20_000;
const answerMs = 5_000;
/** After so long a subscription that the server did not take is tried again. */
const tooFastMs = 700;
const goneMs = 5_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

export interface FeedOptions {
  url: string; // ws: or wss:
  health: string; // http(s) address that answers while the server is there
}

/** What the server closes a socket with when its user may not look any more (RFC 6455, 7.4.1). */
const policyViolation = 1008;

export class Feed {
  /** Called when the server ended the session. */
  onLogout: (() => void) | undefined;
  private socket: WebSocket | undefined;
  private welcome = false; // the server said so on this socket
  private lastId = 0;
  private readonly subscriptions = new Map<number, Subscription>();
  private run = ''; // the life of the server in which sequence numbers were received
  private timer: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private closed = true;
  private readonly listeners = new Set<(link: Link) => void>();
  private current: Link = { state: 'connecting', tries: 0, retryAt: 0, server: '', time: 0, heardAt: 0 };

  constructor(private readonly options: FeedOptions) {}

  get link(): Link {
    return this.current;
  }

  /** onLink tells a listener of every change of the connection until the returned function is called. */
  onLink(listener: (link: Link) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** watch subscribes; a request that is a function is asked again for every subscription after a break. */
  watch(request: LiveRequest | (() => LiveRequest), sink: LiveSink): Watch {
    const s = new Subscription(typeof request === 'function' ? request : () => request, sink);
    this.subscribe(s, false);
    const tell = (type: 'open' | 'close', more: object): Ticket => {
      this.send({ type, id: s.id, ...more });
      return { id: s.id, count: ++s.asked };
    };
    return {
      open: (nodes) => tell('open', { nodes }),
      close: (nodes) => tell('close', { nodes }),
      openAll: (open) => tell(open ? 'open' : 'close', { all: true }),
      openProblems: () => tell('open', { problems: true }),
      openPath: (path) => tell('open', { path }),
      waits: (ticket) => ticket !== undefined && ticket.id === s.id && ticket.count > s.answered,
      get fresh() {
        return s.seq < 0;
      },
      again: () => this.again(s),
      stop: () => {
        this.send({ type: 'unsubscribe', id: s.id });
        this.subscriptions.delete(s.id);
        s.stopped = true;
      },
    };
  }

  start(): void {
    if (!this.closed) return;
    this.closed = false;
    addEventListener('online', this.retry);
    document.addEventListener('visibilitychange', this.woken);
    this.open();
  }

  stop(): void {
    this.closed = true;
    removeEventListener('online', this.retry);
    document.removeEventListener('visibilitychange', this.woken);
    clearTimeout(this.timer);
    clearTimeout(this.quiet);
    const socket = this.socket;
    this.socket = undefined;
    socket?.close(1000);
  }

  /** retry connects at once when it is waiting to. */
  readonly retry = (): void => {
    if (this.current.state !== 'waiting' || this.closed) return;
    clearTimeout(this.timer);
    this.open();
  };

  private readonly woken = (): void => {
    if (document.visibilityState === 'visible') this.retry();
  };

  private say(change: Partial<Link>): void {
    this.current = { ...this.current, ...change };
    for (const listener of this.listeners) listener(this.current);
  }

  private open(): void {
    this.say({ state: 'connecting' });
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.options.url, protocol);
    } catch {
      this.lost();
      return;
    }
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.welcome = false;
    const current = () => this.socket === socket;
    socket.onopen = () => {
      if (current()) this.listenForSilence();
    };
    socket.onmessage = (event: MessageEvent) => {
      if (!current()) return;
      this.listenForSilence();
      if (typeof event.data === 'string') this.control(event.data);
      else this.frame(event.data as ArrayBuffer);
    };
    socket.onclose = (event) => {
      if (!current()) return;
      if (event.code === policyViolation) this.onLogout?.();
      this.lost();
    };
  }

  private lost(): void {
    const socket = this.socket;
    this.socket = undefined;
    this.welcome = false;
    socket?.close();
    clearTimeout(this.quiet);
    if (this.closed) return;
    const tries = this.current.tries + 1;
    const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1));
    const pause = longest * (0.5 + Math.random() / 2); // so that many pages do not come back at the same moment
    this.say({ state: 'waiting', tries, retryAt: Date.now() + pause });
    this.timer = setTimeout(() => this.open(), pause);
  }

  /** A cut that nobody told of looks like a calm tree: after some silence the server is asked. */
  private listenForSilence(): void {
    clearTimeout(this.quiet);
    const socket = this.socket;
    this.quiet = setTimeout(async () => {
      try {
        await fetch(this.options.health, { cache: 'no-store', signal: AbortSignal.timeout(answerMs) });
        if (this.socket === socket) this.listenForSilence();
      } catch {
        if (this.socket === socket) this.lost();
      }
    }, quietMs);
  }

  private send(message: object): void {
    if (this.welcome && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private control(text: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(text) as Record<string, unknown>;
    } catch {
      this.lost();
      return;
    }
    if (message.type === 'welcome') {
      this.begin(message);
      return;
    }
    const s = this.subscriptions.get(Number(message.id));
    if (!s) return;
    const count = (v: unknown) => (typeof v === 'number' ? v : 0);
    switch (message.type) {
      case 'error':
        this.failed(s, String(message.code ?? ''), String(message.message ?? 'the server gave no reason'));
        break;
      case 'opened':
        s.sink.opened?.({
          nodes: Array.isArray(message.nodes) ? (message.nodes as unknown[]).filter((n): n is number => Number.isInteger(n)) : [],
          all: message.all === true,
          focus: typeof message.focus === 'number' ? message.focus : undefined,
        });
        break;
      case 'applied':
        s.answered = count(message.count);
        break;
      case 'matches':
        s.sink.matches?.(count(message.hits), count(message.shown));
        break;
    }
  }

  /** failed takes an error that the server tells of a subscription. */
  private failed(s: Subscription, code: string, message: string): void {
    const gone = code === 'no_such_node';
    // What was asked for besides, as a branch to open that went meanwhile, shows by itself.
    if (s.seq >= 0 && !gone) return;
    this.live();
    if (code !== 'too_fast') {
      s.seq = -1;
      s.sink.refused(code, message);
    }
    // A node that is not there may come, or come again.
    const { id } = s;
    if (gone || code === 'too_fast') setTimeout(() => s.id === id && this.again(s), gone ? goneMs : tooFastMs);
  }

  /** begin subscribes everything that is watched on a new socket. */
  private begin(message: Record<string, unknown>): void {
    // Sequence numbers of another life of the server mean nothing in this one.
    const run = typeof message.run === 'string' ? message.run : '';
    const resume = run !== '' && run === this.run;
    this.run = run;
    this.welcome = true;
    this.current = { ...this.current, server: typeof message.server === 'string' ? message.server : '' };
    const all = [...this.subscriptions.values()];
    this.subscriptions.clear();
    this.lastId = 0; // pages that look at the same under the same number share what the server sends
    for (const s of all) this.subscribe(s, resume && s.seq >= 0);
    if (all.length === 0) this.live();
  }

  private subscribe(s: Subscription, goOn: boolean): void {
    s.id = ++this.lastId;
    this.subscriptions.set(s.id, s);
    const { path, ...shape } = s.request();
    // What shows may be another choice by now, and is little: it is sent afresh.
    const resume = goOn && !shape.open && !shape.some && !shape.filter && !shape.at;
    if (!resume) s.seq = -1;
    s.asked = s.answered = 0;
    const since = resume ? { since: s.seq, run: this.run } : {};
    this.send({ type: 'subscribe', id: s.id, path, ...shape, ...since });
    if (resume) this.live(); // nothing may have changed, then no frame comes
  }

  /** again drops the subscription and asks for a fresh snapshot under a new id, so that late frames of the old one are told apart. */
  private again(s: Subscription): void {
    if (s.stopped) return;
    this.send({ type: 'unsubscribe', id: s.id });
    this.subscriptions.delete(s.id);
    this.subscribe(s, false);
  }

  private live(): void {
    if (this.current.state !== 'live') this.say({ state: 'live', tries: 0, heardAt: Date.now() });
  }

  private frame(buffer: ArrayBuffer): void {
    let s: Subscription | undefined;
    let snapshot: SnapshotHead | undefined;
    let delta: DeltaHead | undefined;
    let gap = false;
    let sink!: LiveSink;
    const find = (id: number) => {
      s = this.subscriptions.get(id);
      if (s) sink = s.sink;
      return s !== undefined;
    };
    try {
      readFrame(
        buffer,
        {
          snapshot: (head) => {
            if (!find(head.id)) return false;
            snapshot = head;
            sink.begin(head);
            return true;
          },
          delta: (head) => {
            if (!find(head.id)) return false;
            gap = s!.seq < 0 || head.from > s!.seq;
            if (gap) return false;
            delta = head;
            // A delta says how things are, not by how much they changed: one that
            // begins before what is known may be applied, one that ends before it not.
            // What a branch that was opened shows ends where the delta before it did.
            return head.seq >= s!.seq;
          },
          removed: (index) => sink.removed(index),
          node: (record) => sink.node(record),
          number: (index, status, value) => sink.number(index, status, value, delta!.time),
          state: (index, state, since) => sink.state(index, state, since),
        },
      );
    } catch (error) {
      // What of the frame was applied is replaced by a snapshot of the next
      // connection, after a pause: the server may have nothing but broken frames.
      console.warn('grove: live feed:', error);
      for (const each of this.subscriptions.values()) each.seq = -1;
      this.lost();
      return;
    }
    if (!s) return;
    if (gap) {
      this.again(s);
      return;
    }
    const time = (snapshot ?? delta!).time;
    this.current = { ...this.current, time, heardAt: Date.now() };
    if (snapshot) {
      s.seq = snapshot.seq;
      sink.finish(snapshot);
    } else if (delta) {
      s.seq = Math.max(s.seq, delta.seq);
      sink.applied(delta);
    }
    this.send({ type: 'ack', id: s.id, seq: s.seq });
    this.live();
  }
}

class Subscription {
  id = 0;
  seq = -1; // last applied; -1: nothing yet
  asked = 0; // open and close messages that were sent
  answered = 0; // and that the server has come to
  stopped = false;

  constructor(
    readonly request: () => LiveRequest,
    readonly sink: LiveSink,
  ) {}
}
