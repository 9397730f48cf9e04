// How many alerts there are, and that they changed: one stream of the server for all pages
// of this browser, so that many tabs do not use up the connections that a browser allows
// to one address. The tab that holds a lock listens and tells the others. Where a browser
// gives no locks, which is on addresses that are not secure, each tab listens as long as
// it is looked at.

import { type Counts, streamUrl } from './api';

/** Told is what the tab that listens says to the others. */
interface Told {
  counts?: Counts;
  ask?: true; // a tab is new, and knows nothing
}

const againMs = 3000;
const longestMs = 60_000; // between two tries of a stream that the server does not give
const calmMs = 600; // between two readings of what is shown
const hiddenMs = 30_000; // how long a tab without a lock listens behind others

export class AlertStream {
  counts: Counts = {};
  /** known says that the server has told the counts. */
  known = false;
  /** leads says that this tab listens for all; it alone notifies. */
  leads = false;
  private readonly listeners = new Set<() => void>();
  private readonly channel: BroadcastChannel | undefined;
  private source: EventSource | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted = false;
  private asked = false;
  private tries = 0;

  constructor() {
    const name = `grove alerts ${new URL('.', document.baseURI).href}`;
    this.channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(name);
    this.channel?.addEventListener('message', (event: MessageEvent<Told>) => this.hear(event.data));
    document.addEventListener('visibilitychange', () => this.connect());
  }

  /** live says whether the server can be reached, and somebody may ask. */
  live(yes: boolean): void {
    if (yes === this.wanted) return;
    this.wanted = yes;
    if (yes && !this.asked) this.lead();
    this.connect();
  }

  /** onChange tells of every change of alerts; it returns what ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private lead(): void {
    this.asked = true;
    this.channel?.postMessage({ ask: true } satisfies Told);
    void navigator.locks?.request(new URL('.', document.baseURI).href + ' alerts', () => {
      this.leads = true;
      this.connect();
      return new Promise<never>(() => {}); // until the tab is closed
    });
  }

  private hear(told: Told): void {
    if (told.ask) {
      if (this.leads && this.known) this.channel?.postMessage({ counts: this.counts } satisfies Told);
    } else if (told.counts && !this.leads) this.tell(told.counts);
  }

  /** connect listens or stops listening, as it should be by now. */
  private connect(): void {
    clearTimeout(this.timer);
    const locks = navigator.locks !== undefined && this.channel !== undefined;
    const should = this.wanted && (locks ? this.leads : true);
    if (!should) {
      this.source?.close();
      this.source = undefined;
      return;
    }
    if (!locks && document.visibilityState === 'hidden') {
      this.timer = setTimeout(() => {
        this.source?.close();
        this.source = undefined;
      }, hiddenMs);
      return;
    }
    if (this.source) return;
    const source = (this.source = new EventSource(streamUrl));
    source.addEventListener('changed', (event: MessageEvent<string>) => {
      let counts: Counts | undefined;
      try {
        counts = (JSON.parse(event.data) as { counts?: Counts }).counts;
      } catch {
        return; // not of ours
      }
      this.tries = 0;
      this.tell(counts ?? this.counts);
      this.channel?.postMessage({ counts: this.counts } satisfies Told);
    });
    source.onerror = () => {
      source.close();
      if (this.source !== source) return;
      this.source = undefined;
      this.timer = setTimeout(() => this.connect(), Math.min(longestMs, againMs * 2 ** this.tries++));
    };
  }

  private tell(counts: Counts): void {
    this.counts = counts;
    this.known = true;
    for (const listener of this.listeners) listener();
  }
}

/** Calm does something again when it is due, but not more often than is good. */
export class Calm {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = -Infinity;

  constructor(private readonly act: () => void) {}

  due(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.last = performance.now();
      this.act();
    }, Math.max(50, this.last + calmMs - performance.now()));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
