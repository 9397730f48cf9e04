// The overview in a real browser with a real grove: one screen for 10 and for 10,000
// applications.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { phone } from './steps.mjs';

const apps = (place, n) => `grove: 1
application: ${place}
at: /${place}
tree:
  "app-\${item}":
    each: "1..${n}"
    Load: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
`;
const shop = `grove: 1
application: shop
at: /shop
tree:
  small: { Load: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90", back: 0% } }
  middle: { "Value \${item}": { each: "1..3", kind: performance, mode: push, unit: s } }
  large: { "Value \${item}": { each: "1..40", kind: performance, mode: push, unit: s } }
`;

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([
    startBrowser(),
    startGrove({ definitions: { 'ten.yaml': apps('ten', 10), 'many.yaml': apps('many', 10_000), 'shop.yaml': shop } }),
  ]);
  const load = (path, value) => ({ path: `${path}/Load`, value });
  await grove.push([load('/ten/app-7', 95), load('/ten/app-3', 80), ...[1, 2, 4, 5, 6, 8, 9].map((i) => load(`/ten/app-${i}`, 10)), load('/shop/small', 10)]);
  for (let i = 0; i < 10_000; i += 5000) {
    await grove.push(Array.from({ length: 5000 }, (_, k) => load(`/many/app-${i + k + 1}`, (i + k) % 100 === 0 ? 95 : 20)));
  }
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

/** on names a test whose pages must not complain. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, grove.url + '/#/overview' + address, options);
      pages.push(page);
      return page;
    };
    try {
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints, []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const map = (page) => page.getByRole('listbox');
const active = (page) => page.locator('#map-active').textContent();

/** activeIs waits until the keyboard is on a tile whose words match. */
async function activeIs(page, pattern) {
  await page.waitForFunction((p) => new RegExp(p).test(document.getElementById('map-active')?.textContent ?? ''), pattern).catch(async (error) => {
    assert.match(await active(page), new RegExp(pattern));
    throw error;
  });
}

/** fits sees that nothing has to be scrolled. */
async function fits(page) {
  assert.deepEqual(
    await page.evaluate(() => {
      const root = document.documentElement;
      const places = [...document.querySelectorAll('main, .overview, .map')];
      return [root, ...places].filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1).map((e) => e.className || e.tagName);
    }),
    [],
  );
}

/** colourAt is the colour in the middle of the mark of the tile that the keyboard is on, if the tile is nothing but its mark. */
function colourAt(page) {
  return page.evaluate(() => {
    const ring = document.getElementById('map-active').getBoundingClientRect();
    const canvas = document.querySelector('.map canvas');
    const at = canvas.getBoundingClientRect();
    const scale = canvas.width / at.width;
    const copy = document.createElement('canvas');
    const pen = copy.getContext('2d', { willReadFrequently: true });
    copy.width = copy.height = 1;
    pen.drawImage(canvas, -Math.floor((ring.x + ring.width / 2 - at.x) * scale), -Math.floor((ring.y + ring.height / 2 + 1 - at.y) * scale));
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return a === 0 ? 'nothing' : `${r},${g},${b}`;
  });
}

on('ten applications fill the screen, the worst first, with names and words', async (open) => {
  const page = await open('?in=/ten');
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '10');
  await map(page).and(page.getByLabel('10 areas of /ten, the worst first')).waitFor();
  assert.equal(await map(page).getAttribute('data-shown'), '10');
  await fits(page);
  await map(page).focus();
  await page.keyboard.press('Home');
  await activeIs(page, '^app-7, red: 1 red of 1 attribute$');
  await page.keyboard.press('ArrowRight');
  await activeIs(page, '^app-3, yellow: 1 yellow of 1 attribute$');
  await page.keyboard.press('ArrowRight');
  await activeIs(page, '^app-10, white: 1 white of 1 attribute$');
  const option = page.getByRole('option');
  assert.deepEqual([await option.getAttribute('aria-posinset'), await option.getAttribute('aria-setsize')], ['3', '10']);
  for (const [status, count] of [['red', '1'], ['yellow', '1'], ['white', '1'], ['green', '7']]) {
    await page.getByRole('link', { name: `${count} ${status}` }).waitFor();
  }
});

on('ten thousand applications fit one screen, each with its mark', async (open) => {
  const page = await open('?in=/many');
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '10000');
  assert.equal(await map(page).getAttribute('data-shown'), '10000');
  assert.ok(Number(await map(page).getAttribute('data-cell')) >= 9, 'a mark has 9 pixels');
  await fits(page);
  await map(page).focus();
  await page.keyboard.press('Home');
  await activeIs(page, '^app-\\d+, red');
  assert.equal(await colourAt(page), '176,0,32');
  await page.keyboard.press('End');
  await activeIs(page, '^app-\\d+, green');
  assert.equal(await colourAt(page), '42,157,143');
  await page.getByRole('link', { name: /^100 red$/ }).waitFor();
});

