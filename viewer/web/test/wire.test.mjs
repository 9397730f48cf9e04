import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameError, readFrame } from '../node_modules/.cache/grove/model.mjs';
import { FrameWriter, delta, snapshot } from './encode.mjs';

/** collect reads a frame into plain copies of what the sink was told. */
function collect(buffer, wanted = true) {
  const told = [];
  const bytes = new Uint8Array(buffer);
  readFrame(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), {
    snapshot: (head) => (told.push(['snapshot', head]), wanted),
    delta: (head) => (told.push(['delta', head]), wanted),
    removed: (index) => told.push(['removed', index]),
    node: (r) => told.push(['node', structuredClone(r)]),
    number: (...args) => told.push(['number', ...args]),
    state: (index, state, since) => told.push(['state', index, structuredClone(state), since]),
  });
  return told;
}

const quiet = { flapping: false, pending: false, hasNumber: false, number: NaN, text: undefined, hasCounts: false, counts: [0, 0, 0, 0], reason: '' };

test('a snapshot gives its nodes in order', () => {
  const told = collect(
    snapshot({
      id: 7,
      seq: 2 ** 40 + 3,
      time: 1_790_000_000_123,
      nodes: [
        { index: 0, parent: 0, kind: 0, name: '', hidden: true, children: 300, since: 0, status: 3, counts: [1, 20_000, 0, 2] },
        { index: 300, parent: 0, kind: 1, name: 'Größe ✓', unit: 'bytes', since: 1_790_000_000_000, status: 1, value: 1.5 },
        { index: 2, parent: 0, kind: 2, name: 'Status', unit: 'bytes', status: 0, value: 'down', reason: 'no reading', flapping: true, pending: true },
      ],
    }),
  );
  assert.deepEqual(told, [
    ['snapshot', { id: 7, seq: 2 ** 40 + 3, time: 1_790_000_000_123, count: 3 }],
    ['node', { index: 0, parent: 0, kind: 0, hidden: true, children: 300, name: '', unit: '', since: 0, state: { ...quiet, status: 3, hasCounts: true, counts: [1, 20_000, 0, 2] } }],
    [
      'node',
      { index: 300, parent: 0, kind: 1, hidden: false, children: 0, name: 'Größe ✓', unit: 'bytes', since: 1_790_000_000_000, state: { ...quiet, status: 1, hasNumber: true, number: 1.5 } },
    ],
    [
      'node',
      { index: 2, parent: 0, kind: 2, hidden: false, children: 0, name: 'Status', unit: 'bytes', since: 0, state: { ...quiet, status: 0, text: 'down', reason: 'no reading', flapping: true, pending: true } },
    ],
  ]);
});

test('a delta gives what went, what came and what changed', () => {
  const told = collect(
    delta({
      from: 4,
      seq: 9,
      time: 5,
      removed: [3, 200],
      placed: [{ index: 3, parent: 1, kind: 1, name: 'new', status: 0 }],
      changes: [
        { index: 0, status: 2, value: 0.25 },
        { index: 1000, status: 3, full: true, since: 77, value: 'x' },
        { index: 1001, status: 1, value: -2 },
      ],
    }),
  );
  assert.deepEqual(told, [
    ['delta', { id: 1, from: 4, seq: 9, time: 5 }],
    ['removed', 3],
    ['removed', 200],
    ['node', { index: 3, parent: 1, kind: 1, hidden: false, children: 0, name: 'new', unit: '', since: 0, state: { ...quiet, status: 0 } }],
    ['number', 0, 2, 0.25],
    ['state', 1000, { ...quiet, status: 3, text: 'x' }, 77],
    ['number', 1001, 1, -2],
  ]);
});

test('the bytes are those of the protocol', () => {
  // 'D', id 1, from 1, seq 2, time 0, nothing removed or placed, one change:
  // index 5, plain, red: 5<<3|3 = 43, then 1.0 as a little-endian single.
  const bytes = Buffer.from([0x44, 1, 1, 2, 0, 0, 0, 1, 43, 0, 0, 0x80, 0x3f]);
  assert.deepEqual(bytes, delta({ from: 1, seq: 2, changes: [{ index: 5, status: 3, value: 1 }] }));
  assert.deepEqual(collect(bytes).at(-1), ['number', 5, 3, 1]);
});

test('a frame that is not wanted is not read on', () => {
  assert.equal(collect(delta({ from: 1, seq: 2, removed: [1] }), false).length, 1);
});

test('malformed frames say what and where', () => {
  const cases = {
    'nothing': [Buffer.alloc(0), 'frame: ends too early at byte 0'],
    'another type': [Buffer.from([0x58]), 'frame: unknown type 0x58 at byte 1'],
    'cut off': [Buffer.from([0x53, 1]), 'frame: ends too early at byte 2'],
    'more records than bytes': [Buffer.from([0x53, 1, 1, 1, 100]), 'frame: 100 records in 0 bytes at byte 5'],
    'a number without end': [Buffer.from([0x53, ...Array(9).fill(0x80)]), 'frame: number of more than eight bytes at byte 9'],
    'a number too large': [Buffer.from([0x53, ...Array(7).fill(0xff), 0x7f]), 'frame: number beyond 2^53 at byte 9'],
    'a string that was not': [
      new FrameWriter().u8(0x53).uvarint(1).uvarint(1).uvarint(0).uvarint(1).uvarint(0).uvarint(0).u8(0).u8(0).uvarint(0).uvarint(9).uvarint(0).u8(0).u8(0).buffer(),
      'frame: string 9 of 0 at byte 11',
    ],
    'an unknown kind': [
      new FrameWriter().u8(0x53).uvarint(1).uvarint(1).uvarint(0).uvarint(1).uvarint(0).uvarint(0).u8(9).u8(0).uvarint(0).string('abc').buffer(),
      'frame: unknown kind 9 at byte 8',
    ],
    'an index beyond reason': [delta({ from: 1, seq: 2, removed: [2 ** 30] }), 'frame: node index 1073741824 beyond 16777216 at byte 11'],
    'a gap beyond reason': [delta({ from: 1, seq: 2, changes: [{ index: 2 ** 30, status: 0, value: 0 }] }), 'frame: node index 1073741824 beyond 16777216 at byte 13'],
    'bytes left over': [Buffer.concat([delta({ from: 1, seq: 2 }), Buffer.from([0])]), 'frame: more bytes than the frame says at byte 8'],
  };
  for (const [name, [bytes, message]] of Object.entries(cases)) {
    assert.throws(() => collect(bytes), (error) => error instanceof FrameError && (assert.equal(error.message, message, name), true));
  }
});

test('no mangled frame does anything but read or fail with a FrameError', () => {
  const good = snapshot({
    seq: 5,
    nodes: Array.from({ length: 20 }, (_, i) => ({ index: i, parent: 0, kind: i ? 1 : 0, name: `n${i % 5}`, unit: 's', status: i % 4, value: i, counts: i ? undefined : [1, 2, 3, 4] })),
  });
  let random = 12345;
  const next = (n) => (random = (random * 1103515245 + 12345) % 2147483648) % n;
  for (let i = 0; i < 5000; i++) {
    const bytes = Buffer.from(good.subarray(0, 1 + next(good.length)));
    for (let k = next(4); k >= 0; k--) bytes[next(bytes.length)] = next(256);
    try {
      collect(bytes);
    } catch (error) {
      assert.ok(error instanceof FrameError, String(error.stack));
    }
  }
});
