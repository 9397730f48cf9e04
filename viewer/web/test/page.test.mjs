// The page in a real browser, against the stand-in.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { StandIn, StandInTree, city, tell, village } from './standin.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser.close());

/** On names a test that gets a server and an opener, and whose pages must not complain. */
function on(shape, name, body) {
  test(name, { timeout: 60_000 }, async () => {
    const server = await tell(new StandIn(new StandInTree(shape()))).listen();
    const pages = [];
    const open = async (hash = '', options) => {
      const page = await openPage(browser, server.url + hash, options);
      page.setDefaultTimeout(10_000);
      pages.push(page);
      return page;
    };
    try {
      await body(server, open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail || !/ERR_|WebSocket connection/.test(c)), []);
      assert.deepEqual(server.refused, []);
    } finally {
      for (const page of pages) await page.context().close();
      await server.close();
    }
  });
}

const row = (page, name, level) => page.locator(`.sizer [role=row]${level ? `[aria-level="${level}"]` : ''}`, { has: page.getByRole('rowheader', { name, exact: true }) });
const focused = (page) =>
  page.evaluate(() => {
    const e = document.activeElement;
    const at = e.closest('.sizer [role=row]');
    if (!at) return e.tagName.toLowerCase();
    const cell = e === at ? '' : ':' + [...at.children].indexOf(e);
    return at.querySelector('[role=rowheader] .text').textContent + cell;
  });
const shownRows = (page) => page.locator('.sizer [role=row] .name .text').allTextContents();
const collapsed = '#open=';

on(village, 'the tree is a treegrid with names, levels, places and statuses in words', async (_, open) => {
  const page = await open('#open=/shop');
  const grid = page.getByRole('treegrid', { name: 'Monitor tree' });
  await row(page, 'web2').waitFor();
  assert.equal(await grid.getAttribute('aria-rowcount'), '7');
  const web2 = row(page, 'web2');
  assert.deepEqual(
    await web2.evaluate((e) => ['aria-level', 'aria-posinset', 'aria-setsize', 'aria-expanded', 'aria-rowindex'].map((a) => e.getAttribute(a))),
    ['2', '2', '3', 'false', '4'],
  );
  await web2.getByRole('gridcell', { name: 'red', exact: true }).waitFor();
  await row(page, 'network').getByRole('gridcell', { name: 'yellow', exact: true }).waitFor();
  await row(page, 'grove').getByRole('gridcell', { name: 'green', exact: true }).waitFor();
  await web2.getByRole('gridcell', { name: '4 red 2 yellow 12 green' }).waitFor();
  for (const [name, shape] of [['web2', 'rect'], ['network', 'path'], ['grove', 'circle']]) {
    assert.equal(await row(page, name).locator('.name .mark > *').evaluate((e) => e.tagName), shape);
  }
  await page.getByRole('button', { name: '4 red' }).waitFor();
  await page.getByText('9 problems').waitFor();
});

