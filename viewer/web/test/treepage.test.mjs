// The page of the tree in a real browser, with a real grove.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { focused, hash, phone, press, row, rowsAre, shownRows, status } from './steps.mjs';
import { readings, village } from './village.mjs';

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([startBrowser(), startGrove({ definitions: village })]);
  await grove.push(readings);
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

/** on names a test whose pages must not complain. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address = '', options) => {
      const page = await openPage(browser, grove.url + '/' + address, options);
      pages.push(page);
      return page;
    };
    try {
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail || !/ERR_|WebSocket connection/.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const collapsed = '#/tree?open=';
const busy = '/shop/web1/CPU/Busy';

on('the tree is a treegrid with names, levels, places and statuses in words', async (open) => {
  const page = await open('#/tree?open=/shop');
  const grid = page.getByRole('treegrid', { name: 'Monitor tree' });
  await row(page, 'web2').waitFor();
  await rowsAre(page, ['grove', 'network', 'shop', 'web1', 'web2', 'database']);
  assert.equal(await grid.getAttribute('aria-rowcount'), '7');
  const web2 = row(page, 'web2');
  assert.deepEqual(
    await web2.evaluate((e) => ['aria-level', 'aria-posinset', 'aria-setsize', 'aria-expanded', 'aria-rowindex'].map((a) => e.getAttribute(a))),
    ['2', '2', '3', 'false', '6'],
  );
  await status(page, 'web2', 'red');
  await status(page, 'network', 'yellow');
  await status(page, 'grove', 'green');
  await web2.getByRole('gridcell', { name: '4 red 2 yellow 6 green' }).waitFor();
  for (const [name, shape] of [['web2', 'rect'], ['network', 'path'], ['grove', 'circle']]) {
    assert.equal(await row(page, name).locator('.name .mark > *').evaluate((e) => e.tagName), shape);
  }
  await page.getByRole('button', { name: '4 red' }).waitFor();
  await page.getByText('9 problems').waitFor();
});

on('the page is accessible', async (open) => {
  const page = await open('#/tree?open=/shop/web2/CPU');
  await row(page, 'Busy').waitFor();
  await accessible(page);
  await page.getByRole('button', { name: 'Time travel' }).click();
  await page.getByRole('slider', { name: 'Moment' }).waitFor();
  await accessible(page, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] });
  const dark = await open('#/tree?open=/shop/web2/CPU&find=busy', { colorScheme: 'dark' });
  await dark.getByText('2 matches').waitFor();
  await accessible(dark);
  const small = await open('#/tree?open=/shop', phone);
  await row(small, 'web2').waitFor();
  await accessible(small);
});

on('the keyboard walks as the treegrid pattern says', async (open) => {
  const page = await open(collapsed);
  await row(page, 'shop').focus();
  await press(page, 'Home', 'grove');
  await press(page, 'End', 'shop');
  await page.keyboard.press('ArrowRight'); // opens
  await row(page, 'web1').waitFor();
  await press(page, 'ArrowDown', 'web1');
  await press(page, 'ArrowUp', 'shop');
  await press(page, 'ArrowRight', 'shop:0'); // enters the cells
  await press(page, 'ArrowRight ArrowRight', 'shop:2');
  await press(page, 'ArrowDown', 'web1:2');
  await press(page, 'End', 'web1:3');
  await press(page, 'Home', 'web1:0');
  await press(page, 'Enter', 'web1:0'); // opens from the cell
  await row(page, 'CPU').waitFor();
  await press(page, 'ArrowLeft', 'web1');
  await press(page, 'ArrowDown', 'CPU');
  await press(page, 'ArrowLeft', 'web1'); // to the parent
  await press(page, 'ArrowLeft', 'web1'); // closes
  await row(page, 'CPU').waitFor({ state: 'detached' });
  await press(page, 'Space', 'web1');
  await row(page, 'CPU').waitFor();
  await press(page, 'Control+End', 'database');
  await press(page, 'PageUp', 'grove');
  await press(page, 'PageDown', 'database');
  await press(page, 'Home *', 'grove'); // opens all beside it
  await row(page, 'switch-1').waitFor();
  assert.equal(await page.locator('.treegrid [tabindex="0"]').count(), 1, 'one stop for the tab key');
  await press(page, 's w i', 'switch-1'); // by its name
  await page.waitForTimeout(800); // a pause begins another name
  await press(page, 's', 'switch-2');
  await press(page, 's s', 'switch-1');
  await press(page, 'Enter', 'switch-1');
  await page.getByRole('complementary', { name: 'Node /network/switch-1' }).waitFor();
  await press(page, 'ArrowDown', 'switch-2');
  await page.getByRole('complementary', { name: 'Node /network/switch-2' }).waitFor();
  await press(page, 'Escape', 'switch-2');
  await page.getByRole('complementary').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  assert.equal(await focused(page), 'input');
});

on('only what shows is known, and what was closed is forgotten', async (open) => {
  const page = await open(collapsed);
  await row(page, 'shop').waitFor();
  for (const name of ['shop', 'web1', 'CPU']) await row(page, name).locator('.twisty').click();
  await row(page, 'Busy').getByText('34.2').waitFor();
  await row(page, 'shop').locator('.twisty').click();
  await rowsAre(page, ['grove', 'network', 'shop']);
  await row(page, 'shop').locator('.twisty').click(); // and is open again as it was
  await row(page, 'Busy').getByText('34.2').waitFor();
  for (let i = 0; i < 7; i++) await row(page, 'shop').locator('.twisty').click({ delay: 0 });
  await rowsAre(page, ['grove', 'network', 'shop']);
});

on('a filter by text and status shows matches and the way to them, and stays in the address', async (open) => {
  const page = await open(collapsed);
  await row(page, 'shop').waitFor();
  await page.getByRole('searchbox').pressSequentially('web2 busy');
  await rowsAre(page, ['shop', 'web2', 'CPU', 'Busy']);
  await page.getByText('1 match').waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.textContent.includes('Busy'));
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: '5 yellow' }).click();
  await page.getByText('5 matches').waitFor();
  const yellow = [
    'network', 'switch-1', 'Ports', 'Port 17', 'State', 'shop', 'web1', 'File systems', 'var', 'Used', 'Free', 'web2', 'File systems', 'var', 'Used', 'Free',
  ];
  await rowsAre(page, yellow);
  await hash(page, 'status=yellow');
  const other = await open(await page.evaluate(() => location.hash));
  await other.getByText('5 matches').waitFor();
  await rowsAre(other, yellow);
  await other.getByRole('searchbox').fill('nowhere');
  await other.getByText('No node that is yellow has “nowhere” in its name.').waitFor();
  await other.getByRole('button', { name: 'Show the whole tree' }).click();
  await row(other, 'grove').waitFor();
});

on('with a filter branches open and close by hand, and without it they are as they were', async (open) => {
  const page = await open('#/tree?open=/network');
  await row(page, 'switch-1').waitFor();
  await page.getByRole('searchbox').fill('web1');
  await rowsAre(page, ['shop', 'web1']);
  await row(page, 'web1').locator('.twisty').click();
  await row(page, 'nginx').waitFor();
  await row(page, 'shop').locator('.twisty').click();
  await rowsAre(page, ['shop']);
  await row(page, 'shop').locator('.twisty').click();
  await row(page, 'nginx').waitFor();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await row(page, 'switch-1').waitFor();
  assert.ok(!(await shownRows(page)).includes('nginx'));
});

on('expand to problems opens the ways to them, puts the keyboard on the worst, and is kept in the address', async (open) => {
  const tall = { viewport: { width: 1400, height: 1800 } };
  const page = await open(collapsed, tall);
  await page.getByRole('button', { name: 'Expand to problems' }).click();
  await page.waitForFunction(() => document.activeElement.textContent.includes('Busy'));
  const names = await shownRows(page);
  for (const name of ['Busy', 'Active', 'Response time', 'State']) assert.ok(names.includes(name), name);
  assert.ok(!names.includes('switch-2') || !names.includes('Uptime') || names.includes('Ports'));
  await hash(page, '/network/switch-1/Ports/Port+17');
  const again = await open(await page.evaluate(() => location.hash), tall);
  await row(again, 'Response time').first().waitFor();
  await rowsAre(again, names);
});

on('c leads from a group to what makes it red', async (open) => {
  const page = await open(collapsed);
  await row(page, 'shop').focus();
  await press(page, 'c', 'Busy');
  const names = await shownRows(page);
  assert.deepEqual(names.slice(names.indexOf('shop'), names.indexOf('Busy')), ['shop', 'web1', 'web2', 'CPU']);
  await row(page, 'network').hover();
  await row(page, 'network').locator('.cause').click();
  await page.waitForFunction(() => document.activeElement.textContent.startsWith('State'));
  await status(page, 'Port 17', 'yellow');
});

on('orders: by name and the worst first, kept in the address', async (open) => {
  const page = await open('#/tree?open=/shop');
  await rowsAre(page, ['grove', 'network', 'shop', 'web1', 'web2', 'database']);
  await page.getByRole('combobox', { name: 'Order' }).selectOption('worst first');
  await rowsAre(page, ['shop', 'web2', 'web1', 'database', 'network', 'grove']);
  await hash(page, 'sort=severity');
  const again = await open(await page.evaluate(() => location.hash));
  await rowsAre(again, ['shop', 'web2', 'web1', 'database', 'network', 'grove']);
  await again.getByRole('combobox', { name: 'Order' }).selectOption('by name');
  await rowsAre(again, ['grove', 'network', 'shop', 'database', 'web1', 'web2']);
  // Nothing moves under the pointer, until it rests or is elsewhere.
  await row(page, 'web1').hover();
  await grove.push(busy, 99);
  await status(page, 'web1', 'red');
  await grove.push('/shop/web2/CPU/Busy', 5);
  await page.waitForTimeout(1500);
  assert.deepEqual(await shownRows(page), ['shop', 'web2', 'web1', 'database', 'network', 'grove']);
  await grove.push(busy, 34.2);
  await grove.push('/shop/web2/CPU/Busy', 96.4);
  await status(page, 'web1', 'yellow');
});

on('a change appears, flashes, counts and is told politely', async (open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  const at = row(page, 'Busy');
  await at.getByText('34.2').waitFor();
  await grove.push(busy, 51.5);
  await at.getByText('51.5').waitFor();
  await grove.push(busy, 99);
  await status(page, 'Busy', 'red');
  await at.locator('.flash').waitFor({ state: 'attached' });
  await status(page, 'web1', 'red');
  await page.getByRole('button', { name: '5 red' }).waitFor();
  await page.getByText('shop, web1, CPU, Busy turned red.').waitFor({ state: 'attached' });
  await page.waitForFunction(() => /^(\(\d+\) )?5 red, 5 yellow – Grove$/.test(document.title));
  await at.locator('.flash').waitFor({ state: 'detached' });
  await grove.push(busy, 34.2);
  await status(page, 'Busy', 'green');
});

on('nothing moves for who asked for reduced motion', async (open) => {
  const page = await open('#/tree?open=/shop/web1/CPU', { reducedMotion: 'reduce' });
  await row(page, 'Busy').waitFor();
  await grove.push(busy, 99);
  await status(page, 'Busy', 'red');
  assert.equal(await page.locator('.flash, .tick').count(), 0);
  await grove.push(busy, 34.2);
});

on('nodes that come above do not move what the pointer is on', async (open) => {
  const page = await open('#/tree?open=*', { viewport: { width: 1200, height: 500 } });
  await row(page, 'grove').waitFor();
  await page.locator('.scroller').evaluate((e) => (e.scrollTop = e.scrollHeight - 900));
  await page.mouse.move(500, 400);
  await page.mouse.move(501, 400);
  const under = () => page.evaluate(() => document.elementFromPoint(501, 400).closest('.row')?.textContent.replace(/\d+.s/, ''));
  await page.waitForFunction(() => document.elementFromPoint(501, 400).closest('.row'));
  const height = await page.locator('.sizer').evaluate((e) => e.offsetHeight);
  const was = await under();
  await grove.put('network.yaml', village['network.yaml'] + '    Fans:\n      "Fan ${item}": { each: "1..4", kind: performance }\n');
  await page.waitForFunction((h) => document.querySelector('.sizer').offsetHeight >= h + 150, height);
  assert.equal(await under(), was);
  await grove.put('network.yaml', village['network.yaml']);
  await page.waitForFunction((h) => document.querySelector('.sizer').offsetHeight < h + 150, height);
  assert.equal(await under(), was);
});

on('a link to a node shows its row and its panel', async (open) => {
  const page = await open('#open=/network&node=/shop/web2/nginx/Answer/Status');
  await row(page, 'Status').waitFor();
  assert.equal(await row(page, 'Status').getAttribute('aria-selected'), 'true');
  await page.getByRole('complementary', { name: 'Node /shop/web2/nginx/Answer/Status' }).waitFor();
  await row(page, 'switch-1').waitFor();
});

on('after a restart of the server the page asks anew and keeps what is open', async (open) => {
  const page = await open(collapsed);
  page.mayFail = true;
  for (const name of ['shop', 'web1', 'CPU']) await row(page, name).locator('.twisty').click();
  await row(page, 'Busy').waitFor();
  await grove.leave();
  await page.getByText('Not live.').waitFor();
  await row(page, 'Busy').getByText('34.2').waitFor(); // what was known stays
  await grove.back();
  await page.getByText('Not live.').waitFor({ state: 'detached' });
  await grove.push(readings);
  await grove.push(busy, 12.5);
  await row(page, 'Busy').getByText('12.5').waitFor();
  await grove.push(busy, 34.2);
});

on('hostile names are nothing but text', async (open) => {
  const page = await open('#/tree');
  await row(page, 'grove').waitFor();
  await grove.put('evil.yaml', `grove: 1\napplication: evil\nat: /evil\ntree:\n  '<img src=x onerror=alert(1)>':\n    '"><script>alert(2)</script>': { kind: text }\n`);
  const dialogs = [];
  page.on('dialog', (d) => (dialogs.push(d.message()), d.dismiss()));
  await page.getByRole('searchbox').fill('script');
  await row(page, '"><script>alert(2)</script>').click();
  await page.getByRole('complementary').waitFor();
  assert.equal(await page.locator('img, main script').count(), 0);
  assert.deepEqual(dialogs, []);
});

on('pages are reached by keyboard, and say where one is', async (open) => {
  const page = await open('#/tree?open=/shop');
  await row(page, 'web2').waitFor();
  await page.keyboard.press('Tab');
  await page.getByRole('link', { name: 'Skip to the content' }).press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  const nav = page.getByRole('navigation', { name: 'Pages' });
  assert.equal(await nav.getByRole('link', { name: 'Tree' }).getAttribute('aria-current'), 'page');
  await nav.getByRole('link', { name: 'Problems' }).press('Enter');
  await page.getByRole('main', { name: 'Problems' }).waitFor();
  await nav.getByRole('link', { name: 'Tree' }).press('Enter'); // is as it was left
  await row(page, 'web2').waitFor();
  await page.goBack();
  await page.getByRole('main', { name: 'Problems' }).waitFor();
  await page.evaluate(() => (location.hash = '#/nowhere'));
  await page.getByRole('heading', { name: 'There is no page “nowhere”' }).waitFor();
  const small = await open('#/tree', phone);
  await small.getByRole('button', { name: 'More' }).tap();
  await small.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'System' }).tap();
  await small.getByRole('main', { name: 'System' }).waitFor();
});

on('time travel shows the tree as it was, in the banner and in the address, and leads back', async (open) => {
  const page = await open('#/tree?open=/shop/web1/CPU');
  await row(page, 'Busy').getByText('34.2').waitFor();
  // The history keeps one moment a second: the values of one are there to stay.
  await page.waitForTimeout(2500);
  const then = new Date().toISOString();
  await page.waitForTimeout(1500);
  await grove.push(busy, 99);
  await status(page, 'Busy', 'red');
  await page.getByRole('button', { name: 'Time travel' }).click();
  await page.getByText('This is now.').waitFor();
  const slider = page.getByRole('slider', { name: 'Moment' });
  assert.equal(await slider.getAttribute('aria-valuetext'), 'now');
  await page.evaluate((at) => (location.hash += `&at=${at}`), then);
  await page.getByText('This is the past:').waitFor();
  await status(page, 'Busy', 'green');
  await row(page, 'Busy').getByText('34.2').waitFor();
  await page.waitForFunction(() => document.title === 'The past – Grove');
  const other = await open(await page.evaluate(() => location.hash));
  await other.getByText('This is the past:').waitFor();
  await status(other, 'Busy', 'green');
  await row(other, 'Memory').locator('.twisty').click(); // a branch opens in the past, too
  await row(other, 'Used share').waitFor();
  await slider.focus();
  await page.keyboard.press('End');
  await page.getByText('This is now.').waitFor();
  await status(page, 'Busy', 'red');
  await slider.press('ArrowLeft');
  await hash(page, 'at=');
  await page.getByRole('button', { name: 'Back to now' }).click();
  await status(page, 'Busy', 'red');
  assert.ok(!(await page.evaluate(() => location.hash)).includes('at='));
  await grove.push(busy, 34.2);
  await status(page, 'Busy', 'green');
});

on('on a phone a tap opens branches, and the panel is a sheet', async (open) => {
  const page = await open(collapsed, phone);
  await row(page, 'shop').tap();
  await row(page, 'database').tap();
  await row(page, 'Connections').tap();
  const sheet = page.getByRole('complementary', { name: 'Node /shop/database/Connections' });
  await sheet.waitFor();
  const box = await sheet.boundingBox();
  assert.equal(Math.round(box.y + box.height), 844);
  await page.keyboard.press('Escape');
  await page.goBack().catch(() => {});
  await sheet.waitFor({ state: 'detached' });
  await row(page, 'shop').locator('.more').tap();
  await page.getByRole('complementary', { name: 'Node /shop' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'nothing hangs over the edge');
});

on('what a thumb must hit is large enough', async (open) => {
  const page = await open('#/tree?open=/shop', phone);
  await row(page, 'web2').waitFor();
  await page.getByRole('button', { name: 'Time travel' }).tap();
  await page.getByRole('slider', { name: 'Moment' }).waitFor();
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button, a, select, input:not([type=range]), .sizer .row, .more')]
      .filter((e) => e.checkVisibility() && !e.matches('.skip, .backdrop'))
      .map((e) => ({ e, r: e.getBoundingClientRect() }))
      .filter(({ r }) => r.width > 0 && (r.height < 44 || r.width < 44))
      .map(({ e, r }) => `${e.tagName} ${e.className} ${e.textContent.slice(0, 20)} ${Math.round(r.width)}x${Math.round(r.height)}`),
  );
  assert.deepEqual(small, []);
});

test('who sees a part is told that something hidden contributes', { timeout: 180_000 }, async () => {
  const own = await startGrove({ definitions: village });
  let page;
  try {
    await own.push(readings);
    const password = 'correct horse battery';
    await own.send('POST', '/api/v1/users', { name: 'ada', password, grants: [{ role: 'admin', path: '/' }] });
    const basic = { Authorization: 'Basic ' + btoa(`ada:${password}`) };
    await own.send('POST', '/api/v1/users', { name: 'bob', password, grants: [{ role: 'viewer', path: '/shop/web1' }] }, basic);

    page = await openPage(browser, own.url + '/#/tree?open=/shop/web1');
    await page.waitForFunction(() => location.hash.startsWith('#/login?to='));
    const answer = await page.context().request.post(own.url + '/api/v1/session', { data: { name: 'bob', password }, headers: { Origin: own.url } });
    assert.equal(answer.ok(), true, await answer.text());
    await page.goto('about:blank');
    await page.goto(own.url + '/#/tree?open=/shop/web1');
    await rowsAre(page, ['shop', 'web1', 'CPU', 'Memory', 'File systems', 'nginx']);
    await status(page, 'shop', 'red and hidden');
    await status(page, 'web1', 'yellow');
    await page.getByRole('button', { name: 'Red 2 problems' }).waitFor();
    await row(page, 'shop').focus();
    await page.keyboard.press('c');
    await page.getByText('/shop is red because of nothing that you may see.').waitFor({ state: 'attached' });
  } finally {
    await page?.context().close();
    await own.stop();
  }
});