on('what finds no room on a phone is summed up by name', async (open) => {
  const page = await open('?in=/many', phone);
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '10000');
  const shown = Number(await map(page).getAttribute('data-shown'));
  assert.ok(shown >= 100 && shown < 10_000, `${shown} tiles`);
  assert.ok(Number(await map(page).getAttribute('data-cell')) >= 24, 'a tile is large enough for a thumb');
  await fits(page);
  await page.keyboard.press('Tab');
  await map(page).focus();
  await page.keyboard.press('End');
  const text = await active(page);
  const [, rest] = /^([\d\u202f]+) more areas: /.exec(text) ?? assert.fail(text);
  assert.equal(Number(rest.replaceAll('\u202f', '')) + shown, 10_000, 'every area is a tile or counted');
});

on('figures of a large tree keep a phone and the sheet of a node in their width', async (open) => {
  const page = await open('', phone);
  await page.evaluate(() => (location.hash = '#/tree?node=/many'));
  await page.locator('.panel h2').waitFor();
  assert.ok(await page.locator('.tools .chips').evaluate((e) => e.scrollWidth > e.clientWidth), 'the figures are wider than the phone');
  assert.equal(await page.evaluate(() => innerWidth), 390);
  const close = await page.getByRole('button', { name: 'Close details' }).boundingBox();
  assert.ok(close.x + close.width <= 390, `the close button ends at ${close.x + close.width}`);
  for (const chip of await page.locator('.tools button:visible').all()) assert.ok((await chip.boundingBox()).height >= 44);
  assert.equal(await page.locator('.treepage').evaluate((e) => e.scrollWidth), 390);
});

on('the map has its colours where colours are forced', async (open) => {
  const page = await open('', { forcedColors: 'active' });
  await page.locator('.map canvas').waitFor();
  // The ground of a red tile is light; forced colours would make everything of it one.
  await page.waitForFunction(() => {
    const canvas = document.querySelector('.map canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 400) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return colours.size > 5;
  });
});

on('a click goes in, the breadcrumb and the keyboard go out, and the address keeps the place', async (open) => {
  const page = await open('');
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '4');
  await map(page).focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < 4 && !(await active(page)).startsWith('ten,'); i++) await page.keyboard.press('ArrowRight');
  for (let i = 0; i < 4 && !(await active(page)).startsWith('ten,'); i++) await page.keyboard.press('ArrowDown');
  await activeIs(page, '^ten, ');
  const ring = await page.locator('#map-active').boundingBox();
  await page.mouse.click(ring.x + ring.width / 2, ring.y + ring.height - 8);
  await page.waitForFunction(() => location.hash === '#/overview?in=/ten');
  await page.getByRole('navigation', { name: 'Place in the tree' }).getByText('ten', { exact: true }).waitFor();
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '10');
  await map(page).focus();
  await page.keyboard.press('Home');
  await activeIs(page, '^app-7');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash === '#/overview?in=/ten/app-7');
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '1');
  await map(page).focus();
  await page.keyboard.press('Enter'); // an attribute: its panel
  await page.waitForFunction(() => location.hash.includes('node=/ten/app-7/Load'));
  await page.getByRole('complementary').waitFor();
  await map(page).focus();
  await page.keyboard.press('Backspace');
  await page.waitForFunction(() => location.hash.startsWith('#/overview?in=/ten&'));
  await page.getByRole('button', { name: 'Everything' }).click();
  await page.waitForFunction(() => location.hash.startsWith('#/overview?node='));
  await page.goBack();
  await page.waitForFunction(() => location.hash.startsWith('#/overview?in=/ten&'));
});

on('a tile is as large as it has attributes, and changes colour at once', async (open) => {
  const page = await open('?in=/shop');
  await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '3');
  await map(page).focus();
  const sizes = {};
  await page.keyboard.press('Home');
  for (let i = 0; i < 6; i++) {
    const box = await page.locator('#map-active').boundingBox();
    sizes[(await active(page)).split(',')[0]] = Math.round(box.width * box.height);
    await page.keyboard.press(i % 2 ? 'ArrowDown' : 'ArrowRight');
  }
  assert.ok(sizes.large > sizes.small && sizes.large > sizes.middle, JSON.stringify(sizes));
  await grove.push('/shop/small/Load', 99);
  await page.getByRole('region', { name: 'Problems now' }).getByRole('button', { name: /Load.*red.*99.*%/ }).waitFor();
  await page.getByRole('link', { name: '1 red' }).waitFor();
  await map(page).evaluate((e) => e.blur()); // the tiles stay while keys are pressed
  await map(page).focus();
  await page.keyboard.press('Home');
  await activeIs(page, '^small, red');
  await grove.push('/shop/small/Load', 5);
  await page.getByText('No problems now.').waitFor();
});