on(village, 'the keyboard walks as the treegrid pattern says', async (_, open) => {
  const page = await open(collapsed);
  await row(page, 'shop').waitFor();
  const press = async (keys, want) => {
    for (const key of keys.split(' ')) await page.keyboard.press(key === 'Space' ? ' ' : key);
    await page.waitForFunction(
      (w) => {
        const e = document.activeElement;
        const at = e.closest('.sizer [role=row]');
        return at && at.querySelector('.text').textContent + (e === at ? '' : ':' + [...at.children].indexOf(e)) === w;
      },
      want,
      { timeout: 5000 },
    ).catch(async () => assert.equal(await focused(page), want, keys));
  };
  await row(page, 'shop').focus();
  await page.keyboard.press('ArrowRight'); // opens
  await row(page, 'web1').waitFor();
  await press('ArrowDown', 'web1');
  await press('ArrowUp', 'shop');
  await press('End', 'grove');
  await press('Home', 'shop');
  await press('ArrowRight', 'shop:0'); // enters the cells
  await press('ArrowRight ArrowRight', 'shop:2');
  await press('ArrowDown', 'web1:2');
  await press('End', 'web1:3');
  await press('Home', 'web1:0');
  await press('Enter', 'web1:0'); // opens from the cell
  await row(page, 'CPU').waitFor();
  await press('ArrowLeft', 'web1');
  await press('ArrowDown', 'CPU');
  await press('ArrowLeft', 'web1'); // to the parent
  await press('ArrowLeft', 'web1'); // closes
  await row(page, 'CPU').waitFor({ state: 'detached' });
  await press('Space', 'web1');
  await row(page, 'CPU').waitFor();
  await press('Control+End', 'grove');
  await press('PageUp', 'shop');
  await press('PageDown', 'grove');
  await press('Home *', 'shop'); // opens all beside it
  await row(page, 'Goroutines').waitFor();
  assert.equal(await page.locator('.treegrid [tabindex="0"]').count(), 1, 'one stop for the tab key');
  await press('Enter', 'shop');
  await page.getByRole('complementary', { name: 'Details of shop' }).waitFor();
  await press('ArrowDown', 'web1');
  await page.getByRole('complementary', { name: 'Details of web1' }).waitFor();
  await press('Escape', 'web1');
  await page.getByRole('complementary').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  assert.equal(await focused(page), 'input');
});

on(village, 'a filter by text and status shows matches and the way to them, and stays in the address', async (_, open) => {
  const page = await open(collapsed);
  await page.getByRole('searchbox').fill('web2 busy');
  await row(page, 'Busy').waitFor();
  assert.deepEqual(await shownRows(page), ['shop', 'web2', 'CPU', 'Busy']);
  await page.getByText('1 match').waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.textContent.includes('Busy'));
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: '5 yellow' }).click();
  await page.getByText('5 matches').waitFor();
  assert.deepEqual(await shownRows(page), [
    'shop', 'web1', 'File systems', '/var', 'Used', 'Free', 'web2', 'File systems', '/var', 'Used', 'Free', 'network', 'switch-1', 'Ports', 'Port 17', 'State',
  ]);
  await page.waitForFunction(() => location.hash === '#open=&status=yellow');
  const other = await open(await page.evaluate(() => location.hash));
  await other.getByText('5 matches').waitFor();
  await other.getByRole('searchbox').fill('nowhere');
  await other.getByText('No node that is yellow has “nowhere” in its name.').waitFor();
  await other.getByRole('button', { name: 'Show the whole tree' }).click();
  assert.deepEqual((await shownRows(other)).length, 3);
});

on(village, 'expand to problems opens the ways to them, puts the keyboard on the worst, and is kept in the address', async (_, open) => {
  const tall = { viewport: { width: 1400, height: 1800 } };
  const page = await open(collapsed, tall);
  await page.getByRole('button', { name: 'Expand to problems' }).click();
  await page.waitForFunction(() => document.activeElement.textContent.includes('Busy'));
  const names = await shownRows(page);
  for (const name of ['Busy', 'Active', 'Response time', 'State']) assert.ok(names.includes(name), name);
  assert.ok(!names.includes('Goroutines'));
  await page.waitForFunction(() => location.hash.includes('/network/switch-1/Ports/Port+17'));
  const again = await open(await page.evaluate(() => location.hash), tall);
  await row(again, 'Response time').waitFor();
  assert.deepEqual(await shownRows(again), names);
});

