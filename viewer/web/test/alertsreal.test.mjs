// Alerts in a real browser with a real grove: from a reading to the page and back to calm.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { hash } from './steps.mjs';

const shop = `grove: 1
application: shop
at: /shop
tree:
  "web\${item}":
    each: 1..3
    nodes:
      Up: { kind: status, mode: push, states: { up: green, down: red }, vital: true }
      CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
      Answer: { kind: performance, mode: push, unit: s, yellow: "> 0.5", red: "> 2" }
`;

let browser;
let grove;
let hook;
const heard = []; // by the webhook
before(async () => {
  hook = createServer((req, res) => {
    let text = '';
    req.on('data', (more) => (text += more)).on('end', () => {
      heard.push(text);
      res.writeHead(204).end();
    });
  });
  await new Promise((done) => hook.listen(0, '127.0.0.1', done));
  browser = await startBrowser();
  grove = await startGrove({ definitions: { 'shop.yaml': shop } });
  const url = `http://127.0.0.1:${hook.address().port}/`;
  await writeFile(
    join(grove.data, 'alerts.yaml'),
    `channels:\n  hook: { kind: webhook, url: "${url}" }\nroutes:\n  - name: shop\n    when: { under: /shop, status: [red] }\n    to: [hook]\n    group: { wait: 100ms }\n`,
  );
});
after(async () => {
  await browser?.close();
  await grove?.stop();
  hook?.closeAllConnections();
  await new Promise((done) => hook.close(done));
});

const calm = () => grove.push([1, 2, 3].flatMap((n) => [{ path: `/shop/web${n}/Up`, value: 'up' }, { path: `/shop/web${n}/CPU`, value: 5 }, { path: `/shop/web${n}/Answer`, value: 0.1 }]));

/** until waits until grove says so. */
async function until(ask, right) {
  const end = Date.now() + 120_000;
  let now;
  do now = await ask();
  while (!right(now) && Date.now() < end);
  assert.ok(right(now), JSON.stringify(now));
}

