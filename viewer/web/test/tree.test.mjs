import assert from 'node:assert/strict';
import test from 'node:test';
import { Rows, Tree, noFilter, none } from '../node_modules/.cache/grove/model.mjs';

const state = (s = {}) => ({ status: 1, flapping: false, pending: false, hasNumber: false, number: NaN, text: undefined, hasCounts: false, counts: [0, 0, 0, 0], reason: '', ...s });
const record = (index, parent, name, more = {}) => ({ index, parent, kind: 0, hidden: false, children: 0, name, unit: '', since: 0, ...more, state: state(more.state) });
const leaf = (index, parent, name, status = 1) => record(index, parent, name, { kind: 1, state: { status, hasNumber: true, number: index } });

/** A tree with indexes that have nothing to do with the order. */
function wood() {
  const tree = new Tree(4);
  for (const r of [
    record(9, 9, ''),
    record(5, 9, 'web1'),
    record(70, 5, 'CPU'),
    leaf(71, 70, 'Busy', 3),
    leaf(72, 70, 'Load'),
    record(6, 9, 'web2'),
    record(80, 6, 'CPU'),
    leaf(81, 80, 'Busy', 2),
    leaf(7, 9, 'a/b~c'),
  ]) {
    tree.place(r, 0);
  }
  return tree;
}

/** lines draws the rows as text. */
function lines(rows) {
  const { tree } = rows;
  return Array.from({ length: rows.length }, (_, r) => {
    const n = rows.node[r];
    assert.equal(rows.rowOf(n), r);
    return `${'  '.repeat(rows.level[r] - 1)}${rows.canOpen(n) ? (rows.isOpen(n) ? '-' : '+') : ' '}${tree.names[n]} ${rows.position[r]}/${rows.siblings[tree.parent[n]]}`;
  });
}

test('paths are found and written, escaped as the server does', () => {
  const tree = wood();
  assert.equal(tree.size, 9);
  assert.equal(tree.path(71), '/web1/CPU/Busy');
  assert.equal(tree.path(7), '/a~1b~0c');
  assert.equal(tree.path(9), '/');
  for (const n of [9, 5, 71, 7]) assert.equal(tree.find(tree.path(n)), n);
  assert.equal(tree.find('/web1/nowhere'), none);
});

test('a status that is 1 or 0 is a yes or a no', () => {
  const tree = new Tree(4);
  tree.place(record(0, 0, ''), 0);
  for (const [index, kind, number] of [[1, 2, 1], [2, 2, 0], [3, 2, 7], [4, 1, 1]]) {
    tree.place(record(index, 0, `n${index}`, { kind, state: { hasNumber: true, number } }), 0);
  }
  assert.deepEqual([1, 2, 3, 4].map((n) => tree.shown(n)), ['yes', 'no', 7, 1]);
});

test('removing a node removes what is below it, and its index may be used again', () => {
  const tree = wood();
  const gone = [];
  tree.onRemove = (n) => gone.push(n);
  tree.remove(70);
  tree.remove(71); // the server names every node that went
  assert.deepEqual(gone, [71, 72, 70]);
  assert.equal(tree.size, 6);
  assert.equal(tree.find('/web1/CPU'), none);
  tree.place(leaf(71, 6, 'Reborn', 0), 0);
  assert.equal(tree.path(71), '/web2/Reborn');
  assert.equal(tree.value(71), 71);
});

test('a placed node that is known moves with what is below it', () => {
  const tree = wood();
  tree.place(record(70, 6, 'Processor'), 0);
  assert.equal(tree.path(71), '/web2/Processor/Busy');
  assert.equal(tree.children[5], 0);
  assert.equal(tree.children[6], 2);
  assert.throws(() => tree.place(record(6, 70, 'x'), 0), /node 6 is placed below 70, which is itself below it/);
  assert.throws(() => tree.place(record(99, 98, 'x'), 0), /node 99 is placed below 98, which is not known/);
});

test('a change of status sets its beginning, flashes and is told once', () => {
  const tree = wood();
  const told = [];
  tree.onStatus = (...args) => told.push(args);
  tree.setNumber(72, 1, 5, 1000, 10);
  assert.deepEqual([tree.value(72), tree.since[72], tree.flashed[72], told.length], [5, 0, 0, 0]);
  tree.setState(72, state({ status: 3, hasNumber: true, number: 6 }), 2000, 20);
  assert.deepEqual([tree.statusOf(72), tree.since[72], tree.flashed[72]], [3, 2000, 20]);
  tree.setState(72, state({ status: 0, reason: 'no reading for 60s', flapping: true }), 3000, 30);
  assert.deepEqual([tree.value(72), tree.reason(72), tree.flapping(72), tree.since[72]], [undefined, 'no reading for 60s', true, 3000]);
  assert.deepEqual(told, [[72, 1, 3], [72, 3, 0]]);
  tree.setNumber(4711, 1, 5, 1000, 10); // unknown: let be
});

