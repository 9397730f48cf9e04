// Everything about one node, read over REST: at once when another node or another moment
// is shown, and again, but not often, when its status or value changed.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem, type NodeDetail, get, nodeUrl } from '../api';

const calmMs = 400; // after a change
const walkMs = 150; // between two nodes when they are walked through
const againMs = 3000; // between two readings of the same node

/** NodeAnswer is what GET nodes/{path} says besides what is in NodeDetail. */
export interface NodeAnswer extends NodeDetail {
  hidden?: boolean;
  properties?: { name: string; value: string; from?: string }[];
  resource?: string;
  beans?: Source[];
  operations?: Operation[];
  may?: ('ask' | 'push' | 'operate' | 'thresholds')[];
}

/** Source is a runtime bean that feeds the node. */
export interface Source {
  source: string;
  bean: string;
  instance: string;
  kind: string;
  resource?: string;
  mode: string;
  started: boolean;
  every?: string; // "10s"
  timeout?: string;
  last_run?: string;
  duration_seconds?: number;
  error?: string;
  runs: number;
  failures: number;
  missed: number;
  next?: string;
}

/** Operation is what the asker may do with one of the node's beans. */
export interface Operation {
  bean: string;
  source?: string; // absent: the monitor bean of the node
  name: string;
  description?: string;
  parameters?: { name: string; type: string; description?: string; unit?: string }[];
  returns: string;
  impact: 'info' | 'action' | 'action-info' | 'unknown';
}

export interface Reading {
  node: NodeAnswer | undefined;
  error: string; // in the server's words
  /** take shows an answer that came with something else. */
  take(node: NodeAnswer): void;
  again(): void;
}

/** useNode reads a node; mark is whatever changes when it should be read again. */
export function useNode(path: string, at: number | undefined, mark: string): Reading {
  const key = `${path} ${at ?? ''}`;
  const [kept, keep] = useState<{ key: string; node: NodeAnswer | undefined; error: string }>({ key, node: undefined, error: '' });
  const job = useRef(new Job());
  useEffect(() => job.current.watch(key, mark, (signal) => read(path, at, signal), (node, error) =>
    keep((before) => ({ key, node: node ?? (before.key === key ? before.node : undefined), error })),
  ), [key, mark]);
  useEffect(() => () => job.current.stop(), []);
  const mine = kept.key === key;
  return {
    node: mine ? kept.node : undefined,
    error: mine ? kept.error : '',
    take: (node) => keep({ key, node, error: '' }),
    again: () => job.current.now(),
  };
}

async function read(path: string, at: number | undefined, signal: AbortSignal): Promise<NodeAnswer> {
  const then = at === undefined ? '' : `?at=${encodeURIComponent(new Date(at).toISOString())}`;
  return get<NodeAnswer>(nodeUrl(path) + then, signal);
}

type Done = (node: NodeAnswer | undefined, error: string) => void;

/** Job reads one thing at a time, and no more often than is good. */
class Job {
  private key: string | undefined;
  private mark = '';
  private readAt = -Infinity;
  private switchedAt = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;
  private read: ((signal: AbortSignal) => Promise<NodeAnswer>) | undefined;
  private done: Done = () => {};

  watch(key: string, mark: string, read: (signal: AbortSignal) => Promise<NodeAnswer>, done: Done): void {
    this.read = read;
    this.done = done;
    if (key !== this.key) {
      this.stop();
      this.key = key;
      this.mark = mark;
      // Whoever walks through the tree by key reads where he stops.
      const now = performance.now();
      if (now - this.switchedAt < walkMs) this.wait(walkMs);
      else this.now();
      this.switchedAt = now;
    } else if (mark !== this.mark) {
      this.mark = mark;
      if (this.timer === undefined) this.wait(Math.max(calmMs, this.readAt + againMs - performance.now()));
    }
  }

  private wait(ms: number): void {
    this.timer = setTimeout(() => this.now(), ms);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.abort?.abort();
    this.abort = undefined;
    this.key = undefined;
  }

  now(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    const done = this.done;
    this.readAt = performance.now();
    this.read?.(abort.signal).then(
      (node) => abort.signal.aborted || done(node, ''),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        done(undefined, error.message);
      },
    );
  }
}