function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, `${grove.url}/#/${address}`, options);
      pages.push(page);
      return page;
    };
    try {
      await calm();
      await until(() => grove.get('/api/v1/alerts?limit=1'), (p) => p.alerts.length === 0);
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints, []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const rows = (page) => page.locator('.sheet-sizer .sheet-row');

on('a red node becomes an alert on the page, with its value and threshold, and goes when it is well', async (open) => {
  const page = await open('alerts');
  await page.getByText('No alert is open.').waitFor();
  await grove.push('/shop/web1/CPU', 96.4);
  const first = rows(page).first();
  await first.getByText('CPU', { exact: true }).waitFor();
  assert.match(await first.innerText(), /red\s+major[\s\S]*shop \/ web1[\s\S]*\/shop\/web1\/CPU is red[\s\S]*96\.4 %[\s\S]*> 90 %[\s\S]*open/);
  await page.getByRole('link', { name: /Alerts\s*1\s*open/ }).waitFor();
  await until(() => grove.get('/api/v1/journal?kind=alert&path=/shop/web1/CPU&only=true&text=told'), (j) => j.entries.length > 0);
  await first.click();
  const panel = page.getByRole('complementary', { name: 'Alert /shop/web1/CPU' });
  const happened = panel.getByRole('region', { name: 'What happened' });
  await happened.getByText('told hook (firing)').waitFor();
  await panel.getByRole('button', { name: 'Acknowledge…' }).click();
  await page.getByRole('dialog').getByLabel('What you know, or do about it').fill('I look at it');
  await page.getByRole('dialog').getByRole('button', { name: 'Acknowledge' }).click();
  await panel.getByText('I look at it').first().waitFor();
  await page.getByRole('button', { name: '1 acknowledged' }).waitFor();
  const events = await open('events?kind=alert');
  await rows(events).filter({ hasText: 'told hook: firing' }).first().waitFor();
  assert.doesNotMatch(await rows(events).filter({ hasText: 'told hook' }).first().innerText(), /white/, 'it has no status');
  const problems = await open('problems');
  await problems.locator('.sheet-row', { hasText: 'web1' }).getByText('acknowledged by anonymous').waitFor();
  await grove.push('/shop/web1/CPU', 5);
  await page.getByText('No alert is open.').waitFor();
  await panel.getByText('resolved').first().waitFor();
  await happened.getByText('told hook (resolved)').waitFor();
  assert.match(await happened.innerText(), /told hook \(resolved\)[\s\S]*acknowledged[\s\S]*told hook \(firing\)[\s\S]*opened/);
});

on('a failed host is one alert with its consequences below it, and the nodes say why', async (open) => {
  await grove.push([{ path: '/shop/web2/CPU', value: 99 }, { path: '/shop/web2/Answer', value: 3 }, { path: '/shop/web2/Up', value: 'down' }]);
  const page = await open('alerts');
  await page.getByRole('button', { name: '2 consequences' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.sheet-row.below').length === 2);
  assert.equal(await rows(page).count(), 3);
  const node = await open('tree?node=/shop/web2/CPU');
  await node.getByText(/Nobody is told: \/shop\/web2/).waitFor();
});

on('a maintenance from the panel of a node holds its alert back, and its end lets it go', async (open) => {
  const page = await open('tree?node=/shop/web3/CPU');
  const panel = page.getByRole('region', { name: 'Alerts' });
  await panel.getByRole('button', { name: 'Maintain for…' }).click();
  await page.getByRole('dialog').getByLabel('What is done').fill('new fans');
  await page.getByRole('dialog').getByRole('button', { name: 'Begin now' }).click();
  await panel.getByText(/In maintenance: new fans/).waitFor();
  await grove.push('/shop/web3/CPU', 99);
  await panel.getByText(/Nobody is told: maintenance "new fans"/).waitFor();
  await page.goto(`${grove.url}/#/maintenance`);
  await page.getByRole('button', { name: 'End now: new fans' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await until(() => grove.get('/api/v1/alerts'), (p) => p.alerts[0]?.state === 'open');
  await page.getByRole('button', { name: 'Delete new fans' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('The maintenance new fans is deleted.').waitFor();
});

on('a recurring maintenance that is planned by choices is taken as it was meant', async (open) => {
  const page = await open('maintenance?plan=/shop');
  const dialog = page.getByRole('dialog', { name: 'Plan a maintenance' });
  await dialog.getByLabel('What is done').fill('backup');
  await dialog.getByLabel('By the clock of').fill('Europe/Berlin');
  await dialog.getByLabel('Start', { exact: true }).fill('2030-01-06T04:00');
  await dialog.getByLabel('Repeats').selectOption('Monthly, on a day of the week');
  await dialog.getByLabel('Announced ahead').selectOption('an hour');
  await dialog.getByRole('button', { name: 'Plan it' }).click();
  await page.getByText('every month on the first Sunday, by the clock of Europe/Berlin').waitFor();
  const { windows } = await grove.get('/api/v1/maintenance');
  const w = windows.find((o) => o.name === 'backup');
  assert.deepEqual([new Date(w.next.start).toISOString(), w.rule, w.announce, w.for], ['2030-01-06T03:00:00.000Z', 'FREQ=MONTHLY;BYDAY=1SU', '1h', '1h']);
  await page.getByRole('button', { name: 'Delete backup' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Nothing repeats.').waitFor();
});

on('a route is tried, its channel is tested, and what was sent stands in the outbox', async (open) => {
  const page = await open('routes');
  await until(() => grove.get('/api/v1/routes'), (r) => r.routes.length === 1);
  await page.reload();
  await page.getByRole('region', { name: 'In this order' }).getByText('/shop', { exact: true }).waitFor();
  await page.getByLabel('Path of a node').fill('/shop/web1/CPU');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText(/hook.*\(route shop\)/).first().waitFor();
  assert.match(await page.getByRole('list', { name: 'Routes' }).innerText(), /yes:\s*shop[\s\S]*yes:\s*under/);
  await page.getByRole('button', { name: 'Test hook' }).click();
  await page.getByText(/hook took a test message/).waitFor();
  assert.ok(heard.some((text) => text.includes('test')), 'the webhook heard of the test');
  await grove.push('/shop/web1/CPU', 99);
  await until(() => heard.length, (n) => n >= 2);
  await page.goto(`${grove.url}/#/outbox?state=sent`);
  await page.getByRole('list', { name: 'Sent lately' }).getByText(/\/shop\/web1\/CPU/).first().waitFor();
  await page.getByRole('button', { name: 'Stop hook' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Start hook' }).click();
  await page.getByRole('button', { name: 'Stop hook' }).waitFor();
});

on('what if a host failed: its group turns red, its alert would be told', async (open) => {
  const page = await open('tree?node=/shop/web1/Up');
  await page.getByRole('link', { name: 'What if it were red?' }).click();
  await hash(page, 'red=/shop/web1/Up');
  const tree = page.getByRole('region', { name: 'The tree' });
  await tree.getByText('shop / web1 / Up').waitFor();
  await tree.getByText('supposed').waitFor();
  await page.getByRole('region', { name: 'The alerts' }).locator('summary').filter({ hasText: '/shop/web1/Up' }).waitFor();
  await page.getByRole('region', { name: 'The messages' }).getByText(/hook/).first().waitFor();
  assert.equal((await grove.get('/api/v1/nodes/shop/web1/Up')).status, 'green');
});
