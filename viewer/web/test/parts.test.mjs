import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { Announcer, ScrollRange, age, duration, maxHeight, names, parentPath, readList, readRoute, setZone, clock, show, urlOf, writeList, writeRoute } from '../node_modules/.cache/grove/model.mjs';
import { contentSecurityPolicy } from './standin.mjs';

const plain = (text) => text.replaceAll('\u202f', ' ');

test('values are written with their units', () => {
  const cases = [
    [0, 'bytes', '0 B'],
    [1023, 'bytes', '1023 B'],
    [1024, 'bytes', '1 KiB'],
    [6_912_344_064, 'bytes', '6.44 GiB'],
    [1_048_575, 'bytes', '1 MiB'],
    [1_283_412, 'bytes/s', '1.22 MiB/s'],
    [0, 's', '0 s'],
    [0.000412, 's', '412 µs'],
    [0.0841, 's', '84.1 ms'],
    [2.41, 's', '2.41 s'],
    [5_443_200, 's', '63 d '],
    [7_500, 's', '2 h 5 min '],
    [1500, 'ms', '1.5 s'],
    [34.2468, '%', '34.2 %'],
    [100, '%', '100 %'],
    [1204, 'connections', '1204 connections'],
    [123_456, 'connections', '123 456 connections'],
    [1834.5, '1/s', '1835 /s'],
    [-3.5, '°C', '−3.5 °C'],
    [2.5e9, 'Hz', '2.5 GHz'],
    [0.5, '', '0.5 '],
    [0.0000123, '', '1.23e−5 '],
    [123_456_789, 'requests', '123.5 M requests'],
    [NaN, 's', 'NaN s'],
    [Infinity, 's', '> 3.4e38 s'],
    [1e308, '', '1e308 '],
    [-1.234e300, 'bytes', '−1.23e300 B'],
    [8.5e18, 'requests', '8.5 E requests'],
    ['running', 's', 'running '],
    [undefined, 's', ' '],
  ];
  for (const [value, unit, want] of cases) {
    const { number, unit: u } = show(value, unit);
    assert.equal(plain(`${number} ${u}`), want, `${value} ${unit}`);
  }
});

test('ages and durations', () => {
  assert.deepEqual([0, 59_999, 61_000, 7_200_000, 90_000_000].map(age).map(plain), ['0 s', '59 s', '1 min', '2 h', '1 d']);
  assert.deepEqual([-5, 61_000, 3_600_000, 11_580_000, 93_600_000].map(duration).map(plain), ['0 s', '1 min 1 s', '1 h', '3 h 13 min', '1 d 2 h']);
});

test('the address is read back as it was written', () => {
  const route = {
    page: 'tree',
    params: { open: writeList(['/shop/web1', '/a~1b/Ä & Ö,x']), find: 'disk /var', status: 'red,white' },
    node: '/shop/web1/CPU load',
    at: Date.UTC(2026, 10, 22, 5, 40, 7),
  };
  const hash = writeRoute(route);
  assert.equal(
    hash,
    '#/tree?open=/shop/web1,/a~1b/%C3%84+%26+%C3%96%252Cx&find=disk+/var&status=red,white&node=/shop/web1/CPU+load&at=2026-11-22T05:40:07Z',
  );
  const again = readRoute(hash);
  assert.deepEqual({ ...again, params: { ...again.params } }, route);
  assert.deepEqual(readList(again.params.open), ['/shop/web1', '/a~1b/Ä & Ö,x']);
});

test('addresses of other hands', () => {
  const cases = {
    '': ['tree', {}, undefined, undefined],
    '#': ['tree', {}, undefined, undefined],
    '#/': ['tree', {}, undefined, undefined],
    '#open=/a,/b&node=/a/x': ['tree', { open: '/a,/b' }, '/a/x', undefined],
    '#/problems?at=yesterday': ['problems', {}, undefined, undefined],
    '#/events?find=%zz&nonsense&=x': ['events', { find: '%zz' }, undefined, undefined],
    '#/board?__proto__=x&at=2026-01-02T03:04:05.678Z': ['board', { ['__proto__']: 'x' }, undefined, Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
  };
  for (const [hash, [page, params, node, at]] of Object.entries(cases)) {
    const got = readRoute(hash);
    assert.deepEqual([got.page, Object.entries(got.params), got.node, got.at], [page, Object.entries(params), node, at], hash);
  }
});

test('times say when they are not local', () => {
  setZone('utc');
  assert.equal(clock(Date.UTC(2026, 10, 22, 5, 40, 7)), '05:40:07 UTC');
  setZone('local');
  assert.ok(!clock(0).includes('UTC'));
});

test('paths', () => {
  assert.deepEqual(names('/a~1b/c~0d'), ['a/b', 'c~d']);
  assert.equal(urlOf('api/v1/nodes', '/a~1b/50 %?'), 'api/v1/nodes/a~1b/50%20%25%3F');
  assert.equal(urlOf('api/v1/nodes', '/'), 'api/v1/nodes/');
  assert.deepEqual(['/a/b', '/a', '/'].map(parentPath), ['/a', '/', '/']);
});

test('the window of rows', async (t) => {
  await t.test('small', () => {
    const r = new ScrollRange(100, 30, 600);
    assert.deepEqual(r.window(0, 6), [0, 26]);
    assert.deepEqual(r.window(1500, 6), [44, 76]);
    assert.deepEqual(r.window(99_999, 6), [74, 100]);
    assert.equal(r.offset(50, 1500), 1500);
    assert.deepEqual([r.reveal(0, 900), r.reveal(35, 900), r.reveal(99, 900)], [0, 900, 2400]);
  });
  await t.test('fewer rows than fit', () => {
    const r = new ScrollRange(3, 30, 600);
    assert.deepEqual(r.window(0, 6), [0, 3]);
    assert.equal(r.offset(2, 0), 60);
  });
  await t.test('more rows than a browser can be high', () => {
    const r = new ScrollRange(2_000_000, 30, 600);
    assert.equal(r.height, maxHeight);
    const end = r.height - 600;
    assert.equal(r.window(end, 0)[1], 2_000_000);
    assert.equal(Math.round(r.offset(1_999_999, end) + 30), r.height);
    const at = r.reveal(1_234_567, 0);
    const [from, to] = r.window(at, 0);
    assert.ok(from <= 1_234_567 && 1_234_567 < to);
    const inWindow = r.offset(1_234_567, at) - at;
    assert.ok(inWindow >= -1 && inWindow <= 571, String(inWindow));
  });
});

test('changes are told at most once in a while, the worst by name', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const said = [];
  const a = new Announcer((s) => said.push(s));
  a.note(() => 'web1, CPU', 2);
  a.note(() => 'web2, CPU', 3);
  a.note(() => 'web3, CPU', 1);
  t.mock.timers.tick(10_000);
  a.note(() => 'web1, CPU', 1);
  t.mock.timers.tick(10_000);
  assert.deepEqual(said, ['web2, CPU turned red. 2 more nodes changed.', 'web1, CPU turned green.']);
});

test('the stand-in serves under the policy of the binary', async () => {
  const go = await readFile(new URL('../web.go', import.meta.url), 'utf8');
  const policy = [.../const ContentSecurityPolicy = ([^)]*?)\n\n/.exec(go)[1].matchAll(/"([^"]*)"/g)].map((m) => m[1]).join('');
  assert.equal(contentSecurityPolicy, policy);
});
