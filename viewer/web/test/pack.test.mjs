// How the tiles of the overview are packed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack, shapesOf } from '../node_modules/.cache/grove/model.mjs';

const limits = { least: 9, most: Infinity, highest: Infinity, rest: 34 };

/** check sees that boxes lie in the room and on no other. */
function check({ boxes, rest }, width, height) {
  const all = rest ? [...boxes, rest] : boxes;
  const sorted = [...all].sort((a, b) => a.y - b.y || a.x - b.x);
  for (const b of all) {
    assert.ok(b.x > -0.01 && b.y > -0.01 && b.x + b.w < width + 0.01 && b.y + b.h < height + 0.01, JSON.stringify(b));
    assert.ok(b.w > 8.99 && b.h > 8.99, `a mark has room: ${JSON.stringify(b)}`);
  }
  for (let i = 0; i < Math.min(sorted.length, 1000); i++) {
    for (let k = i + 1; k < sorted.length && sorted[k].y < sorted[i].y + sorted[i].h - 0.01; k++) {
      const [a, b] = [sorted[i], sorted[k]];
      assert.ok(a.x + a.w < b.x + 0.01 || b.x + b.w < a.x + 0.01 || a.y + a.h < b.y + 0.01, `${JSON.stringify(a)} lies on ${JSON.stringify(b)}`);
    }
  }
}

/** sizes are numbers of attributes that look like those of real trees: many small, few large; always the same. */
function sizes(n, seed = 7) {
  let x = seed;
  return Array.from({ length: n }, () => {
    x = (x * 16807) % 2147483647;
    return Math.max(1, Math.round(Math.exp((x / 2147483647) * 8)));
  });
}

for (const n of [1, 2, 3, 7, 10, 64, 199, 200, 201, 1000, 5000, 10_000, 30_000]) {
  for (const [width, height] of [[1200, 700], [366, 520], [3000, 1500], [400, 90]]) {
    test(`${n} tiles in ${width} by ${height}`, () => {
      const packed = pack(shapesOf(sizes(n)), width, height, limits);
      check(packed, width, height);
      assert.equal(packed.boxes.length === n, packed.rest === undefined, 'what is left out is told');
      if (n <= 200) {
        const full = packed.boxes.reduce((sum, b) => sum + b.w * b.h, 0) / (width * height);
        assert.ok(full > 0.75 || packed.rest, `${Math.round(100 * full)} % of the room is used`);
      }
    });
  }
}

test('no room and no tiles are no boxes', () => {
  assert.deepEqual(pack([], 100, 100, limits).boxes, []);
  assert.deepEqual(pack([[1, 1]], 5, 100, limits).boxes, []);
  assert.equal(pack(shapesOf(sizes(50)), 40, 40, { ...limits, rest: 0 }).rest, undefined);
});

test('the order is kept and the size goes by the number of attributes', () => {
  assert.deepEqual(shapesOf([10, 10, 20, 40, 100, 1000, 10]), [[1, 1], [1, 1], [1, 1], [2, 1], [2, 2], [4, 3], [1, 1]]);
  const { boxes } = pack(Array.from({ length: 30 }, () => [1, 1]), 600, 300, limits);
  for (let i = 1; i < boxes.length; i++) assert.ok(boxes[i].y > boxes[i - 1].y || boxes[i].x > boxes[i - 1].x);
});
