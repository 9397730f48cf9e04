// The live feed: one websocket, one subscription, acknowledged batch by batch. After
// a break it comes back by itself with growing pauses and goes on from the last
// sequence number; after a gap it asks for a fresh snapshot.

import type { DeltaHead, NodeRecord, SnapshotHead, State, Status } from './wire';
import { readFrame } from './wire';

export const protocol = 'grove.live.v1.binary';

/** What the feed hands on; the calls come in the order of the feed. */
export interface FeedSink {
  begin(head: SnapshotHead): void; // a fresh tree follows, node by node
  finish(head: SnapshotHead): void; // and is complete
  node(record: NodeRecord): void;
  removed(index: number): void;
  number(index: number, status: Status, value: number, time: number): void;
  state(index: number, state: State, since: number): void;
  applied(head: DeltaHead): void;
  refused(code: string, message: string): void; // the server will not give this subtree
  setLink(link: Link): void;
}

/** Link is the state of the connection. */
export interface Link {
  state: 'connecting' | 'live' | 'waiting';
  tries: number; // failed ones since it was last live
  retryAt: number; // Date.now() of the next try, while waiting
  server: string; // as the server names itself
}

/** Silence after which the page asks whether the server is still there, and how long it waits for the answer. */
const quietMs = 20_000;
const answerMs = 5_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

export interface FeedOptions {
  url: string; // ws: or wss:
  health: string; // http(s) address that answers while the server is there
  path: string; // subtree
}

export class Feed {
  private socket: WebSocket | undefined;
  private id = 0;
  private seq = -1; // last applied; -1: nothing yet
  private run = ''; // the life of the server in which seq was received
  private timer: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private current: Link = { state: 'connecting', tries: 0, retryAt: 0, server: '' };

  constructor(
    private readonly options: FeedOptions,
    private readonly sink: FeedSink,
  ) {}

  start(): void {
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
    this.socket?.close(1000);
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
    this.sink.setLink(this.current);
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
    this.id = 0; // pages that look at the same under the same number share what the server sends
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
    socket.onclose = () => {
      if (current()) this.lost();
    };
  }

  private lost(): void {
    const socket = this.socket;
    this.socket = undefined;
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
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private control(text: string): void {
    let message: { type?: unknown; server?: unknown; run?: unknown; id?: unknown; code?: unknown; message?: unknown };
    try {
      message = JSON.parse(text) as typeof message;
    } catch {
      this.lost();
      return;
    }
    if (message.type === 'welcome') {
      // Sequence numbers of another life of the server mean nothing in this one.
      const run = typeof message.run === 'string' ? message.run : '';
      const resume = run !== '' && run === this.run && this.seq >= 0;
      this.run = run;
      this.current = { ...this.current, server: typeof message.server === 'string' ? message.server : '' };
      this.subscribe(resume);
    } else if (message.type === 'error' && message.id === this.id && this.seq < 0) {
      this.sink.refused(String(message.code ?? ''), String(message.message ?? 'the server gave no reason'));
    }
  }

  private subscribe(resume: boolean): void {
    if (!resume) this.seq = -1;
    const since = resume ? { since: this.seq, run: this.run } : {};
    this.send({ type: 'subscribe', id: ++this.id, path: this.options.path, ...since });
    if (resume) this.live(); // nothing may have changed, then no frame comes
  }

  /** again drops the subscription and asks for a fresh snapshot under a new id, so that late frames of the old one are told apart. */
  private again(): void {
    this.send({ type: 'unsubscribe', id: this.id });
    this.seq = -1;
    this.subscribe(false);
  }

  private live(): void {
    if (this.current.state !== 'live') this.say({ state: 'live', tries: 0 });
  }

  private frame(buffer: ArrayBuffer): void {
    let snapshot: SnapshotHead | undefined;
    let delta: DeltaHead | undefined;
    let gap = false;
    const { sink } = this;
    try {
      readFrame(buffer, {
        snapshot: (head) => {
          if (head.id !== this.id) return false;
          snapshot = head;
          sink.begin(head);
          return true;
        },
        delta: (head) => {
          if (head.id !== this.id) return false;
          gap = this.seq < 0 || head.from > this.seq;
          if (gap) return false;
          delta = head;
          // A delta says how things are, not by how much they changed: one that
          // begins before what is known may be applied, one that ends before it not.
          return head.seq > this.seq;
        },
        removed: (index) => sink.removed(index),
        node: (record) => sink.node(record),
        number: (index, status, value) => sink.number(index, status, value, delta!.time),
        state: (index, state, since) => sink.state(index, state, since),
      });
    } catch (error) {
      // What of the frame was applied is replaced by a snapshot of the next
      // connection, after a pause: the server may have nothing but broken frames.
      console.warn('grove: live feed:', error);
      this.seq = -1;
      this.lost();
      return;
    }
    if (gap) {
      this.again();
      return;
    }
    if (snapshot) {
      this.seq = snapshot.seq;
      sink.finish(snapshot);
    } else if (delta) {
      this.seq = Math.max(this.seq, delta.seq);
      sink.applied(delta);
    } else {
      return;
    }
    this.send({ type: 'ack', id: this.id, seq: this.seq });
    this.live();
  }
}