test('arrays grow with the largest index', () => {
  const tree = wood();
  tree.open[5] = 1;
  tree.place(leaf(5000, 5, 'far'), 0);
  assert.deepEqual([tree.path(5000), tree.open[5], tree.children[5], tree.has(4999)], ['/web1/far', 1, 2, false]);
});

test('rows follow what is open', () => {
  const rows = new Rows(wood());
  rows.rebuild();
  assert.deepEqual(lines(rows), ['+web1 1/3', '+web2 2/3', ' a/b~c 3/3']);
  rows.setOpen(5, true);
  rows.setOpen(80, true); // under a closed branch
  rows.rebuild();
  assert.deepEqual(lines(rows), ['-web1 1/3', '  +CPU 1/1', '+web2 2/3', ' a/b~c 3/3']);
  rows.openAll(true);
  rows.rebuild();
  assert.deepEqual(lines(rows), [
    '-web1 1/3', '  -CPU 1/1', '     Busy 1/2', '     Load 2/2',
    '-web2 2/3', '  -CPU 1/1', '     Busy 1/1',
    ' a/b~c 3/3',
  ]);
});

test('a group that has children opens before they are known', () => {
  const rows = new Rows(wood());
  rows.tree.place(record(50, 9, 'far', { children: 3 }), 0);
  rows.setOpen(50, true);
  rows.rebuild();
  assert.equal(lines(rows).at(-1), '-far 4/4');
  rows.tree.place(leaf(51, 50, 'x'), 0);
  rows.rebuild();
  assert.deepEqual(lines(rows).slice(-2), ['-far 4/4', '   x 1/1']);
});

test('what is pruned comes back as open as it was; what is removed does not', () => {
  const { tree } = new Rows(wood());
  tree.open[5] = tree.open[70] = 1;
  tree.prune(5);
  assert.deepEqual([tree.has(70), tree.has(71), tree.size, tree.open[5], tree.open[70]], [false, false, 6, 1, 1]);
  tree.remove(5);
  assert.equal(tree.open[5], 0);
});

test('a subtree knows its paths in the whole tree', () => {
  const tree = new Tree(4, '/shop/a~1b');
  tree.place(record(3, 3, 'a/b'), 0);
  tree.place(leaf(4, 3, 'x'), 0);
  assert.deepEqual([tree.path(3), tree.path(4), tree.find('/shop/a~1b/x'), tree.find('/shop/a~1b'), tree.find('/x'), tree.find('/shop')], ['/shop/a~1b', '/shop/a~1b/x', 4, 3, none, none]);
});

test('something hidden contributes until the server says otherwise', () => {
  const tree = wood();
  tree.place(record(5, 9, 'web1', { hidden: true }), 0);
  tree.setState(5, state({ status: 3 }), 1, 1);
  assert.equal(tree.hidden(5), true);
  tree.place(record(5, 9, 'web1'), 0);
  assert.equal(tree.hidden(5), false);
});

test('which groups to open while nobody chose', () => {
  const rows = new Rows(wood());
  rows.rebuild();
  for (const n of [5, 6]) rows.tree.told[n] = 1;
  assert.deepEqual(rows.closedWithin(4), []);
  assert.deepEqual(rows.closedWithin(5), [5, 6]);
  rows.setOpen(5, true);
  rows.setOpen(6, true);
  for (const n of [70, 80]) rows.tree.told[n] = 2;
  rows.rebuild();
  assert.deepEqual(rows.closedWithin(8), []);
  assert.deepEqual(rows.closedWithin(9), [70, 80]);
});

test('what is open, for the address', () => {
  const rows = new Rows(wood());
  assert.deepEqual(rows.openPaths(), []);
  rows.setOpen(5, true);
  rows.setOpen(6, true);
  rows.setOpen(80, true);
  assert.deepEqual(rows.openPaths(), ['/web1', '/web2/CPU']);
});

