// The details of the selected node, read over REST: at once when another node is
// selected, and again, but not often, when its status or value changed.

import { type NodeDetail, Problem, fetchNode } from './api';

const calmMs = 400; // after a change
const walkMs = 150; // between two nodes when they are walked through
const againMs = 3000; // between two readings of the same node

export interface Detail {
  path: string;
  node: NodeDetail | undefined;
  error: string;
}

export class DetailReader {
  private path: string | undefined;
  private mark = '';
  private readAt = -Infinity;
  private switchedAt = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;
  private kept: Detail = { path: '', node: undefined, error: '' };

  constructor(private readonly done: (detail: Detail) => void) {}

  /** watch reads a node when it is another one, and again when mark changed. */
  watch(path: string | undefined, mark: string): void {
    if (path !== this.path) {
      this.stop();
      this.path = path;
      this.mark = mark;
      if (path !== undefined) {
        this.kept = { path, node: undefined, error: '' };
        this.done(this.kept);
        // Whoever walks through the tree by key reads where he stops.
        const now = performance.now();
        if (now - this.switchedAt < walkMs) this.timer = setTimeout(() => void this.read(path), walkMs);
        else void this.read(path);
        this.switchedAt = now;
      }
      return;
    }
    if (mark === this.mark || path === undefined) return;
    this.mark = mark;
    this.timer ??= setTimeout(() => void this.read(path), Math.max(calmMs, this.readAt + againMs - performance.now()));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.abort?.abort();
    this.path = undefined;
    this.readAt = -Infinity;
  }

  private async read(path: string): Promise<void> {
    this.timer = undefined;
    this.readAt = performance.now();
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    try {
      this.kept = { path, node: await fetchNode(path, abort.signal), error: '' };
    } catch (error) {
      if (abort.signal.aborted) return;
      this.kept = { ...this.kept, error: error instanceof Problem ? error.message : String(error) };
    }
    if (!abort.signal.aborted) this.done(this.kept);
  }
}
