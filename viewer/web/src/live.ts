// A live part of the tree for a page: useLive(request) keeps a model of the nodes that
// the request shows, and draws the page again at most once a frame when they change.

import { useEffect, useReducer, useRef } from 'preact/hooks';
import { useApp } from './app';
import type { Feed, LiveRequest, LiveSink } from './feed';
import { Tree } from './tree';
import type { DeltaHead, NodeRecord, SnapshotHead, State, Status } from './wire';

export interface Live {
  tree: Tree; // another one after every snapshot; its paths are those of the whole tree
  version: number; // grows with every change of it
  loaded: boolean; // the first snapshot is here
  refusal: string; // why the server gives nothing, in its words
  hits: number; // matches of the filter, on the server
}

/** Mirror keeps a model of what a watch is told. */
class Mirror implements LiveSink {
  live: Live;
  private incoming: Tree | undefined;
  private scheduled = 0;

  /** What another request for the same path knew shows until the first snapshot, so that nothing flickers. */
  constructor(
    private readonly path: string,
    private readonly draw: () => void,
    before: Mirror | undefined,
  ) {
    this.live = before?.path === path ? { ...before.live, refusal: '' } : { tree: new Tree(0, path), version: 0, loaded: false, refusal: '', hits: 0 };
  }

  watch(feed: Feed, request: LiveRequest): () => void {
    const watch = feed.watch(request, this);
    return () => {
      watch.stop();
      cancelAnimationFrame(this.scheduled);
    };
  }

  private changed(change: Partial<Live> = {}): void {
    this.live = { ...this.live, ...change, version: this.live.version + 1 };
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      this.draw();
    });
  }

  begin(head: SnapshotHead): void {
    this.incoming = new Tree(head.count + 16, this.path);
  }

  node(record: NodeRecord): void {
    (this.incoming ?? this.live.tree).place(record, performance.now());
  }

  finish(): void {
    const tree = this.incoming!;
    this.incoming = undefined;
    this.changed({ tree, loaded: true, refusal: '' });
  }

  removed(index: number): void {
    this.live.tree.remove(index);
  }

  number(index: number, status: Status, value: number, time: number): void {
    this.live.tree.setNumber(index, status, value, time, performance.now());
  }

  state(index: number, state: State, since: number): void {
    this.live.tree.setState(index, state, since, performance.now());
  }

  applied(_: DeltaHead): void {
    this.changed();
  }

  refused(code: string, message: string): void {
    // What was known is of another moment. A node that went is not refused, but gone.
    this.changed({ tree: new Tree(0, this.path), loaded: this.live.loaded && code === 'no_such_node', hits: 0, refusal: message || code });
  }

  matches(hits: number): void {
    this.changed({ hits });
  }
}

/** useLive watches what the request shows, at the moment that the page shows; undefined watches nothing. */
export function useLive(request: LiveRequest | undefined): Live {
  const app = useApp();
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const key = request === undefined ? '' : JSON.stringify({ at: app.at, ...request });
  const mirror = useRef<{ key: string; of: Mirror } | undefined>(undefined);
  if (mirror.current?.key !== key) {
    mirror.current = { key, of: new Mirror(request?.path ?? '/', () => draw(undefined), mirror.current?.of) };
  }
  useEffect(() => (key === '' ? undefined : mirror.current!.of.watch(app.feed, JSON.parse(key) as LiveRequest)), [key, app.feed]);
  return mirror.current.of.live;
}
