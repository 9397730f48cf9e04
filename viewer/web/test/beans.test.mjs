// The browser of beans in a real browser, with a real grove.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { phone } from './steps.mjs';

const shop = `grove: 1
application: shop
at: /shop
probes:
  metrics: { kind: push, attributes: { active: { type: number, unit: connections } } }
tree:
  Connections:
    Active: { from: metrics.active, description: Connections that are open, yellow: "> 500", red: "> 1000", back: 10% }
  Many:
${Array.from({ length: 300 }, (_, i) => `    N${i}: { kind: text }`).join('\n')}
`;
const active = 'grove:type=Node,path="/shop/Connections/Active"';
const timer = 'grove:type=Timer';

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([startBrowser(), startGrove({ definitions: { 'shop.yaml': shop } })]);
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

/** on names a test whose pages must not complain but of what a step asked for. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address = '#/beans', options) => {
      const page = await openPage(browser, grove.url + '/' + address, options);
      pages.push(page);
      return page;
    };
    try {
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.expected?.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const at = (name, more = '') => `#/beans?${more}name=${encodeURIComponent(name)}`;
const names = (page) => page.getByRole('grid', { name: 'Beans' });
const total = (page, text) => page.locator('.names .foot').getByText(text, { exact: true }).waitFor();
const attribute = (page, name) => page.locator('.attributes > li', { has: page.locator('.name', { hasText: new RegExp(`^${name}$`) }) });
const operation = (page, signature) => page.locator('.operations details', { hasText: signature });
const bean = (name) => grove.get('/api/v1/bean?name=' + encodeURIComponent(name));
const value = async (name, what) => (await bean(name)).attributes.find((a) => a.name === what).value;

on('domains, words and patterns lead to a bean, and the address keeps them', async (open) => {
  const page = await open();
  const domains = page.getByRole('group', { name: 'Domains' });
  await domains.getByRole('button', { name: /^jolokia \d/ }).click();
  await page.waitForURL(/domain=jolokia/);
  await names(page).getByRole('row').filter({ hasText: '/grove/History' }).first().waitFor({ state: 'detached' });
  await names(page).getByRole('row').filter({ hasText: 'History' }).waitFor();
  await domains.getByRole('button', { name: /^All/ }).click();
  await page.getByPlaceholder('Words, or a pattern').fill('active SHOP');
  await total(page, '1 bean');
  await page.getByPlaceholder('Words, or a pattern').fill('grove:type=Tim*');
  await total(page, '1 bean');
  await names(page).getByText('Timer').first().click();
  await page.getByRole('heading', { name: 'Timer' }).waitFor();
  assert.match(decodeURIComponent(page.url()), /find=grove:type=Tim\*&name=grove:type=Timer/);
  await page.goBack();
  await page.getByText('Choose a bean').waitFor();
  await page.getByPlaceholder('Words, or a pattern').fill('grove:type');
  await names(page).getByText(/malformed name/).waitFor();
  page.expected = /400/;
});

on('a long list is in the document only as far as it shows, and goes on where it is scrolled', async (open) => {
  const page = await open('#/beans?find=shop+many');
  await total(page, '301 beans');
  assert.ok((await names(page).locator('[data-row]').count()) < 60, 'rows in the document');
  for (let i = 0; i < 3; i++) {
    await names(page).locator('.sheet-body').evaluate((e) => void (e.scrollTop = e.scrollHeight));
    await page.waitForFunction((n) => document.querySelector('.bean-names').getAttribute('aria-rowcount') > n, i === 0 ? 201 : 300);
  }
  await names(page).getByText('/shop/Many/N99', { exact: true }).or(names(page).getByText('/shop/Many/N299', { exact: true })).first().waitFor();
});

on('the attributes of a node follow it, and its thresholds are set', async (open) => {
  const page = await open(at(active));
  await grove.push('/shop/Connections/Active', 42);
  await attribute(page, 'Value').getByText('42', { exact: true }).waitFor();
  await grove.push('/shop/Connections/Active', 43);
  await attribute(page, 'Value').getByText('43', { exact: true }).waitFor();
  await attribute(page, 'GreenToYellow').getByText('500 connections').waitFor();
  assert.equal(await attribute(page, 'Value').getByRole('button').count(), 0, 'a reading cannot be set');

  await page.getByRole('button', { name: 'Change GreenToYellow', exact: true }).click();
  const field = page.getByLabel('New value of GreenToYellow');
  assert.equal(await field.inputValue(), '500');
  await field.fill('often');
  await field.press('Enter');
  await page.getByRole('alert').getByText('attribute "GreenToYellow": invalid value: "often" is no float64', { exact: false }).waitFor();
  await field.fill('600');
  await page.getByRole('button', { name: 'Save' }).click();
  await attribute(page, 'GreenToYellow').getByText('600 connections').waitFor();
  await attribute(page, 'Tuned').getByText('true').waitFor();
  assert.equal(await value(active, 'GreenToYellow'), 600);
  const { records } = await grove.get('/api/v1/audit?action=bean%20set');
  assert.deepEqual(records.map((r) => [r.target, r.outcome]), [[`${active} GreenToYellow`, 'ok'], [`${active} GreenToYellow`, 'begun']]);
  await page.getByRole('button', { name: 'Change GreenToYellow', exact: true }).click();
  await field.press('Escape'); // A key that comes before the field has the focus is nobody's.
  await field.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Show node' }).click();
  await page.getByRole('complementary', { name: 'Node /shop/Connections/Active' }).waitFor();
  page.expected = /422/;
});

on('operations have forms for their parameters, one for each of a name', async (open) => {
  const page = await open(at(timer));
  await operation(page, 'addNotification').first().waitFor();
  assert.equal(await operation(page, 'addNotification').count(), 4);
  const form = operation(page, 'addNotification(type, message, userData, date)');
  await form.locator('summary').click();
  await form.getByLabel('type').fill('test.bell');
  await form.getByLabel('message').fill('ding');
  await form.getByLabel('userData').fill('{"loud": true}');
  await form.getByRole('button', { name: 'Run' }).click();
  await form.getByText('A value is missing.').waitFor();
  await form.getByLabel('date').fill('tomorrow');
  await form.getByRole('button', { name: 'Run' }).click();
  await form.getByRole('alert').getByText('argument 4, "date", of addNotification', { exact: false }).waitFor();
  await form.getByLabel('date').fill('2100-01-01T00:00:00Z');
  await form.getByRole('button', { name: 'Run' }).click();
  await form.locator('.result').getByText(/^Done in/).waitFor();
  await attribute(page, 'NbNotifications').getByText('1', { exact: true }).waitFor();
  const id = (await value(timer, 'AllNotificationIDs'))[0];
  await form.locator('.result').getByText(String(id), { exact: true }).waitFor();

  const get = operation(page, 'getNotificationUserData');
  await get.locator('summary').click();
  await get.getByRole('textbox').fill(String(id));
  await get.getByRole('button', { name: 'Run' }).click();
  await get.locator('.result').getByText('loud').waitFor();
  await get.getByRole('textbox').fill('4711');
  await get.getByRole('button', { name: 'Run' }).click();
  await get.locator('.result').getByText('none', { exact: true }).waitFor();
  page.expected = /4(22|09|04)/;
});

on('what a bean emits shows as it comes; it can be held and cleared', async (open) => {
  const page = await open(at(active));
  await page.getByText('Listening').waitFor();
  const told = page.locator('.told > li');
  await grove.push('/shop/Connections/Active', 2000);
  await told.filter({ hasText: 'to red' }).waitFor();
  await told.first().locator('summary').click();
  await told.first().getByText('grove.status.changed').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await grove.push('/shop/Connections/Active', 1);
  await page.getByText('Paused, 1 new one').waitFor();
  assert.equal(await told.count(), 1);
  await page.getByRole('button', { name: 'Go on' }).click();
  await told.filter({ hasText: 'to green' }).waitFor();
  assert.equal(await told.count(), 2);
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByText('Nothing came yet.').waitFor();
});

on('all beans that a pattern matches are listened to at once', async (open) => {
  const page = await open('#/beans?domain=grove');
  await page.getByRole('button', { name: 'Listen to all of grove:*' }).click();
  await page.getByText('Listening').waitFor();
  await grove.push('/shop/Connections/Active', 2000);
  await page.locator('.told > li').filter({ hasText: '/shop/Connections/Active went from' }).first().waitFor();
});

on('the pages suit a screen reader and a phone', async (open) => {
  const wide = await open(at(timer));
  await attribute(wide, 'NbNotifications').waitFor();
  await operation(wide, 'addNotification(type, message, userData, date)').locator('summary').click();
  await wide.getByRole('button', { name: 'Change SendPastNotifications' }).click();
  await accessible(wide);
  const small = await open('#/beans', phone);
  await names(small).getByRole('row').nth(2).waitFor();
  await accessible(small);
  await small.getByPlaceholder('Words, or a pattern').fill('grove:type=Tim*');
  await total(small, '1 bean');
  await names(small).getByText('Timer').first().click();
  await attribute(small, 'NbNotifications').waitFor();
  await accessible(small);
  assert.equal(await small.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing sticks out');
  await small.getByRole('button', { name: 'Back to the list' }).click();
  await names(small).waitFor();
});
