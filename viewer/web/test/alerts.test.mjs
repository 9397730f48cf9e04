// The alerts page in a real browser with a stand-in for the server, which has alerts of
// every kind at once, storms, and answers that come out badly.

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

/** on names a test with a stand-in of its own, whose pages must not complain. */
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
      await body(server, open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail || !/ERR_|WebSocket connection|status of 404/.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
      await server.close();
    }
  }]);
}

const rows = (page) => page.locator('.sheet-sizer .sheet-row');
const namesNow = () => [...document.querySelectorAll('.sheet-sizer .sheet-row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((e) => e.querySelector('b').textContent);

/** namesAre waits until the list has exactly these rows. */
async function namesAre(page, want) {
  const end = Date.now() + 120_000;
  let now;
  do now = await page.evaluate(namesNow);
  while (now.join() !== want.join() && Date.now() < end);
  assert.deepEqual(now, want);
}
const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();

/** some are alerts of every state: one with two consequences, one acknowledged, one in maintenance, one that is over. */
function some() {
  const cause = alert('/shop/web2/Up', { severity: 'critical', message: '/shop/web2/Up is red: connection refused', consequences: 2, opened: ago(3) });
  const below = (path) => alert(path, { state: 'suppressed', opened: ago(2), suppression: { reason: 'parent', cause: cause.id, at: '/shop/web2', text: '/shop/web2 has failed: /shop/web2/Up is red', since: ago(2) } });
  return [
    cause,
    alert('/shop/web1/CPU', { status: 'yellow', flapping: true, count: 7, opened: ago(10) }),
    alert('/shop/db/Lag', { status: 'yellow', state: 'acknowledged', opened: ago(20), acknowledgement: { by: 'bob', at: ago(5), comment: 'I am at it' } }),
    below('/shop/web2/CPU'),
    below('/shop/web2/Memory'),
    alert('/network/Uptime', { state: 'suppressed', suppression: { reason: 'maintenance', at: '/network', text: 'maintenance "new firmware" until 13:30', since: ago(1) } }),
    alert('/shop/old', { state: 'resolved', status: 'green', worst: 'red', resolved: ago(30), opened: ago(50) }),
  ];
}

on('open and acknowledged alerts are listed, the worst first, and follow what happens', async (server, open) => {
  server.alerts = some();
  const page = await open('alerts');
  await namesAre(page, ['Up', 'CPU', 'Lag']);
  const first = rows(page).first();
  assert.match(await first.innerText(), /red\s+critical\s+3\s+min\s+Up\s+shop \/ web2\s+\/shop\/web2\/Up is red: connection refused\s+1200 connections\s+> 1000 connections\s+open\s+2 consequences/);
  assert.match(await rows(page).nth(1).innerText(), /yellow[\s\S]*flapping[\s\S]*7×/);
  assert.match(await rows(page).nth(2).innerText(), /acknowledged by bob\s+I am at it/);
  await page.getByRole('link', { name: /Alerts\s*2\s*open/ }).waitFor();
  await page.waitForFunction(() => document.title.startsWith('(2) ') && document.getElementById('icon').getAttribute('href') === 'icon-red-alert.svg');
  server.set([...server.alerts, alert('/shop/new', { opened: ago(0) })]);
  await namesAre(page, ['new', 'Up', 'CPU', 'Lag']);
  await page.getByText('New alert: /shop/new is red').waitFor({ state: 'attached' });
  server.set(server.alerts.map((a) => (a.path === '/shop/new' ? { ...a, state: 'resolved', resolved: ago(0) } : a)));
  await namesAre(page, ['Up', 'CPU', 'Lag']);
});

on('filters by state, status, severity, part of the tree and text stand in the address', async (server, open) => {
  server.alerts = some();
  const page = await open('alerts');
  await namesAre(page, ['Up', 'CPU', 'Lag']);
  await page.getByRole('button', { name: '1 acknowledged' }).click();
  await namesAre(page, ['Up', 'CPU']);
  await hash(page, 'state=open');
  await page.getByRole('button', { name: '3 suppressed' }).click();
  await page.locator('.c-state').getByText('in maintenance').waitFor();
  await page.getByText('maintenance "new firmware" until 13:30').waitFor();
  await page.getByRole('button', { name: 'red', exact: true }).click();
  await hash(page, 'status=red');
  await page.getByRole('combobox', { name: 'Severity' }).selectOption('Critical');
  await namesAre(page, ['Up']);
  const other = await open('alerts?in=/shop/db');
  await namesAre(other, ['Lag']);
  await other.getByRole('button', { name: 'everywhere' }).click();
  await namesAre(other, ['Up', 'CPU', 'Lag']);
  await other.getByRole('searchbox').fill('refused');
  await namesAre(other, ['Up']);
  await other.getByRole('searchbox').fill('nowhere');
  await other.getByText('No alert matches.').waitFor();
});

on('what is over is found by time', async (server, open) => {
  server.alerts = [...some(), alert('/shop/older', { state: 'resolved', status: 'green', worst: 'yellow', resolved: ago(60 * 48), opened: ago(60 * 50) })];
  const page = await open('alerts?state=resolved');
  await namesAre(page, ['old', 'older']);
  assert.match(await rows(page).first().innerText(), /red/); // the worst that it was
  await page.getByRole('combobox', { name: 'Time' }).selectOption('Last day');
  await namesAre(page, ['old']);
  await hash(page, 'from=-24h');
  await page.getByRole('combobox', { name: 'Time' }).selectOption('From … to …');
  await page.getByLabel('From').waitFor();
});

on('consequences unfold below their cause, and stand nowhere else', async (server, open) => {
  server.alerts = some();
  const page = await open('alerts?state=open,suppressed');
  await page.getByRole('button', { name: '2 consequences' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.sheet-row.below').length === 2);
  const list = await page.evaluate(namesNow);
  const at = list.indexOf('Up');
  assert.deepEqual(list.slice(at + 1, at + 3).sort(), ['CPU', 'Memory']);
  assert.equal(list.filter((n) => n === 'Memory').length, 1);
  await hash(page, 'unfold=');
  assert.equal(await page.getByRole('button', { name: '2 consequences' }).getAttribute('aria-expanded'), 'true');
  await page.getByRole('button', { name: '2 consequences' }).click();
  await page.waitForFunction(() => !document.querySelector('.sheet-row.below'));
});

on('many are chosen by mouse, shift and keys, and acknowledged at once', async (server, open) => {
  server.alerts = Array.from({ length: 30 }, (_, i) => alert(`/shop/n${String(i).padStart(2, '0')}`, { opened: ago(i + 1) }));
  const page = await open('alerts');
  await page.getByLabel('Choose /shop/n02').click();
  await page.getByLabel('Choose /shop/n05').click({ modifiers: ['Shift'] });
  await page.getByText('4 chosen').waitFor();
  await rows(page).filter({ hasText: 'n08' }).focus();
  await page.keyboard.press('Space');
  await page.getByText('5 chosen').waitFor();
  await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.press('Shift+ArrowDown');
  await page.getByText('7 chosen').waitFor();
  await page.keyboard.press('Control+a');
  await page.getByText('30 chosen').waitFor();
  await page.getByRole('button', { name: 'Choose none' }).click();
  await rows(page).first().locator('.c-mark').click({ position: { x: 2, y: 4 } }); // beside the box
  await page.getByText('1 chosen').waitFor();
  assert.equal(await page.getByRole('complementary').count(), 0);
  await page.getByRole('button', { name: 'Choose none' }).click();
  await page.getByLabel('Choose /shop/n00').click();
  await page.getByLabel('Choose /shop/n01').click();
  await page.getByRole('button', { name: 'Acknowledge…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Acknowledge 2 alerts' });
  await dialog.getByLabel('What you know, or do about it').fill('I am at it');
  await dialog.getByLabel('Also when it gets worse').check();
  await dialog.getByLabel('For').selectOption('four hours');
  await dialog.getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByText('2 alerts are acknowledged.').waitFor();
  const [, , body] = server.sent.find(([, path]) => path === 'alerts/acknowledge');
  assert.deepEqual({ ...body, until: undefined }, { ids: [server.alerts[0].id, server.alerts[1].id], comment: 'I am at it', sticky: true, until: undefined });
  assert.ok(Math.abs(Date.parse(body.until) - Date.now() - 4 * 3_600_000) < 60_000, body.until);
  await page.waitForFunction(() => document.querySelectorAll('.sheet-row.acknowledged').length === 2);
});

on('each alert that could not be changed says why', async (server, open) => {
  server.alerts = some();
  server.refusals = { [server.alerts[1].id]: 'you may not operate /shop/web1/CPU' };
  const page = await open('alerts');
  await page.getByLabel('Choose all that are listed').check();
  await page.getByText('3 chosen').waitFor();
  await page.getByRole('button', { name: 'Resolve…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Resolve' }).click();
  const results = page.getByRole('dialog', { name: '1 alert of 3 could not be changed' });
  await results.getByText('you may not operate /shop/web1/CPU').waitFor();
  await results.getByText('is resolved').first().waitFor();
  await results.getByRole('button', { name: 'Close' }).last().click();
  await namesAre(page, ['CPU']);
});

on('who may not operate is offered no changes', async (server, open) => {
  server.alerts = some();
  server.session = { name: 'eve', grants: [{ role: 'viewer' }, { role: 'operator', path: '/shop/db' }], methods: ['password'] };
  const page = await open('alerts');
  await page.getByLabel('Choose /shop/db/Lag').waitFor();
  assert.equal(await page.getByLabel('Choose /shop/web2/Up').count(), 0);
  await rows(page).filter({ hasText: 'Up' }).first().click();
  await page.getByRole('complementary', { name: 'Alert /shop/web2/Up' }).getByText('connection refused').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Acknowledge…' }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Outbox' }).count(), 0);
});

on('an alert shows everything: what to do, who knows, its history, its cause, who is told', async (server, open) => {
  const list = some();
  list[0] = {
    ...list[0],
    proposedRepairActions: 'Look at the power of the rack.',
    probableCause: 'equipmentMalfunction',
    eventType: 'equipmentAlarm',
    labels: { job: 'node' },
    history: [
      { time: ago(3), what: 'opened', status: 'yellow' },
      { time: ago(2), what: 'commented', status: 'red', by: 'bob', text: 'I call the data centre.' },
    ],
  };
  server.alerts = list;
  server.journal = [
    { time: ago(60), path: '/shop/web2/Up', text: 'told hook: resolved' }, // of the alert before
    { time: ago(2.9), path: '/shop/web2/Up', text: 'opened: connection refused' },
    { time: ago(2.5), path: '/shop/web2/Up', text: 'told boss, hook: firing' },
    { time: ago(1), path: '/shop', text: 'told hook: reminder' },
    { time: ago(1), path: '/shop/web1', text: 'told nobody: firing' },
  ];
  server.explanation = {
    told: [{ route: 'databases', channel: 'ada-push', to: 'dba', after: '10s', step: 0, purpose: 'firing' }],
    routes: [
      { route: 'databases', takes: true, conditions: [{ name: 'under', want: '/shop', have: '/shop/web2/Up', ok: true }] },
      { route: 'nightly', takes: false, conditions: [{ name: 'during', want: 'Mon-Fri 18:00-08:00', have: 'Sun 12:00', ok: false }] },
    ],
  };
  const page = await open(`alerts?alert=${list[0].id}`);
  const panel = page.getByRole('complementary', { name: 'Alert /shop/web2/Up' });
  for (const text of ['Look at the power of the rack.', 'equipmentMalfunction', 'equipmentAlarm', 'job=node', 'I call the data centre.', '2 consequences']) await panel.getByText(text).first().waitFor();
  assert.match(await panel.getByRole('link', { name: /As it was when the alert opened/ }).getAttribute('href'), /^#\/tree\?node=\/shop\/web2\/Up&at=20/);
  const moments = panel.getByRole('region', { name: 'What happened' }).getByRole('listitem');
  await moments.nth(3).waitFor();
  assert.deepEqual((await moments.allInnerTexts()).map((t) => t.split('\n').filter(Boolean).slice(0, -1).join('; ')), [
    'told hook (reminder); in a message about /shop',
    'commented by bob; I call the data centre.',
    'told boss, hook (firing)',
    'opened',
  ]);
  await panel.getByText('Who is told').click();
  await panel.getByText('dba by ada-push (route databases)').waitFor();
  assert.match(await panel.getByRole('list', { name: 'Routes' }).innerText(), /yes:\s*databases[\s\S]*yes:\s*under[\s\S]*no:\s*nightly[\s\S]*no:\s*during/);
  await panel.getByRole('link', { name: '/shop/web2/CPU' }).click();
  await page.getByRole('complementary', { name: 'Alert /shop/web2/CPU' }).getByText('/shop/web2 has failed: /shop/web2/Up is red').waitFor();
  await page.getByRole('link', { name: 'The alert that causes it' }).click();
  await panel.waitFor();
  await panel.getByRole('button', { name: 'Comment…' }).click();
  await page.getByRole('dialog').getByLabel('Comment').fill('<b>no markup</b>');
  await page.getByRole('dialog').getByRole('button', { name: 'Say it' }).click();
  await panel.getByText('<b>no markup</b>').waitFor();
  await panel.getByRole('button', { name: 'Close the alert' }).click();
  await panel.waitFor({ state: 'detached' });
});

on('an alert is opened and closed by keys, and they are back where they were', async (server, open) => {
  server.alerts = some();
  for (const options of [{}, phone]) {
    const page = await open('alerts', options);
    await rows(page).filter({ hasText: 'Lag' }).focus();
    await page.keyboard.press('Enter');
    const panel = page.getByRole('complementary', { name: 'Alert /shop/db/Lag' });
    await panel.getByText('I am at it').first().waitFor();
    if (options === phone) {
      assert.ok(await panel.evaluate((e) => e.contains(document.activeElement)), 'the keys are in what covers the list');
      assert.equal(await page.locator('.alerts-main').evaluate((e) => getComputedStyle(e).visibility), 'hidden');
    }
    await panel.getByRole('button', { name: 'Close the alert' }).focus();
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement.matches('.sheet-row') && document.activeElement.textContent.includes('Lag'));
  }
});

on('texts of others are texts', async (server, open) => {
  const evil = '<img src=x onerror=alert(1)>';
  server.alerts = [alert(`/shop/${evil.replaceAll('/', '~1')}`, { message: evil, value: evil, unit: evil, threshold: evil, state: 'acknowledged', acknowledgement: { by: evil, at: ago(1), comment: evil }, proposedRepairActions: evil, probableCause: evil, labels: { [evil]: evil }, history: [{ time: ago(1), what: evil, status: 'red', by: evil, text: evil }] })];
  const page = await open(`alerts?alert=${server.alerts[0].id}`);
  await page.getByRole('complementary').getByText(evil).first().waitFor();
  assert.equal(await page.locator('img').count(), 0);
});

on('an alert that is not there says so', async (_, open) => {
  const page = await open('alerts?alert=123');
  page.mayFail = true;
  await page.getByRole('complementary').getByText('no such alert').waitFor();
  await page.getByText('No alert is open.').waitFor();
});

on('ten thousand alerts are a window of rows, fetched as one scrolls', async (server, open) => {
  server.alerts = Array.from({ length: 10_000 }, (_, i) => alert(`/shop/n${i}`, { opened: ago(1 + i) }));
  const page = await open('alerts');
  await page.getByText('the first 200: scroll for more').waitFor();
  assert.ok((await rows(page).count()) < 60);
  await rows(page).first().focus();
  await page.keyboard.press('End');
  await page.getByText('the first 400: scroll for more').waitFor();
  await page.getByRole('link', { name: /Alerts\s*999\+/ }).waitFor();
});

on('after a break of the connection the list is right again', async (server, open) => {
  server.alerts = some();
  const page = await open('alerts');
  page.mayFail = true;
  await namesAre(page, ['Up', 'CPU', 'Lag']);
  server.away = true;
  server.cut();
  await page.getByText('Not live.').waitFor();
  server.alerts = server.alerts.slice(1);
  server.away = false;
  await namesAre(page, ['CPU', 'Lag']);
});

on('several tabs share one stream, and another listens when the first is closed', async (server, open) => {
  server.alerts = some();
  const page = await open('alerts');
  const second = await page.context().newPage();
  await second.goto(`${server.url}#/alerts`);
  await second.getByRole('link', { name: /Alerts\s*2\s*open/ }).waitFor();
  await namesAre(second, ['Up', 'CPU', 'Lag']);
  assert.equal(server.streams.size, 1);
  server.set(server.alerts.slice(1));
  await namesAre(second, ['CPU', 'Lag']);
  await page.close();
  server.set(server.alerts.slice(1));
  await namesAre(second, ['Lag']);
  assert.equal(server.streams.size, 1);
  await second.context().close();
});

on('a node shows its alert, why nobody is told, and its maintenance', async (server, open) => {
  const path = '/shop/web2/CPU/Busy';
  server.alerts = [alert(path, { opened: ago(5) })];
  server.tree = new StandInTree(hamlet());
  const page = await open(`tree?node=${path}`);
  page.mayFail = true; // the stand-in has no history
  const panel = page.getByRole('complementary', { name: `Node ${path}` }).getByRole('region', { name: 'Alerts' });
  await panel.getByRole('link', { name: 'major' }).waitFor();
  await panel.getByRole('button', { name: 'Acknowledge…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
  await panel.getByText('acknowledged by ada').waitFor();
  server.set([{ ...server.alerts[0], state: 'suppressed', suppression: { reason: 'parent', at: '/shop/web2', text: '/shop/web2 has failed: /shop/web2/Up is red', since: ago(1) } }]);
  await panel.getByText('Nobody is told: /shop/web2 has failed: /shop/web2/Up is red').waitFor();
  await panel.getByRole('button', { name: 'Maintain for…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Maintain now' });
  await dialog.getByLabel('What is done').fill('new disks');
  await dialog.getByLabel('Lasts').selectOption('two hours');
  await dialog.getByRole('button', { name: 'Begin now' }).click();
  await panel.getByText(/In maintenance: new disks/).waitFor();
  assert.deepEqual(server.sent.at(-1), ['POST', 'maintenance', { name: 'new disks', at: [path], for: '2h', zone: server.sent.at(-1)[2].zone }]);
  assert.equal(await panel.getByRole('link', { name: 'What if it were red?' }).getAttribute('href'), `#/what-if?red=${path}&node=${path}`);
});

on('the pages about alerts keep nothing from screen readers and keyboards, in light and dark, wide and narrow', async (server, open) => {
  server.alerts = some();
  for (const options of [{}, { colorScheme: 'dark' }, phone]) {
    const page = await open(`alerts?alert=${server.alerts[0].id}&unfold=${server.alerts[0].id}`, options);
    await page.getByRole('complementary').getByText('What happened').waitFor();
    await accessible(page);
    await page.goto(`${server.url}#/alerts`);
    await page.getByRole('complementary').waitFor({ state: 'detached' });
    await accessible(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the window');
  }
});

// Each has a stand-in of its own: they run beside each other.
describe('the page', { concurrency: 3 }, () => {
  for (const [name, body] of cases) test(name, { timeout: 180_000 }, body);
});
