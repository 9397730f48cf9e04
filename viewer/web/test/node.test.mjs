// The panel of a node in a real browser, with a real grove: history, thresholds, what
// happened, and the beans behind it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { phone, status } from './steps.mjs';

const shop = `grove: 1
application: shop
at: /shop
properties: { location: Berlin }
probes:
  metrics: { kind: push, attributes: { active: { type: number, unit: connections }, mode: { type: text } } }
  host: { kind: host, every: 1h }
tree:
  Connections:
    Active:
      from: metrics.active
      description: Connections that are open
      yellow: "> 500"
      red: "> 1000"
      back: 10%
      properties: { portal: "https://wiki.example/shop" }
    Mode: { from: metrics.mode, states: { fast: green, slow: yellow, "*": red } }
  Load: { from: host.load_1, yellow: "> 1000000 for 30s" }
`;

const active = '/shop/Connections/Active';
const mode = '/shop/Connections/Mode';
const at = (path) => `#/tree?open=/shop,/shop/Connections&node=${path}`;

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([startBrowser(), startGrove({ definitions: { 'shop.yaml': shop } })]);
  // Four minutes of readings with a gap in the middle.
  const now = Date.now();
  const readings = [];
  for (let s = 240; s > 0; s -= 2) {
    readings.push({ path: active, value: s > 140 ? 300 + s : 100 + s, time: new Date(now - s * 1000).toISOString() });
  }
  await grove.push(readings);
  await grove.push(mode, 'fast');
  await grove.push(mode, 'slow');
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