test('orders', async (t) => {
  const names = (rows) => {
    rows.rebuild();
    return Array.from({ length: rows.length }, (_, r) => rows.tree.names[rows.node[r]]);
  };
  const row = () => {
    const tree = new Tree(16);
    tree.place(record(0, 0, ''), 0);
    ['disk 10', 'Disk 9', 'Ärger', 'zone', 'calm'].forEach((name, i) => tree.place(leaf(i + 1, 0, name, [1, 2, 0, 3, 1][i]), 0));
    return new Rows(tree);
  };
  await t.test('by name as people read them', () => {
    const rows = row();
    rows.setSort('name');
    assert.deepEqual(names(rows), ['Ärger', 'calm', 'Disk 9', 'disk 10', 'zone']);
    rows.tree.place(leaf(9, 0, 'disk 9a'), 0);
    rows.tree.place(leaf(5, 0, 'Zzz'), 0);
    assert.deepEqual(names(rows), ['Ärger', 'Disk 9', 'disk 9a', 'disk 10', 'zone', 'Zzz']);
  });
  await t.test('the worst first, and nothing moves before it is let', () => {
    const rows = row();
    rows.setSort('severity');
    assert.deepEqual(names(rows), ['zone', 'Disk 9', 'Ärger', 'disk 10', 'calm']);
    rows.tree.setNumber(5, 3, 1, 1, 1);
    rows.tree.place(leaf(9, 0, 'new', 2), 0);
    assert.deepEqual(names(rows), ['zone', 'Disk 9', 'new', 'Ärger', 'disk 10', 'calm']);
    rows.resort();
    assert.deepEqual(names(rows), ['zone', 'calm', 'Disk 9', 'new', 'Ärger', 'disk 10']);
    rows.tree.remove(2);
    rows.setSort('tree');
    assert.deepEqual(names(rows), ['disk 10', 'Ärger', 'zone', 'calm', 'new']);
  });
});

test('filters', async (t) => {
  const cases = {
    'every word somewhere in the path, one in the name': [{ text: 'WEB1 busy' }, ['-web1 1/1', '  -CPU 1/1', '     Busy 1/1'], 1],
    'what is below a match can be opened': [{ text: 'web1' }, ['+web1 1/1'], 1],
    'a slash parts words': [{ text: 'cpu/lo' }, ['-web1 1/1', '  -CPU 1/1', '     Load 1/1'], 1],
    'statuses are those of attributes': [{ statuses: new Set([2]) }, ['-web2 1/1', '  -CPU 1/1', '     Busy 1/1'], 1],
    'text and status': [{ text: 'web1', statuses: new Set([1]) }, ['-web1 1/1', '  -CPU 1/1', '     Load 1/1'], 1],
    'nothing': [{ text: 'xyz' }, [], 0],
  };
  for (const [name, [filter, want, hits]] of Object.entries(cases)) {
    await t.test(name, () => {
      const rows = new Rows(wood());
      rows.setFilter({ ...noFilter, ...filter });
      rows.rebuild();
      assert.deepEqual(lines(rows), want);
      assert.equal(rows.matches.hits, hits);
    });
  }
  await t.test('opened and closed by hand', () => {
    const rows = new Rows(wood());
    rows.setFilter({ ...noFilter, text: 'web' });
    rows.setOpen(5, true);
    rows.rebuild();
    assert.deepEqual(lines(rows), ['-web1 1/2', '  +CPU 1/1', '+web2 2/2']);
    rows.setFilter({ ...noFilter, text: 'busy' });
    rows.setOpen(5, false);
    rows.rebuild();
    assert.deepEqual(lines(rows), ['+web1 1/2', '-web2 2/2', '  -CPU 1/1', '     Busy 1/1']);
  });
  await t.test('what the pointer is on stays', () => {
    const rows = new Rows(wood());
    rows.setFilter({ ...noFilter, statuses: new Set([3]) });
    rows.rebuild([81]);
    assert.deepEqual(lines(rows), ['-web1 1/2', '  -CPU 1/1', '     Busy 1/1', '-web2 2/2', '  -CPU 1/1', '     Busy 1/1']);
    assert.equal(rows.matches.hits, 1);
  });
});

test('100,000 nodes open and filter in a frame or a few', () => {
  const tree = new Tree(100_101);
  tree.place(record(0, 0, ''), 0);
  let i = 0;
  for (let g = 0; g < 100; g++) {
    const group = ++i;
    tree.place(record(group, 0, `group ${g}`), 0);
    for (let k = 0; k < 1000; k++) tree.place(leaf(++i, group, `value ${k}`), 0);
  }
  const rows = new Rows(tree);
  rows.openAll(true);
  rows.rebuild();
  assert.equal(rows.length, 100_100);
  rows.setFilter({ ...noFilter, text: 'value 999' });
  rows.rebuild();
  assert.equal(rows.matches.hits, 100);
  assert.equal(rows.length, 200);
});
