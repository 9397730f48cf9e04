// The live feed's binary frames (subprotocol grove.live.v2.binary), little endian,
// with uvarint as in Go's encoding/binary. The decoder walks a frame once and hands
// every record to a sink in one reused object, so that a snapshot of 100,000 nodes
// makes no object per node.

export const White = 0;
export const Green = 1;
export const Yellow = 2;
export const Red = 3;
export type Status = 0 | 1 | 2 | 3;
export const statusWords = ['white', 'green', 'yellow', 'red'] as const;
export type StatusWord = (typeof statusWords)[number];

export const Group = 0;
export const StatusKind = 2;
export const kindWords = ['group', 'performance', 'status', 'log', 'text'] as const;

/** State is the part of a node that changes with readings. */
export interface State {
  status: Status;
  flapping: boolean;
  pending: boolean; // a hold time is running towards another status
  hasNumber: boolean;
  number: number;
  text: string | undefined;
  hasCounts: boolean;
  counts: [number, number, number, number]; // leaves below: white, green, yellow, red
  reason: string; // why it is white
}

/** NodeRecord is a node as a snapshot or a delta gives it. */
export interface NodeRecord {
  index: number;
  parent: number; // its own index for the root of the view
  kind: number;
  name: string;
  unit: string;
  since: number; // unix milliseconds, 0 when not known
  hidden: boolean; // something below that this viewer may not see contributes to its status
  children: number; // how many children it has, those that do not show included
  state: State;
}

export interface SnapshotHead {
  id: number;
  seq: number;
  time: number; // unix milliseconds of the server
  count: number;
}

export interface DeltaHead {
  id: number;
  from: number;
  seq: number;
  time: number;
}

/** Sink takes what a frame says. Records are reused: copy what is to be kept. */
export interface Sink {
  snapshot(head: SnapshotHead): boolean; // false: not wanted, the rest is skipped
  delta(head: DeltaHead): boolean;
  removed(index: number): void;
  node(record: NodeRecord): void;
  number(index: number, status: Status, value: number): void;
  state(index: number, state: State, since: number): void; // since as in NodeRecord
}

/** FrameError says what is wrong with a frame and where. */
export class FrameError extends Error {
  constructor(
    what: string,
    readonly offset: number,
  ) {
    super(`frame: ${what} at byte ${offset}`);
    this.name = 'FrameError';
  }
}

const frameSnapshot = 0x53;
const frameDelta = 0x44;

/** Indexes become array sizes, so one that no real tree has is refused. */
export const maxIndex = 1 << 24;

const bitNumber = 4;
const bitText = 8;
const bitCounts = 16;
const bitReason = 32;
const bitFlapping = 64;
const bitPending = 128;

const flagHidden = 1;

const utf8 = new TextDecoder('utf-8');

class Reader {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly strings: string[] = [];
  private readonly record: NodeRecord = {
    index: 0,
    parent: 0,
    kind: 0,
    name: '',
    unit: '',
    since: 0,
    hidden: false,
    children: 0,
    state: {
      status: White,
      flapping: false,
      pending: false,
      hasNumber: false,
      number: 0,
      text: undefined,
      hasCounts: false,
      counts: [0, 0, 0, 0],
      reason: '',
    },
  };

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  done(): boolean {
    return this.at === this.bytes.length;
  }

  fail(what: string): never {
    throw new FrameError(what, this.at);
  }

  byte(): number {
    if (this.at >= this.bytes.length) this.fail('ends too early');
    return this.bytes[this.at++]!;
  }

  /** uvarint reads up to 2^53: sequence numbers and milliseconds pass 32 bits. */
  uvarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const b = this.byte();
      value += (b & 0x7f) * scale;
      if (b < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) this.fail('number beyond 2^53');
        return value;
      }
      scale *= 128;
    }
    return this.fail('number of more than eight bytes');
  }

  index(): number {
    const i = this.uvarint();
    if (i >= maxIndex) this.fail(`node index ${i} beyond ${maxIndex}`);
    return i;
  }

  /** count reads how many records of at least size bytes follow. */
  count(size: number): number {
    const n = this.uvarint();
    if (n * size > this.bytes.length - this.at) this.fail(`${n} records in ${this.bytes.length - this.at} bytes`);
    return n;
  }

  float(): number {
    if (this.at + 4 > this.bytes.length) this.fail('ends too early');
    const v = this.view.getFloat32(this.at, true);
    this.at += 4;
    return v;
  }

  string(): string {
    const r = this.uvarint();
    if (r > 0) {
      const s = this.strings[r - 1];
      if (s === undefined) this.fail(`string ${r} of ${this.strings.length}`);
      return s;
    }
    const n = this.count(1);
    const s = utf8.decode(this.bytes.subarray(this.at, this.at + n));
    this.at += n;
    this.strings.push(s);
    return s;
  }

  state(): State {
    const s = this.record.state;
    const bits = this.byte();
    s.status = (bits & 3) as Status;
    s.flapping = (bits & bitFlapping) !== 0;
    s.pending = (bits & bitPending) !== 0;
    s.hasNumber = (bits & bitNumber) !== 0;
    s.number = s.hasNumber ? this.float() : NaN;
    s.text = (bits & bitText) !== 0 ? this.string() : undefined;
    s.hasCounts = (bits & bitCounts) !== 0;
    for (let i = 0; i < 4; i++) s.counts[i] = s.hasCounts ? this.uvarint() : 0;
    s.reason = (bits & bitReason) !== 0 ? this.string() : '';
    return s;
  }

  node(): NodeRecord {
    const r = this.record;
    r.index = this.index();
    r.parent = this.index();
    r.kind = this.byte();
    if (r.kind >= kindWords.length) this.fail(`unknown kind ${r.kind}`);
    r.hidden = (this.byte() & flagHidden) !== 0;
    r.children = this.uvarint();
    r.name = this.string();
    r.unit = this.string();
    r.since = this.uvarint();
    this.state();
    return r;
  }
}

/** readFrame decodes one frame into the sink; it throws FrameError on a malformed one. */
export function readFrame(buffer: ArrayBuffer, sink: Sink): void {
  const r = new Reader(buffer);
  const type = r.byte();
  if (type === frameSnapshot) {
    const id = r.uvarint();
    const seq = r.uvarint();
    const time = r.uvarint();
    const count = r.count(9);
    if (!sink.snapshot({ id, seq, time, count })) return;
    for (let i = 0; i < count; i++) sink.node(r.node());
  } else if (type === frameDelta) {
    const id = r.uvarint();
    const from = r.uvarint();
    const seq = r.uvarint();
    const time = r.uvarint();
    if (!sink.delta({ id, from, seq, time })) return;
    const removed = r.count(1);
    for (let i = 0; i < removed; i++) sink.removed(r.index());
    const placed = r.count(9);
    for (let i = 0; i < placed; i++) sink.node(r.node());
    const changes = r.count(2);
    let index = 0;
    for (let i = 0; i < changes; i++) {
      const v = r.uvarint();
      index += Math.floor(v / 8);
      if (index >= maxIndex) r.fail(`node index ${index} beyond ${maxIndex}`);
      if ((v & 4) !== 0) {
        const since = r.uvarint();
        sink.state(index, r.state(), since);
      } else sink.number(index, (v & 3) as Status, r.float());
    }
  } else {
    r.fail(`unknown type 0x${type.toString(16)}`);
  }
  if (!r.done()) r.fail('more bytes than the frame says');
}
