// What a screen reader is told of changes: at most one sentence every few seconds,
// the worst change first and how many there were besides.

import { type Status, statusWords } from './wire';

const pauseMs = 6000;

export class Announcer {
  private changes = 0;
  private worst: { path: string; to: Status } | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastAt = -pauseMs;

  constructor(private readonly say: (sentence: string) => void) {}

  /** note takes a change of an attribute; path is asked for only if it is told. */
  note(path: () => string, to: Status): void {
    this.changes++;
    if (!this.worst || to > this.worst.to) this.worst = { path: path(), to };
    this.timer ??= setTimeout(() => this.tell(), Math.max(300, this.lastAt + pauseMs - performance.now()));
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private tell(): void {
    this.timer = undefined;
    if (!this.worst) return;
    const others = this.changes - 1;
    const more = others === 0 ? '' : others === 1 ? ' One more node changed.' : ` ${others} more nodes changed.`;
    this.say(`${this.worst.path} turned ${statusWords[this.worst.to]}.${more}`);
    this.changes = 0;
    this.worst = undefined;
    this.lastAt = performance.now();
  }
}
