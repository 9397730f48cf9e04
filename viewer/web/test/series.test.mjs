// The models of the node panel: levels as definitions write them, and the series of a
// chart that goes on with what is live.

import assert from 'node:assert/strict';
import test from 'node:test';
import { add, backOf, bandAt, linesOf, parseLevel, rowsOf, shares, slide, summary } from '../node_modules/.cache/grove/model.mjs';

test('levels are read as the server reads them, as far as a chart needs', () => {
  const cases = [
    ['> 500', '', { form: 'above', borders: [500], off: [500] }],
    ['> 500 for 30s', '10%', { form: 'above', borders: [500], off: [450] }],
    ['  <5 ', '1', { form: 'below', borders: [5], off: [6] }],
    ['> -10', '50%', { form: 'above', borders: [-10], off: [-15] }],
    ['outside 10..20', '2', { form: 'outside', borders: [10, 20], off: [12, 18] }],
    ['inside 1 .. 3 for 1m', '1', { form: 'inside', borders: [1, 3], off: [0, 4] }],
    ['> 1_000', '', { form: 'above', borders: [1000], off: [1000] }],
    ['> 2 GiB', '', { form: 'above', borders: [2 ** 31], off: [2 ** 31] }],
    ['> 90%', '', { form: 'above', borders: [90], off: [90] }],
    ['> 1e3', 'x', { form: 'above', borders: [1000], off: [1000] }],
  ];
  for (const [text, back, want] of cases) assert.deepEqual(parseLevel(text, back), want, `${text} back ${back}`);
  for (const text of ['', 'never', '>', '>= 5', '> 5x', 'over 5', 'outside 10', 'inside a..b', '> .']) assert.equal(parseLevel(text), undefined, text);
});

test('the levels in force are left where the server says', () => {
  assert.deepEqual(linesOf({ yellow: '> 500', red: 'outside 1..9', back: { yellow: [450] } }), [
    { status: 2, level: { form: 'above', borders: [500], off: [450] } },
    { status: 3, level: { form: 'outside', borders: [1, 9], off: [1, 9] } },
  ]);
  assert.deepEqual(linesOf(undefined), []);
});

test('a hysteresis is written as an editor wants it', () => {
  const cases = [
    [{ yellow: '> 500', back: { yellow: [450] } }, '10%'],
    [{ yellow: '> 300', back: { yellow: [250] } }, '50'],
    [{ yellow: '> 0.7', back: { yellow: [0.4] } }, '0.3'],
    [{ yellow: '< 0', back: { yellow: [2] } }, '2'],
    [{ yellow: 'outside 10..20', back: { yellow: [12, 18] } }, '2'],
    [{ yellow: 'outside 10..20', back: { yellow: [11, 18] } }, '10%'],
    [{ yellow: 'outside 10..20', back: { yellow: [11, 16] } }, ''], // a program tuned it: nothing that can be typed says so
    [{ yellow: '> 500' }, ''],
    [undefined, ''],
  ];
  for (const [t, want] of cases) assert.equal(backOf(t, 'yellow'), want, JSON.stringify(t));
});

const series = (over = {}) => ({ from: 0, to: 1000, step: 100, merged: 0, points: [], bands: [], ...over });
const point = (time, min, avg, max, count) => ({ time, min, max, avg, last: avg, count });

test('what is live is merged into the steps of the server', () => {
  const s = series();
  add(s, 1000, 10, 1);
  add(s, 1050, 20, 1);
  add(s, 1090, 30, 2);
  add(s, 1100, 5, 2);
  assert.deepEqual(s.points, [
    { time: 1000, min: 10, max: 30, avg: 20, last: 30, count: 3 },
    { time: 1100, min: 5, max: 5, avg: 5, last: 5, count: 1 },
  ]);
  add(s, 1250, undefined, 0);
  add(s, 1300, undefined, 0);
  add(s, 1400, Infinity, 0);
  add(s, 1500, 1, 1);
  assert.deepEqual(s.points.slice(2).map((p) => [p.time, p.count]), [[1250, 0], [1500, 1]], 'a gap is one point');
  assert.equal(s.to, 1500);
  assert.deepEqual(s.bands.map((b) => b.status), [1, 2, 0, 1]);
  for (let k = 1; k < s.bands.length; k++) assert.ok(s.bands[k].from >= s.bands[k - 1].to, 'bands do not overlap');
  slide(s, 1450);
  assert.deepEqual(s.points.map((p) => p.time), [1250, 1500], 'the point before the beginning stays, for the line from it');
  assert.equal(s.bands[0].to >= 1450, true);
});

test('a chart comes to words', () => {
  const s = series({
    points: [point(0, 1, 2, 3, 2), point(100, null, null, null, 0), point(200, 5, 8, 11, 2)],
    bands: [
      { from: 0, to: 250, status: 1, text: '' },
      { from: 250, to: 1000, status: 0, text: 'no reading for 60s' },
    ],
  });
  assert.deepEqual(summary(s), { min: 1, max: 11, avg: 5, count: 4 });
  assert.deepEqual(shares(s), [0.75, 0.25, 0, 0]);
  assert.equal(bandAt(s, 300).text, 'no reading for 60s');
  assert.equal(bandAt(s, -1), undefined);
  assert.equal(summary(series()), undefined);
  assert.deepEqual(shares(series()), [0, 0, 0, 0]);
  assert.deepEqual(rowsOf(s, 10).map((p) => p.time), [0, 200], 'gaps are no rows');
  assert.deepEqual(rowsOf(s, 1), [{ time: 0, min: 1, max: 11, avg: 5, last: 8, count: 4 }]);
});
