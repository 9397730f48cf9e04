// Writes the frames of the live feed in binary, as the server does. A string table
// belongs to one frame.

export class FrameWriter {
  bytes = [];
  table = new Map();

  u8(v) {
    this.bytes.push(v & 255);
    return this;
  }

  uvarint(v) {
    while (v >= 128) {
      this.bytes.push((v % 128) | 128);
      v = Math.floor(v / 128);
    }
    this.bytes.push(v);
    return this;
  }

  f32(v) {
    const b = Buffer.alloc(4);
    b.writeFloatLE(v);
    this.bytes.push(...b);
    return this;
  }

  string(s) {
    const known = this.table.get(s);
    if (known) return this.uvarint(known);
    this.table.set(s, this.table.size + 1);
    const b = Buffer.from(s);
    this.uvarint(0).uvarint(b.length);
    for (const x of b) this.bytes.push(x);
    return this;
  }

  // s: {status, value: number|string|undefined, counts?, reason?, flapping?, pending?}
  state(s) {
    const number = typeof s.value === 'number';
    const text = typeof s.value === 'string';
    this.u8(
      s.status | (number ? 4 : 0) | (text ? 8 : 0) | (s.counts ? 16 : 0) | (s.reason ? 32 : 0) | (s.flapping ? 64 : 0) | (s.pending ? 128 : 0),
    );
    if (number) this.f32(s.value);
    if (text) this.string(s.value);
    if (s.counts) for (const c of s.counts) this.uvarint(c);
    if (s.reason) this.string(s.reason);
    return this;
  }

  // n: {index, parent, kind, hidden, children, name, unit, since} and a state
  node(n) {
    const children = Array.isArray(n.children) ? n.children.length : (n.children ?? 0);
    return this.uvarint(n.index).uvarint(n.parent).u8(n.kind).u8(n.hidden ? 1 : 0).uvarint(children).string(n.name).string(n.unit ?? '').uvarint(n.since ?? 0).state(n);
  }

  buffer() {
    return Buffer.from(this.bytes);
  }
}

export function snapshot({ id = 1, seq, time = 0, nodes }) {
  const w = new FrameWriter().u8(0x53).uvarint(id).uvarint(seq).uvarint(time).uvarint(nodes.length);
  for (const n of nodes) w.node(n);
  return w.buffer();
}

// changes: {index, status, value} that are plain, or with full: true, since and a whole state
export function delta({ id = 1, from, seq, time = 0, removed = [], placed = [], changes = [] }) {
  const w = new FrameWriter().u8(0x44).uvarint(id).uvarint(from).uvarint(seq).uvarint(time).uvarint(removed.length);
  for (const i of removed) w.uvarint(i);
  w.uvarint(placed.length);
  for (const n of placed) w.node(n);
  w.uvarint(changes.length);
  let last = 0;
  for (const c of [...changes].sort((a, b) => a.index - b.index)) {
    w.uvarint((c.index - last) * 8 + (c.full ? 4 : 0) + c.status);
    last = c.index;
    if (c.full) w.uvarint(c.since ?? 0).state(c);
    else w.f32(c.value);
  }
  return w.buffer();
}
