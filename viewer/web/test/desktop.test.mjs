// Notifications on the desktop, in a real browser that was permitted to show them, with a
// stand-in for the server, which has storms of alerts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { StandInTree, hamlet } from './standin.mjs';
import { AlertStandIn, alert } from './standinalerts.mjs';
import { hash } from './steps.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** Notifications are the browser's own; this only writes down what is shown and closed. */
function watch() {
  const Own = window.Notification;
  window.shown = [];
  window.Notification = class extends Own {
    constructor(title, options) {
      super(title, options);
      this.said = { title, ...options, open: true };
      for (const before of window.shown) if (before.said.tag === options.tag) before.said.open = false; // the browser puts it in its place
      window.shown.push(this);
    }
    close() {
      this.said.open = false;
      super.close();
    }
  };
}

const cases = [];

function on(name, body, permissions = ['notifications']) {
  cases.push([name + ' (stand-in)', async () => {
    const server = await new AlertStandIn(new StandInTree(hamlet())).listen();
    let page;
    try {
      page = await openPage(browser, 'about:blank');
      if (permissions.length > 0) await page.context().grantPermissions(permissions, { origin: new URL(server.url).origin });
      await page.context().addInitScript(watch);
      await body(server, page);
      assert.deepEqual(page.complaints, []);
    } finally {
      await page?.context().close();
      await server.close();
    }
  }]);
}

const open = (page) => page.evaluate(() => window.shown.filter((n) => n.said.open).map((n) => [n.said.title, n.said.body]));

/** opens waits until these notifications show, and no others. */
async function opens(page, want) {
  const end = Date.now() + 120_000;
  let now;
  do now = await open(page);
  while (JSON.stringify(now) !== JSON.stringify(want) && Date.now() < end);
  assert.deepEqual(now, want);
}

/** wish turns notifications on, as people do. */
async function wish(page, server, ...severities) {
  await page.goto(`${server.url}#/alerts`);
  await page.getByRole('button', { name: 'Notify me…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Notifications on the desktop' });
  await dialog.getByLabel('Notify me of new alerts').check();
  for (const s of severities) await dialog.getByLabel(s).check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Notifies you' }).waitFor();
  await page.waitForFunction(() => performance.getEntriesByType('resource').some((r) => r.name.includes('severity=')));
}

on('a new alert is notified, a click opens it, and it goes when the alert is over', async (server, page) => {
  server.alerts = [alert('/shop/before')]; // what was there is not told
  await wish(page, server);
  const fresh = alert('/shop/web2/Up', { severity: 'critical', message: '/shop/web2/Up is red: <b>refused</b>', opened: new Date().toISOString() });
  server.set([...server.alerts, fresh]);
  await opens(page, [['critical: /shop/web2/Up', '/shop/web2/Up is red: <b>refused</b>']]);
  await page.evaluate(() => window.shown[0].onclick());
  await hash(page, `alert=${fresh.id}`);
  await opens(page, []);
  const other = alert('/shop/web3/Up', { opened: new Date().toISOString() });
  server.set([...server.alerts, other]);
  await opens(page, [['major: /shop/web3/Up', other.message]]);
  server.set(server.alerts.map((a) => (a === other ? { ...a, state: 'acknowledged', acknowledgement: { by: 'bob', at: a.opened } } : a)));
  await opens(page, []);
});

on('nothing is notified until somebody wants it, and only of the severities that he wants', async (server, page) => {
  await page.goto(`${server.url}#/alerts`);
  await page.getByText('No alert is open.').waitFor();
  server.set([alert('/shop/one', { opened: new Date().toISOString() })]);
  await page.getByText('/shop/one is red').first().waitFor();
  assert.deepEqual(await open(page), []);
  await wish(page, server);
  server.set([...server.alerts, alert('/shop/two', { status: 'yellow', severity: 'warning', opened: new Date().toISOString() })]);
  await page.getByText('/shop/two is yellow').first().waitFor();
  const three = alert('/shop/three', { opened: new Date().toISOString() });
  server.set([...server.alerts, three]);
  await opens(page, [['major: /shop/three', three.message]]);
});

on('a storm is one notification that counts, and goes with the last alert', async (server, page) => {
  await wish(page, server);
  const now = new Date().toISOString();
  server.set(Array.from({ length: 150 }, (_, i) => alert(`/shop/n${i}`, { opened: now, severity: i === 70 ? 'critical' : 'major' })));
  await page.waitForFunction(() => window.shown.some((n) => n.said.open && n.said.title === '150 new alerts'));
  server.set([...server.alerts, ...Array.from({ length: 20 }, (_, i) => alert(`/shop/m${i}`, { opened: now }))]);
  await page.waitForFunction(() => window.shown.filter((n) => n.said.open).length === 1 && window.shown.at(-1).said.title === '170 new alerts');
  assert.ok((await page.evaluate(() => window.shown.length)) < 10, 'few notifications for many alerts');
  server.set(Array.from({ length: 5000 }, (_, i) => server.alerts[i] ?? alert(`/shop/o${i}`, { opened: now })));
  await page.waitForFunction(() => /^5\D?000 alerts are open$/.test(window.shown.at(-1).said.title) && window.shown.filter((n) => n.said.open).length === 1);
  server.set(server.alerts.slice(0, 10));
  await page.waitForFunction(() => window.shown.filter((n) => n.said.open).map((n) => n.said.title).join() === '10 new alerts');
  server.set([]);
  await opens(page, []);
});

on('it works while the tab is behind another, and one of several tabs tells', async (server, page) => {
  await wish(page, server);
  const second = await page.context().newPage();
  await second.goto(`${server.url}#/tree`);
  await second.getByRole('link', { name: 'Alerts' }).waitFor();
  await second.bringToFront();
  const fresh = alert('/shop/web2/Up', { opened: new Date().toISOString() });
  server.set([fresh]);
  await opens(page, [['major: /shop/web2/Up', fresh.message]]);
  assert.deepEqual(await open(second), []);
});

on('who forbade notifications is told how to allow them', async (server, page) => {
  await page.goto(`${server.url}#/account`);
  const box = page.getByLabel('Notify me of new alerts');
  await page.evaluate(() => Object.defineProperty(Notification, 'permission', { get: () => 'denied' }));
  await box.click();
  await page.getByText('Allow it in the settings of the browser').waitFor();
  assert.equal(await box.isChecked(), false);
  page.complaints = page.complaints.filter((c) => !/status of 404/.test(c)); // the stand-in has no views
}, []);

// Each has a stand-in and a context of its own: they run beside each other.
describe('notifications on the desktop', { concurrency: 3 }, () => {
  for (const [name, body] of cases) test(name, { timeout: 180_000 }, body);
});