on(village, 'a change appears at once, flashes, counts and is told politely', async (server, open) => {
  const page = await open('#open=/shop/web1/CPU');
  const busy = row(page, 'Busy');
  await busy.getByText('34.2').waitFor();
  server.change({ '/shop/web1/CPU/Busy': { value: 51.5 } });
  await busy.getByText('51.5').waitFor();
  server.change({ '/shop/web1/CPU/Busy': { value: 99, status: 3 } });
  await busy.getByRole('gridcell', { name: 'red', exact: true }).waitFor();
  await busy.locator('.flash').waitFor({ state: 'attached' });
  await row(page, 'web1').getByRole('gridcell', { name: 'red', exact: true }).waitFor();
  await page.getByRole('button', { name: '5 red' }).waitFor();
  await page.getByText('shop, web1, CPU, Busy turned red.').waitFor({ state: 'attached' });
  await page.waitForFunction(() => document.title === '5 red, 5 yellow – Grove');
  await busy.locator('.flash').waitFor({ state: 'detached' });
  server.change({ '/shop/web1/CPU/Busy': { value: undefined, status: 0, reason: 'no reading for 60s' } });
  await busy.getByText('no reading for 60s').waitFor();
  const acks = server.messages.filter((m) => m.type === 'ack');
  assert.deepEqual(acks.map((m) => m.seq), [1, 2, 3, 4]);
});

on(village, 'nothing moves for who asked for reduced motion', async (server, open) => {
  const page = await open('#open=/shop/web1/CPU', { reducedMotion: 'reduce' });
  await row(page, 'Busy').waitFor();
  server.change({ '/shop/web1/CPU/Busy': { value: 99, status: 3 } });
  await row(page, 'Busy').getByRole('gridcell', { name: 'red', exact: true }).waitFor();
  assert.equal(await page.locator('.flash, .tick').count(), 0);
});

on(village, 'nodes that come above do not move what the pointer is on', async (server, open) => {
  const page = await open('#open=*', { viewport: { width: 1200, height: 500 } });
  await row(page, 'shop').waitFor();
  await page.locator('.scroller').evaluate((e) => (e.scrollTop = 600));
  await page.waitForFunction(() => [...document.querySelectorAll('.sizer .row')].every((r) => r.getAttribute('aria-rowindex') > 10 || r.tabIndex === 0));
  await page.mouse.move(300, 300);
  await page.mouse.move(301, 300);
  const under = () => page.evaluate(() => document.elementFromPoint(300, 300).closest('.row').textContent);
  const before = await under();
  const height = await page.locator('.sizer').evaluate((e) => e.offsetHeight);
  for (let i = 0; i < 5; i++) server.place('/shop/web1/CPU', `Core ${i}`, { kind: 1, status: 1, value: i, unit: '%' });
  await page.waitForFunction((h) => document.querySelector('.sizer').offsetHeight === h + 150, height);
  assert.equal(await under(), before);
  server.remove('/shop/web1/CPU');
  await page.waitForFunction((h) => document.querySelector('.sizer').offsetHeight === h - 120, height);
  assert.equal(await under(), before);
});

on(village, 'details say everything, follow the live value, and lead on', async (server, open) => {
  const page = await open('#open=/shop/web2/nginx/Connections&node=/shop/web2/nginx/Connections/Active');
  const panel = page.getByRole('complementary', { name: 'Details of Active' });
  for (const text of ['Connections that are open', '> 1000 for 30s', ', back at 900', '1m without a reading', '5 changes in 10m', 'grove:type=Probe,kind=http,name="web2/status"', 'web2.yaml: nginx', 'nginx_connections_active{host="web2"}', 'by the timer', 'performance']) {
    await panel.getByText(text).waitFor();
  }
  const asked = () => server.requests.filter((r) => r === '/api/v1/nodes/shop/web2/nginx/Connections/Active').length;
  assert.equal(asked(), 1);
  for (let v = 2000; v < 2010; v++) server.change({ '/shop/web2/nginx/Connections/Active': { value: v } });
  await panel.getByText('2009 connections').first().waitFor();
  await panel.locator('dd', { hasText: '2009 connections' }).waitFor();
  assert.equal(asked(), 2, 'many changes are one more reading');
  await panel.getByRole('button', { name: 'web2', exact: true }).click();
  const group = page.getByRole('complementary', { name: 'Details of web2' });
  await group.getByRole('heading', { name: 'Why it is red' }).waitFor();
  await group.getByRole('button', { name: 'CPU / Busy' }).click(); // the first of the causes
  await page.getByRole('complementary', { name: 'Details of Busy' }).waitFor();
  await row(page, 'Busy').waitFor();
  assert.equal(await row(page, 'Busy').getAttribute('aria-selected'), 'true');
  await page.getByRole('complementary', { name: 'Details of Busy' }).getByText('by the timer').waitFor(); // else it is read once it is gone
  server.remove('/shop/web2/CPU/Busy');
  await page.getByText('This node is not in the tree any more').waitFor();
  server.place('/shop/web2/CPU', 'Busy', { kind: 1, status: 2, value: 1, unit: '%' });
  await page.getByRole('complementary', { name: 'Details of Busy' }).getByText('1 %').first().waitFor();
  await page.getByRole('button', { name: 'Red 8 problems' }).or(page.locator('.overall')).click();
  await page.getByRole('complementary', { name: 'Details of The whole tree' }).waitFor();
});

