// The problems in a real browser with a real grove.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';

const shop = `grove: 1
application: shop
at: /shop
tree:
  web1:
    CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
    Answer: { kind: performance, mode: push, unit: s, yellow: "> 0.5", red: "> 2" }
    Log: { kind: log, mode: push }
  web2:
    CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
  odd:
    Unsteady: { kind: performance, mode: push, red: "> 1", back: 0%, flap: 3 changes in 10m }
`;
const crowd = `grove: 1
application: crowd
at: /crowd
tree:
  "Value \${item}": { each: "1..600", kind: performance, mode: push, yellow: "> 5" }
`;

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([startBrowser(), startGrove({ definitions: { 'shop.yaml': shop, 'crowd.yaml': crowd } })]);
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

const calm = () =>
  grove.push([
    { path: '/shop/web1/CPU', value: 5 },
    { path: '/shop/web1/Answer', value: 0.1 },
    { path: '/shop/web2/CPU', value: 5 },
    ...Array.from({ length: 600 }, (_, i) => ({ path: `/crowd/Value ${i + 1}`, value: 0 })),
  ]);

/** on names a test whose pages must not complain. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, grove.url + '/#/' + address, options);
      pages.push(page);
      return page;
    };
    try {
      await calm();
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail || !/ERR_|WebSocket connection| 422 /.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const rows = (page) => page.locator('.sheet-sizer .sheet-row');
/** names are those of the rows that are drawn, from the top. */
const names = (page) => page.evaluate(namesNow);
const namesNow = () =>
  [...document.querySelectorAll('.sheet-sizer .sheet-row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((e) => e.querySelector('b').textContent);

/** namesAre waits until the list has exactly these rows. */
async function namesAre(page, want) {
  const end = Date.now() + 120_000;
  let now;
  do now = await names(page);
  while (now.join() !== want.join() && Date.now() < end);
  assert.deepEqual(now, want);
}

on('problems are listed by severity and age, live, and a click opens the node', async (open) => {
  const page = await open('problems?in=/shop');
  await page.getByText('No problem matches.').waitFor();
  await grove.push('/shop/web1/CPU', 75);
  await namesAre(page, ['CPU']);
  await grove.push('/shop/web2/CPU', 95);
  await grove.push('/shop/web1/Answer', 3);
  await namesAre(page, ['Answer', 'CPU', 'CPU']); // red before yellow, the newest first
  const first = rows(page).first();
  assert.match(await first.innerText(), /red[\s\S]*Answer[\s\S]*shop \/ web1[\s\S]*3\s+s/);
  await page.getByRole('button', { name: '2 red' }).waitFor();
  await page.getByRole('button', { name: '1 yellow' }).click(); // leaves out yellow
  await namesAre(page, ['Answer', 'CPU']);
  await page.waitForFunction(() => location.hash.includes('status=red'));
  await page.getByRole('searchbox').fill('web2');
  await namesAre(page, ['CPU']);
  await rows(page).first().click();
  await page.waitForFunction(() => location.hash.includes('node=/shop/web2/CPU') && location.hash.includes('find=web2'));
  await page.getByRole('complementary').waitFor();
});

on('nothing jumps under the pointer, and the list comes right when the hand rests', async (open) => {
  await grove.push([{ path: '/shop/web1/CPU', value: 75 }, { path: '/shop/web2/CPU', value: 75 }]);
  const page = await open('problems');
  await namesAre(page, ['CPU', 'CPU']);
  const box = await rows(page).nth(1).boundingBox();
  await page.mouse.move(box.x + 300, box.y + 10);
  await page.mouse.move(box.x + 301, box.y + 10);
  const under = () => page.evaluate(([x, y]) => document.elementFromPoint(x, y).closest('.sheet-row').textContent.match(/web\d/)[0], [box.x + 300, box.y + 10]);
  const before = await under();
  await grove.push([{ path: '/shop/web1/Answer', value: 3 }, { path: `/shop/${before}/CPU`, value: 5 }]);
  await page.waitForFunction(() => document.querySelectorAll('.sheet-row.gone').length === 1 && document.querySelectorAll('.sheet-sizer .sheet-row').length === 3);
  assert.equal(await under(), before);
  await page.mouse.move(5, 5);
  await namesAre(page, ['Answer', 'CPU']);
});

on('white on demand, flapping marked, sorted by the head of a column', async (open) => {
  for (const value of [0, 2, 0, 2, 0]) await grove.push('/shop/odd/Unsteady', value);
  await grove.push([{ path: '/shop/web1/CPU', value: 75 }]);
  const page = await open('problems?in=/shop');
  await page.waitForFunction(() => document.querySelectorAll('.sheet-sizer .sheet-row').length === 2);
  await rows(page).filter({ hasText: 'Unsteady' }).getByText('flapping').waitFor();
  await page.getByRole('button', { name: 'Node', exact: true }).click();
  await page.waitForFunction(() => location.hash.includes('sort=node'));
  await namesAre(page, ['Unsteady', 'CPU']); // by path
  await page.getByRole('button', { name: 'Node', exact: true }).click();
  await namesAre(page, ['CPU', 'Unsteady']);
  assert.equal(await page.getByRole('columnheader', { name: 'Node' }).getAttribute('aria-sort'), 'descending');
  await page.getByRole('button', { name: '1 white' }).click();
  await page.getByText('Log', { exact: true }).waitFor();
});

on('hundreds of problems are a window of rows, moved through by keys', async (open) => {
  await grove.push(Array.from({ length: 600 }, (_, i) => ({ path: `/crowd/Value ${i + 1}`, value: 9 })));
  const page = await open('problems?in=/crowd&sort=node');
  await page.waitForFunction(() => document.querySelector('[role=grid]')?.ariaRowCount === '601');
  assert.ok((await rows(page).count()) < 60);
  await rows(page).first().focus();
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-rowindex') === '601');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash.includes('node=/crowd/Value'));
});

on('the sound is off, and a new red sounds once it is on', async (open) => {
  const page = await open('problems');
  await page.evaluate(() => {
    window.tones = 0;
    const make = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      window.tones++;
      return make.call(this);
    };
  });
  await page.getByText('Nothing is wrong.').or(rows(page).first()).waitFor();
  await grove.push('/shop/web1/CPU', 95);
  await page.getByText('shop / web1').waitFor();
  assert.equal(await page.evaluate(() => window.tones), 0);
  await page.getByRole('button', { name: 'Sound is off' }).click();
  await page.getByRole('button', { name: 'Sound is on' }).waitFor();
  await grove.push('/shop/web2/CPU', 95);
  await page.waitForFunction(() => window.tones === 2); // two tones
  await page.getByRole('button', { name: 'Sound is on' }).click();
});
