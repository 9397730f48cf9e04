// The pages about maintenance, routes, the outbox and what would be, in a real browser with
// a stand-in for the server.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { StandInTree, hamlet } from './standin.mjs';
import { AlertStandIn, alert } from './standinalerts.mjs';
import { hash, phone } from './steps.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

const cases = [];

function on(name, body) {
  cases.push([name + ' (stand-in)', async () => {
    const server = await new AlertStandIn(new StandInTree(hamlet())).listen();
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, `${server.url}#/${address}`, options);
      pages.push(page);
      return page;
    };
    try {
      fill(server);
      await body(server, open);
      for (const page of pages) assert.deepEqual(page.complaints, []);
    } finally {
      for (const page of pages) await page.context().close();
      await server.close();
    }
  }]);
}

const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();

function fill(server) {
  server.windows = [
    { id: 'now', name: 'new firmware', at: ['/network/switch-2'], start: ago(12), for: '1h', by: 'ada', may: true, now: { start: ago(12), end: ago(-48) }, comment: 'Version 7.2' },
    { id: 'soon', name: 'move of the rack', at: ['/shop/web1', '/shop/web2'], start: ago(-3000), for: '4h', announce: '1d', by: 'bob', next: { start: ago(-3000), end: ago(-3240) } },
    { id: 'file-1', name: 'backup', at: ['/shop/db'], start: ago(9000), for: '2h', rule: 'FREQ=WEEKLY;BYDAY=SU', zone: 'Europe/Berlin', source: 'file', may: true, next: { start: ago(-2000), end: ago(-2120) } },
  ];
  server.routes = {
    file: '/var/lib/grove/alerts.yaml',
    error: 'routes[1].to: there is no channel "pagr"',
    routes: [
      { name: 'databases', when: [{ name: 'under', want: '/shop/db' }], to: ['dba'], group: ['instance'], wait: '10s', repeat: '4h', escalate: [{ after: '15m', to: ['boss'] }], precedence: 'urgent' },
      { name: 'everything', to: ['ops-mail'], continue: true },
    ],
    channels: [{ name: 'ops-mail', kind: 'mail' }],
  };
  server.explanation = {
    told: [
      { route: 'databases', channel: 'ada-push', to: 'dba', after: '10s', step: 0, purpose: 'firing', every: '4h' },
      { route: 'databases', channel: 'boss-mail', to: 'boss', after: '15m', step: 1, purpose: 'escalation' },
    ],
    routes: [
      { route: 'databases', takes: true, group: 'instance=shop-db', conditions: [{ name: 'under', want: '/shop/db', have: '/shop/db/Up', ok: true }] },
      { route: 'nightly', takes: false, conditions: [{ name: 'during', want: 'Mon-Fri 18:00-08:00', have: 'Sun 12:00', ok: false }] },
    ],
  };
  server.outbox = {
    stopped: false,
    channels: [
      { name: 'ops-mail', kind: 'mail', waiting: { urgent: 0, normal: 3, bulk: 12 }, oldest: ago(4), error: 'connection refused', dead: 2, sent: 118 },
      { name: 'pager', kind: 'webhook', waiting: { urgent: 0, normal: 0, bulk: 0 }, throttled: ago(-5), dead: 0, sent: 0 },
    ],
    messages: [
      { id: '1', channel: 'ops-mail', precedence: 'normal', state: 'waiting', made: ago(4), next: ago(-1), title: '3 alerts in /shop/web2', at: '/shop/web2', purpose: 'firing', attempts: 4, error: 'connection refused' },
      { id: '2', channel: 'ops-mail', precedence: 'urgent', state: 'dead', made: ago(400), settled: ago(100), title: '/shop/db is red', at: '/shop/db', purpose: 'firing', attempts: 12, error: '550 no such user' },
      { id: '3', channel: 'ops-mail', precedence: 'urgent', state: 'dead', made: ago(410), settled: ago(100), title: '/shop/web1 is red', attempts: 12, error: '550 no such user' },
    ],
  };
  server.outcome = {
    changes: [
      { path: '/shop', from: 'yellow', to: 'red' },
      { path: '/shop/db/Up', from: 'green', to: 'red', set: true },
    ],
    alerts: [
      { alert: alert('/shop/db/Up'), routes: server.explanation.routes, told: server.explanation.told },
      { alert: alert('/shop/db/Lag', { state: 'suppressed', suppression: { reason: 'parent', at: '/shop/db', text: '/shop/db has failed: /shop/db/Up would be red', since: ago(0) } }), routes: [], told: [] },
    ],
    messages: [{ route: 'databases', channel: 'ada-push', to: 'dba', after: '10s', title: '/shop/db/Up is red', alerts: 1, purpose: 'firing' }],
  };
}