on(village, 'events and white nodes tell their story', async (_, open) => {
  const page = await open('#open=/shop/database&node=/shop/database/Log');
  const events = page.locator('.events li');
  await events.first().waitFor();
  assert.match(await events.first().textContent(), /checkpoint complete/);
  await events.nth(1).getByRole('img', { name: 'yellow' }).waitFor();
  await row(page, 'Replication lag').click();
  await page.getByRole('complementary').getByText('White because: no reading for 60s: the replica does not answer').waitFor();
});

on(village, 'after a break the page comes back and goes on from where it was', async (server, open) => {
  const page = await open('#open=/shop/web1/CPU');
  page.mayFail = true;
  await row(page, 'Busy').getByText('34.2').waitFor();
  server.away = true;
  server.cut();
  await page.getByText('Not live.').waitFor();
  await page.waitForFunction(() => document.title === 'Not live – Grove');
  await row(page, 'Busy').getByText('34.2').waitFor(); // what was known stays
  server.change({ '/shop/web1/CPU/Busy': { value: 12.5 } });
  server.away = false;
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 5000 }).catch(() => {});
  await row(page, 'Busy').getByText('12.5').waitFor();
  await page.getByText('Not live.').waitFor({ state: 'detached' });
  assert.deepEqual(server.messages.filter((m) => m.type === 'subscribe').map((m) => m.since), [undefined, 1]);
  assert.equal(server.messages.at(-1).seq, 2);
});

on(village, 'after a restart of the server the page asks anew and keeps what is open', async (server, open) => {
  const page = await open(collapsed);
  page.mayFail = true;
  await row(page, 'shop').locator('.twisty').click();
  await row(page, 'web1').locator('.twisty').click();
  await row(page, 'CPU').waitFor();
  server.tree = new StandInTree({ first: { x: [1, '', 1] }, ...village() }); // other indexes
  server.restart();
  await row(page, 'first').waitFor();
  assert.deepEqual((await shownRows(page)).slice(0, 4), ['first', 'shop', 'web1', 'CPU']);
  assert.equal(server.messages.filter((m) => m.type === 'subscribe').at(-1).since, undefined);
});

on(village, 'after a gap the page takes a fresh snapshot', async (server, open) => {
  const page = await open('#open=/shop/web1/CPU');
  await row(page, 'Busy').getByText('34.2').waitFor();
  server.gap();
  server.change({ '/shop/web1/CPU/Busy': { value: 77 } });
  await row(page, 'Busy').getByText('77').waitFor();
  assert.deepEqual(
    server.messages.filter((m) => m.type !== 'ack').map(({ type, id }) => `${type} ${id}`),
    ['subscribe 1', 'unsubscribe 1', 'subscribe 2'],
  );
});

on(() => ({}), 'an empty tree says what to do', async (server, open) => {
  const page = await open();
  await page.getByRole('heading', { name: 'The tree is empty' }).waitFor();
  server.place('/', 'host', { kind: 0, status: 1, counts: [0, 1, 0, 0] });
  server.place('/host', 'Load', { kind: 1, status: 1, value: 3 });
  await row(page, 'Load').waitFor(); // opens by itself while nobody chose
});