/** on names a test whose pages must not complain, but for what they are told to expect. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, grove.url + '/' + address, { reducedMotion: 'reduce', ...options });
      pages.push(page);
      return page;
    };
    try {
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !(page.mayFail ?? /$^/).test(c) && !/willReadFrequently/.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const panel = (page) => page.locator('.panel');
const chart = (page) => panel(page).getByRole('application');

/** drawn counts the pixels of the chart that are closer than a little to a colour of the style. */
function drawn(page, name, off = 40) {
  return page.locator('.panel .chart canvas').evaluate((canvas, [name, off]) => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = `var(${name})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map(Number);
    probe.remove();
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let k = 0; k < data.length; k += 4) if (Math.abs(data[k] - r) + Math.abs(data[k + 1] - g) + Math.abs(data[k + 2] - b) < off && data[k + 3] > 200) found++;
    return found;
  }, [name, off]);
}

async function until(what, check) {
  const end = Date.now() + 120_000;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

on('a node says what it is, how it is, and where it belongs', async (open) => {
  const page = await open(at(active));
  const p = panel(page);
  await p.getByRole('heading', { name: 'Active' }).waitFor();
  await p.getByText('Connections that are open').waitFor();
  await p.locator('.now .big').getByText('102').waitFor();
  await p.locator('.now .state', { hasText: /^green/ }).waitFor();
  for (const text of ['performance', 'its readings are sent to it', 'https://wiki.example/shop', 'Berlin']) await p.locator('dd', { hasText: text }).first().waitFor();
  assert.equal(await p.getByRole('link', { name: 'https://wiki.example/shop' }).getAttribute('rel'), 'noreferrer');
  for (const fact of ['Last reading', 'Last change', 'Created']) assert.match(await p.locator(`dt:text-is("${fact}") + dd`).innerText(), /, \d+.(s|min) ago$/);
  assert.equal(await p.getByRole('button', { name: 'Ask now' }).count(), 0, 'what is pushed cannot be asked for');

  await p.getByRole('navigation', { name: 'Path' }).getByRole('button', { name: 'shop', exact: true }).click();
  await p.getByRole('heading', { name: 'shop' }).waitFor();
  await p.locator('.now .state', { hasText: /^yellow/ }).waitFor();
  await p.getByText('the worst of its children').waitFor();
  await p.getByRole('region', { name: 'Why it is yellow' }).getByRole('button', { name: 'Connections / Mode' }).click();
  await p.getByRole('heading', { name: 'Mode' }).waitFor();
  await p.getByRole('region', { name: 'What happened' }).getByText('yellow at “slow”, was green').waitFor();
});

on('the chart has the readings, the levels and the gap, and follows what is live', async (open) => {
  const page = await open(at(active));
  const p = panel(page);
  await chart(page).waitFor();
  await p.getByRole('radio', { name: 'Hour' }).check();
  await p.locator('.readout').getByText('102 connections to 540 connections').waitFor();
  await until('the line is drawn', async () => (await drawn(page, '--accent')) > 100);
  assert.ok((await drawn(page, '--yellow-text', 150)) > 20, 'the level is drawn');
  await page.emulateMedia({ colorScheme: 'dark' });
  await until('the line is drawn in the dark', async () => (await drawn(page, '--accent')) > 100);

  await p.getByRole('radio', { name: 'Minute' }).check();
  await p.locator('.readout').getByText('540').waitFor({ state: 'detached' }); // the first readings are older than a minute
  await grove.push(active, 812);
  await p.locator('.now .big').getByText('812').waitFor();
  await p.locator('.readout').getByText(/to 812 connections/).waitFor();
  await p.getByText('As a table').click();
  const rows = p.getByRole('region', { name: 'History as a table' }).locator('tbody tr');
  await until('the newest row has the live reading', async () => /812 connections\s+yellow$/.test(await rows.first().innerText()));
  await grove.push(active, 102);
  await p.getByRole('region', { name: 'What happened' }).getByText('green at 102 connections, was yellow').waitFor();
});

on('keys walk along the chart and zoom; dragging zooms, too', async (open) => {
  const page = await open(at(active));
  const p = panel(page);
  await p.getByRole('radio', { name: 'Hour' }).check();
  await p.locator('.readout').getByText('on average').waitFor();
  await chart(page).focus();
  await page.keyboard.press('End');
  await p.locator('.readout').getByText('102 connections · green').waitFor();
  await page.keyboard.press('+');
  const back = p.getByRole('button', { name: 'Back to now' });
  await back.waitFor();
  await page.keyboard.press('0');
  await back.waitFor({ state: 'detached' });

  const box = await chart(page).locator('.u-over').boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(5, 5);
  await back.waitFor();
  await p.locator('.readout').getByText('no readings in this time').waitFor(); // it was 24 to 36 minutes ago
  await back.click();

  await p.getByRole('radio', { name: 'Own' }).check();
  await p.getByLabel('To', { exact: true }).fill('2001-01-01T00:00:00');
  await p.getByRole('button', { name: 'Show', exact: true }).click();
  await p.getByText('The beginning is not before the end.').waitFor();
  await p.getByLabel('From', { exact: true }).fill('2000-12-31T00:00:00');
  await p.getByRole('button', { name: 'Show', exact: true }).click();
  await back.waitFor();
  await p.getByRole('button', { name: 'Larger' }).click();
  const dialog = page.getByRole('dialog', { name: 'History of Active' });
  await dialog.getByRole('application').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

on('two fingers zoom the chart', async (open) => {
  const page = await open(`#/tree?node=${active}`, phone);
  await page.locator('.u-over').waitFor();
  await page.locator('.u-over').scrollIntoViewIfNeeded();
  const box = await page.locator('.u-over').boundingBox();
  const [middle, y] = [box.x + box.width * 0.6, box.y + 60];
  const touch = await page.context().newCDPSession(page);
  const send = (type, ...xs) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: xs.map((x, id) => ({ x, y, id })) });
  await send('touchStart', middle - 20);
  await send('touchStart', middle - 20, middle + 20);
  for (let k = 1; k <= 6; k++) await send('touchMove', middle - 20 - k * 10, middle + 20 + k * 10);
  await send('touchEnd');
  await panel(page).getByRole('radio', { name: 'Own' }).and(page.locator(':checked')).waitFor();
  await panel(page).getByRole('button', { name: 'Back to now' }).tap();
  await panel(page).getByRole('radio', { name: 'Hour' }).and(page.locator(':checked')).waitFor();
});