on('maintenance now, next and recurring; what stands in the file is only read', async (server, open) => {
  const page = await open('maintenance');
  const part = (name) => page.getByRole('region', { name });
  await part('Now').getByText(/new firmware\s*until .*min more/).waitFor();
  assert.match(await part('Next').innerText(), /move of the rack[\s\S]*shop \/ web1[\s\S]*announced 1d ahead; planned by bob/);
  assert.equal(await part('Next').getByRole('button', { name: /Delete/ }).count(), 0); // not his to change
  assert.match(await part('Again and again').innerText(), /backup[\s\S]*every week on Sunday, by the clock of Europe\/Berlin; it stands in the file of alerts/);
  assert.equal(await part('Again and again').getByRole('button', { name: /Delete/ }).count(), 0);
  await page.getByRole('button', { name: 'End now: new firmware' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await part('Over').getByText('new firmware').waitFor();
  await page.getByRole('button', { name: 'Delete new firmware' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await part('Over').waitFor({ state: 'detached' });
  await accessible(page);
});

on('a maintenance that repeats is planned by choices, in a zone, announced ahead', async (server, open) => {
  const page = await open('maintenance?plan=/shop');
  const dialog = page.getByRole('dialog', { name: 'Plan a maintenance' });
  await dialog.getByRole('button', { name: 'Plan it' }).click();
  await dialog.getByText('Say what is done').waitFor();
  await dialog.getByLabel('What is done').fill('patches');
  await dialog.getByLabel('Where').fill('/shop/web1\n/shop/web2');
  await dialog.getByLabel('Lasts').selectOption('other…');
  await dialog.getByLabel('How long').fill('soon');
  await dialog.getByLabel('By the clock of').fill('Europe/Berlin');
  await dialog.getByLabel('Start', { exact: true }).fill('2027-01-03T04:00');
  await dialog.getByLabel('Repeats').selectOption('Weekly');
  for (const day of ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']) await dialog.getByLabel(day).setChecked(day === 'Sunday');
  await dialog.getByText('every week on Sunday, at 04:00 Europe/Berlin').waitFor();
  await dialog.getByLabel('Announced ahead').selectOption('a day');
  await dialog.getByRole('button', { name: 'Plan it' }).click();
  await dialog.getByText('Write it such as 90m').waitFor();
  await dialog.getByLabel('How long').fill('3h30m');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Plan it' }).click();
  await page.getByText('The maintenance patches is planned.').waitFor();
  assert.deepEqual(server.sent.at(-1), [
    'POST',
    'maintenance',
    { name: 'patches', at: ['/shop/web1', '/shop/web2'], start: '2027-01-03T03:00:00.000Z', for: '3h30m', rule: 'FREQ=WEEKLY;BYDAY=SU', zone: 'Europe/Berlin', announce: '1d' },
  ]);
  await page.getByRole('region', { name: 'Again and again' }).getByText('patches').waitFor();
});

on('routes are listed in their order, and one is tried without that anything is sent', async (server, open) => {
  const page = await open('routes');
  await page.getByText('routes[1].to: there is no channel "pagr"').waitFor();
  const order = page.getByRole('region', { name: 'In this order' });
  assert.match(await order.innerText(), /databases[\s\S]*when under\s*\/shop\/db[\s\S]*after 15m without acknowledgement\s*boss[\s\S]*everything[\s\S]*takes\s*everything/);
  await page.getByLabel('Path of a node').fill('/shop/db/Up');
  await page.getByLabel('Status').selectOption('yellow');
  await page.getByRole('button', { name: 'Explain' }).click();
  await hash(page, 'path=/shop/db/Up&status=yellow');
  await page.getByText('dba by ada-push, again every 4h (route databases)').waitFor();
  await page.getByText('boss by boss-mail, escalation 1 (route databases)').waitFor();
  assert.match(await page.getByRole('list', { name: 'Routes' }).innerText(), /yes:\s*databases takes it, in the group instance=shop-db[\s\S]*no:\s*during/);
  assert.deepEqual(server.sent.at(-1), ['POST', 'routes/explain', { path: '/shop/db/Up', status: 'yellow' }]);
  await page.getByRole('button', { name: 'Test ops-mail' }).click();
  await page.getByText(/ops-mail took a test message in 42\s*ms/).waitFor();
  await accessible(page);
});

on('the outbox says how each channel does, and is stopped and started', async (server, open) => {
  const page = await open('outbox');
  await page.getByText('3 normal, 12 bulk waiting, the oldest for 4').waitFor();
  await page.getByText(/throttled until/).waitFor();
  assert.match(await page.getByRole('list', { name: 'Waiting' }).innerText(), /3 alerts in \/shop\/web2[\s\S]*tried 4 times, again in[\s\S]*connection refused/);
  await page.getByRole('button', { name: 'Stop pager' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Start pager' }).waitFor();
  await page.getByRole('button', { name: 'Stop all' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByText('stopped: nothing is sent').waitFor();
  await page.getByRole('button', { name: 'Start all' }).click();
  await page.getByRole('button', { name: 'Stop all' }).waitFor();
  await accessible(page);
});

on('dead letters say why, and are sent again or dropped', async (server, open) => {
  const page = await open('outbox');
  await page.getByRole('radio', { name: 'Dead letters' }).check();
  await hash(page, 'state=dead');
  const list = page.getByRole('list', { name: 'Dead letters' });
  await list.getByText('550 no such user').first().waitFor();
  await page.getByLabel('Choose /shop/db is red').check();
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.getByText('1 message sent again.').waitFor();
  await list.getByText('/shop/db is red').waitFor({ state: 'detached' });
  await page.getByLabel('Choose /shop/web1 is red').check();
  await page.getByRole('button', { name: 'Drop' }).click();
  await page.getByRole('dialog', { name: 'Drop 1 message?' }).getByRole('button', { name: 'Drop' }).click();
  await page.getByText('There are no dead letters').waitFor();
  assert.deepEqual(server.sent.filter(([, path]) => path.startsWith('outbox/')).map(([, path, body]) => [path, body]), [['outbox/send', { ids: ['2'] }], ['outbox/drop', { ids: ['3'] }]]);
});

on('what if: the tree, the alerts and the messages that would be, by the address', async (server, open) => {
  const page = await open('what-if');
  await page.getByLabel('Path of a node').fill('/shop/db/Up');
  await page.getByRole('button', { name: 'Suppose it' }).click();
  await hash(page, 'red=/shop/db/Up');
  await page.getByText('2 nodes would change, 2 alerts would open, 1 message would be sent.').waitFor();
  assert.deepEqual(server.sent.at(-1), ['POST', 'what-if', { set: { '/shop/db/Up': 'red' } }]);
  assert.match(await page.getByRole('region', { name: 'The tree' }).innerText(), /yellow\s*→?\s*to\s*red\s*shop[\s\S]*green[\s\S]*red\s*shop \/ db \/ Up\s*supposed/);
  const lag = page.getByRole('region', { name: 'The alerts' }).getByText('/shop/db/Lag', { exact: true });
  await lag.click();
  await page.getByText('/shop/db has failed: /shop/db/Up would be red').waitFor();
  await page.getByText('dba by ada-push: /shop/db/Up is red').waitFor();
  await page.getByLabel('Status of /shop/db/Up').selectOption('yellow');
  await hash(page, 'yellow=/shop/db/Up');
  await accessible(page);
  await page.getByRole('button', { name: 'Leave out /shop/db/Up' }).click();
  await page.getByText('would be sent').waitFor({ state: 'detached' });
});

on('the pages fit a phone, in light and dark', async (_, open) => {
  for (const address of ['maintenance', 'routes?path=/shop/db/Up', 'outbox?state=dead', 'what-if?red=/shop/db/Up']) {
    const page = await open(address, { ...phone, colorScheme: address.startsWith('r') ? 'dark' : 'light' });
    await page.getByRole('heading', { level: 2 }).first().waitFor();
    await accessible(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${address} is wider than the window`);
  }
});

// Each has a stand-in of its own: they run beside each other.
describe('the page', { concurrency: 3 }, () => {
  for (const [name, body] of cases) test(name, { timeout: 180_000 }, body);
});