on(village, 'errors of definitions are listed with their places', async (server, open) => {
  const errors = [{ file: 'web2.yaml', line: 14, column: 7, message: 'unknown key "yelow"' }];
  server.definitions = { instances: [{ name: 'web2', state: 'kept', errors }, { name: 'ok' }], applications: [{ name: 'nginx', file: 'web2.yaml', errors }] };
  const page = await open();
  await page.getByText('1 error in the definitions.').click();
  await page.getByText('web2.yaml:14:7').waitFor();
  await page.getByText('unknown key "yelow"').waitFor();
});

on(
  () => ({ '<img src=x onerror=alert(1)>': { '"><script>alert(2)</script>': ['<b>bold</b>\u202e', '<i>', 3] } }),
  'hostile names and values are nothing but text',
  async (_, open) => {
    const page = await open();
    const dialogs = [];
    page.on('dialog', (d) => (dialogs.push(d.message()), d.dismiss()));
    await row(page, '"><script>alert(2)</script>').click();
    await page.getByRole('complementary').getByText('<b>bold</b>').first().waitFor();
    assert.equal(await page.locator('img:not([src^="icon"]), main b, main script').count(), 0);
    assert.deepEqual(dialogs, []);
  },
);

on(village, 'light, dark or as the system says', async (_, open) => {
  const page = await open('', { colorScheme: 'dark' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await row(page, 'shop').waitFor();
  const dark = await ground();
  await page.getByRole('button', { name: 'Theme: system' }).click();
  await page.getByRole('button', { name: 'Theme: light' }).waitFor();
  assert.notEqual(await ground(), dark);
  await page.reload();
  await page.getByRole('button', { name: 'Theme: light' }).click();
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
  assert.equal(await ground(), dark);
});

on(village, 'on a phone a tap opens branches, and details are a sheet', async (_, open) => {
  const page = await open(collapsed, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' });
  await row(page, 'shop').tap();
  await row(page, 'database').tap();
  await row(page, 'Connections').tap();
  const sheet = page.getByRole('complementary', { name: 'Details of Connections' });
  await sheet.waitFor();
  const box = await sheet.boundingBox();
  assert.equal(Math.round(box.y + box.height), 844);
  await sheet.getByRole('button', { name: 'Close details' }).tap();
  await sheet.waitFor({ state: 'detached' });
  await row(page, 'shop').locator('.more').tap();
  await page.getByRole('complementary', { name: 'Details of shop' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'nothing hangs over the edge');
});

on(city, '100,000 nodes: few rows in the document, wherever it is scrolled to', async (server, open) => {
  assert.ok(server.tree.nodes.length > 99_000);
  const page = await open(collapsed);
  await row(page, 'area-00').waitFor();
  await page.getByRole('button', { name: 'Expand all' }).click();
  await row(page, 'host-000').waitFor();
  assert.equal(Number(await page.getByRole('treegrid').getAttribute('aria-rowcount')), server.tree.nodes.length);
  await row(page, 'area-00').first().focus();
  for (const part of [0.1, 0.5, 0.9, 1]) {
    await page.locator('.scroller').evaluate((e, p) => (e.scrollTop = p * e.scrollHeight), part);
    await page.waitForFunction(() => {
      const box = document.querySelector('.scroller').getBoundingClientRect();
      return document.elementFromPoint(box.x + 100, box.bottom - 20)?.closest('.row');
    });
    assert.ok((await page.locator('[role=row]').count()) < 60);
  }
  assert.equal(await focused(page), 'area-00', 'the row that is scrolled out keeps the focus');
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement.textContent.includes('value 9'));
  await page.getByRole('searchbox').fill('area-33 host-123 value 7');
  await page.getByText('1 match').waitFor();
});
