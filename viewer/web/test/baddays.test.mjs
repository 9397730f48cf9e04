// The page on bad days that a real grove cannot be made to have on command: against the
// stand-in, which loses, delays and breaks things.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { StandIn, StandInTree, hamlet } from './standin.mjs';
import { row, rowsAre, shownRows, status } from './steps.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** on names a test that gets a server and an opener, and whose pages must not complain. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const server = await new StandIn(new StandInTree(hamlet())).listen();
    const pages = [];
    const open = async (hash = '', options) => {
      const page = await openPage(browser, server.url + hash, options);
      pages.push(page);
      return page;
    };
    try {
      await body(server, open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail?.test(c)), []);
      assert.deepEqual(server.refused, []);
    } finally {
      for (const page of pages) await page.context().close();
      await server.close();
    }
  });
}

const busy = '/shop/web1/CPU/Busy';
/** Of the tree page's subscription, which follows that of the header. */
const subscribes = (server) => server.messages.filter((m) => m.type === 'subscribe' && m.depth !== 0);

on('after a break a page that shows everything goes on from where it was', async (server, open) => {
  const page = await open('#/tree?open=*');
  page.mayFail = /ERR_|WebSocket connection/;
  await row(page, 'Busy').first().getByText('34.2').waitFor();
  server.away = true;
  server.cut();
  await page.getByText('Not live.').waitFor();
  await page.waitForFunction(() => document.title === 'Not live – Grove');
  await row(page, 'Busy').first().getByText('34.2').waitFor(); // what was known stays
  server.change({ [busy]: { value: 12.5 } });
  server.away = false;
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 5000 }).catch(() => {});
  await row(page, 'Busy').first().getByText('12.5').waitFor();
  await page.getByText('Not live.').waitFor({ state: 'detached' });
  assert.deepEqual(subscribes(server).map((m) => m.since), [undefined, 1]);
});

on('after a break a page that shows a part asks for that part anew', async (server, open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  page.mayFail = /ERR_|WebSocket connection/;
  await row(page, 'Busy').waitFor();
  await row(page, 'Memory').locator('.twisty').click();
  await row(page, 'Used').waitFor();
  server.tree = new StandInTree({ first: { x: [1, '', 1] }, ...hamlet() }); // other indexes
  server.restart();
  await row(page, 'first').waitFor();
  await rowsAre(page, ['first', 'shop', 'web1', 'CPU', 'Busy', 'Load', 'Memory', 'Used', 'web2', 'grove']);
  const asked = subscribes(server).at(-1);
  assert.deepEqual([asked.since, asked.depth, asked.open], [undefined, 1, ['/shop/web1/CPU', '/shop/web1/Memory']]);
});

on('after a gap the page takes a fresh snapshot', async (server, open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  await row(page, 'Busy').getByText('34.2').waitFor();
  server.gap();
  server.change({ [busy]: { value: 77 } });
  await row(page, 'Busy').getByText('77').waitFor();
  assert.equal(subscribes(server).length, 2);
  assert.ok(server.messages.some((m) => m.type === 'unsubscribe' && m.id === subscribes(server)[0].id));
});

on('a broken frame costs a pause, not the page', async (server, open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  page.mayFail = /live feed: FrameError/;
  await row(page, 'Busy').waitFor();
  for (const s of server.sockets) server.send(s, 2, Buffer.from([0x53, 1, 1, 1, 99]));
  server.change({ [busy]: { value: 77 } });
  await row(page, 'Busy').getByText('77').waitFor();
});

on('a branch that opens slowly says so, and only then', async (server, open) => {
  const page = await open('#/tree?open=/shop');
  await row(page, 'web1').waitFor();
  server.lateMs = 1500;
  await row(page, 'web1').locator('.twisty').click();
  assert.equal(await row(page, 'web1').getAttribute('aria-busy'), 'true');
  const shown = row(page, 'web1').locator('.loading');
  assert.equal(await shown.evaluate((e) => `${getComputedStyle(e).animationDelay} ${getComputedStyle(e).animationFillMode}`), '0.15s both');
  await page.waitForFunction(() => getComputedStyle(document.querySelector('.loading')).opacity === '1');
  await row(page, 'CPU').waitFor();
  assert.equal(await shown.count(), 0);
});

on('answers that come late leave no ghosts', async (server, open) => {
  const page = await open('#/tree?open=/shop');
  await row(page, 'web1').waitFor();
  server.lateMs = 300;
  const twisty = row(page, 'web1').locator('.twisty');
  await twisty.click();
  await twisty.click();
  await twisty.click();
  await twisty.click();
  await page.waitForTimeout(800);
  assert.deepEqual(await shownRows(page), ['shop', 'web1', 'web2', 'grove']);
  await twisty.click();
  await row(page, 'Memory').waitFor();
  assert.deepEqual(await shownRows(page), ['shop', 'web1', 'CPU', 'Memory', 'web2', 'grove']);
});

on('what goes while the pointer is on it stays until the pointer moves on', async (server, open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  await row(page, 'Load').hover();
  server.remove('/shop/web1/CPU/Load');
  await page.waitForTimeout(300);
  await row(page, 'Load').waitFor();
  await row(page, 'Load').waitFor({ state: 'detached' });
});

on('a status to which something hidden contributes says so', async (server, open) => {
  server.tree.byPath.get('/shop/web2').hidden = true;
  const page = await open('#/tree?open=/shop');
  await row(page, 'web2').getByText('and hidden').waitFor();
  await status(page, 'web2', 'red and hidden');
  assert.equal(await page.getByText('and hidden').count(), 1);
});

on('a tree that grows opens by itself while nobody chose what is open', async (server, open) => {
  server.tree = new StandInTree({});
  const page = await open();
  await page.getByRole('heading', { name: 'The tree is empty' }).waitFor();
  server.place('/', 'host', { kind: 0, status: 1, counts: [0, 1, 0, 0] });
  server.place('/host', 'Load', { kind: 1, status: 1, value: 3 });
  await row(page, 'Load').waitFor();
});

on('without an answer for a long time the page says where it looks', async (server, open) => {
  const page = await open();
  page.mayFail = /ERR_|WebSocket connection|Failed to load/;
  await row(page, 'shop').waitFor();
  server.away = true;
  server.cut();
  await page.getByText('Is grove still running, and can this machine reach it?').waitFor();
  server.away = false;
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 5000 }).catch(() => {});
  await page.getByText('Not live.').waitFor({ state: 'detached' });
});