on('thresholds are edited: the chart previews, errors show at their fields, the tree changes, and a restart keeps it', async (open) => {
  const page = await open(at(active));
  page.mayFail = /422|ERR_|WebSocket/;
  const p = panel(page);
  await status(page, 'Active', 'green');
  const section = p.getByRole('region', { name: 'Thresholds' });
  await section.getByRole('button', { name: 'Edit' }).click();
  const [yellow, red] = [section.getByLabel('Yellow (connections)'), section.getByLabel('Red (connections)')];
  assert.equal(await yellow.inputValue(), '> 500');
  assert.deepEqual(await section.getByLabel('back').evaluateAll((all) => all.map((e) => e.value)), ['10%', '10%']);

  await yellow.fill('over 50');
  await section.getByRole('button', { name: 'Save' }).click();
  await section.locator('.field', { has: page.getByLabel('Yellow (connections)') }).getByText('level "over 50": not understood').waitFor();
  assert.equal(await yellow.getAttribute('aria-invalid'), 'true');
  await status(page, 'Active', 'green');

  const before = await drawn(page, '--red-text', 150);
  await yellow.fill('> 50');
  await red.fill('> 100');
  await until('the new level shows in the chart before it is saved', async () => (await drawn(page, '--red-text', 150)) > before + 20);
  await status(page, 'Active', 'green');
  await section.getByRole('button', { name: 'Save' }).click();
  await status(page, 'Active', 'red');
  await status(page, 'shop', 'red');
  await p.getByRole('heading', { name: 'Thresholds, changed while running' }).waitFor();
  await p.getByRole('region', { name: 'What happened' }).getByText(/the threshold is tuned: yellow > 50, red > 100/).waitFor();

  const { records } = await grove.get('/api/v1/audit?action=thresholds%20put');
  assert.deepEqual([records[0].target, records[0].outcome], [active, 'ok']);
  await grove.leave();
  await grove.back();
  await page.reload();
  await status(page, 'Active', 'red');
  await section.getByText('> 100').waitFor();
  await section.getByRole('button', { name: 'Edit' }).click();
  await section.getByRole('button', { name: 'Reset to definition' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset' }).click();
  await status(page, 'Active', 'green');
  await section.getByText('> 1000').waitFor();
});

on('the states of a status are edited', async (open) => {
  const page = await open(at(mode));
  const p = panel(page);
  await chart(page).waitFor();
  await p.getByRole('radio', { name: 'Minute' }).check(); // in an hour the first seconds are a pixel or none
  await until('the statuses are drawn', async () => (await drawn(page, '--yellow')) > 20);
  const section = p.getByRole('region', { name: 'Thresholds' });
  await section.getByRole('button', { name: 'Edit' }).click();
  await section.getByLabel('Status of slow').selectOption('red');
  await section.getByRole('button', { name: 'Save' }).click();
  await status(page, 'Mode', 'red');
  await grove.send('DELETE', '/api/v1/thresholds' + mode);
  await status(page, 'Mode', 'yellow');
});

on('a probe is asked now, and its operations are run', async (open) => {
  const page = await open(at('/shop/Load'));
  const p = panel(page);
  const section = p.getByRole('region', { name: 'Where its readings come from' });
  await section.getByText('of shop, kind host').waitFor();
  await section.getByText('every 1h').waitFor();
  await until('the first run is over', async () => (await grove.get('/api/v1/nodes/shop/Load')).beans[0].runs > 0);
  const { beans } = await grove.get('/api/v1/nodes/shop/Load');
  await new Promise((resolve) => setTimeout(resolve, 1100)); // It is not run twice a second.
  await section.getByRole('button', { name: 'Ask now' }).click();
  await section.getByText(/^Answered after/).waitFor();
  await section.getByText(`${beans[0].runs + 1} runs, none failed`).waitFor();

  await section.getByText('Operations').click();
  await section.getByRole('button', { name: 'Run stop of host' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Run stop' }).click();
  await section.locator('dd', { hasText: /^stopped$/ }).waitFor();
  assert.equal(await section.getByRole('button', { name: 'Ask now' }).count(), 0);
  await section.getByRole('button', { name: 'Run start of host' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Run start' }).click();
  await section.getByRole('button', { name: 'Ask now' }).waitFor();
});

on('a moment of the past is shown, and nothing can be done with it', async (open) => {
  await grove.push(mode, 'fast');
  const then = new Date(Date.now() - 1).toISOString();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await grove.push(mode, 'slow');
  const page = await open(`#/tree?open=/shop,/shop/Connections&node=${mode}&at=${then}`);
  const p = panel(page);
  await p.locator('.now').getByText(/^At /).waitFor();
  await p.locator('.now .state', { hasText: /^green/ }).waitFor();
  assert.equal(await p.getByRole('button', { name: 'Edit' }).count(), 0);
});

on('everything is named for screen readers, in times of the zone that is wanted', async (open) => {
  await grove.send('PUT', '/api/v1/me/preferences', { theme: 'system', zone: 'utc', sound: false });
  for (const options of [{}, { ...phone, colorScheme: 'dark' }]) {
    const page = await open(at(active), { timezoneId: 'Asia/Tokyo', ...options });
    await chart(page).waitFor();
    const since = new Date((await grove.get('/api/v1/nodes' + active)).since).toISOString().slice(11, 19);
    await panel(page).locator('.now .state', { hasText: `since ${since} UTC` }).waitFor();
    await panel(page).getByRole('button', { name: 'Edit' }).click();
    await panel(page).getByText('As a table').click();
    await panel(page).getByText('Operations').click();
    await accessible(page, {});
    const wide = await page.evaluate(() => document.querySelector('.node-body').scrollWidth - document.querySelector('.node-body').clientWidth);
    assert.equal(wide, 0, 'nothing is wider than the panel');
    await page.context().close();
  }
});

test('who may see a part sees that part, and may do what his role says', { timeout: 180_000 }, async () => {
  const two = shop.replace('tree:\n', 'tree:\n  Secret: { kind: performance, mode: push, description: not for everybody, red: "> 1" }\n');
  const other = await startGrove({ definitions: { 'shop.yaml': two } });
  try {
    await other.push([{ path: '/shop/Secret', value: 5 }, { path: active, value: 7 }]);
    const password = 'correct horse battery';
    const basic = { Authorization: 'Basic ' + Buffer.from(`root:${password}`).toString('base64') };
    await other.send('POST', '/api/v1/users', { name: 'root', password, grants: [{ role: 'admin', path: '/' }] });
    for (const [name, role] of [['ada', 'viewer'], ['eve', 'editor']]) {
      await other.send('POST', '/api/v1/users', { name, password, grants: [{ role, path: '/shop/Connections' }] }, basic);
    }
    for (const [name, edits] of [['ada', 0], ['eve', 1]]) {
      const page = await openPage(browser, other.url + '/healthz', { reducedMotion: 'reduce' });
      await page.evaluate((body) => fetch('api/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }).then((r) => r.text()), { name, password });
      await page.goto(other.url + '/#/tree?open=/shop&node=/shop');
      const p = panel(page);
      await p.getByText('Something below that you may not see contributes to this status.').waitFor();
      await p.locator('.now .state', { hasText: /^red/ }).waitFor();
      await p.locator('.now .counts').getByText('1').first().waitFor();
      assert.equal(await chart(page).count(), 0, 'what is on the way has no history of its own');
      assert.equal(await page.getByText('Secret').count(), 0);
      await page.goto(other.url + '/' + at(active));
      await p.locator('.now .big').getByText('7').waitFor();
      await p.getByRole('region', { name: 'Thresholds' }).waitFor();
      assert.equal(await p.getByRole('button', { name: 'Edit' }).count(), edits, name);
      await page.goto(other.url + '/' + at('/shop/Secret'));
      await p.getByText(/not in the tree any more|no such node/).first().waitFor();
      assert.equal(await p.getByText('not for everybody').count(), 0);
      await page.context().close();
    }
  } finally {
    await other.stop();
  }
});
