// Two real groves, joined by the real command: what one watches is seen at the other, a
// device is given away and returned, and a link that is lost is told.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openPage, startBrowser } from './browser.mjs';
import { program, startGrove } from './grove.mjs';
import { row, status } from './steps.mjs';

const shop = `grove: 1
application: shop
at: /shop
tree:
  Up: { kind: status, mode: push, states: { up: green, down: red } }
  CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
`;

let browser;
let berlin;
let hamburg;
before(async () => {
  browser = await startBrowser();
  [berlin, hamburg] = await Promise.all([
    startGrove({ flags: ['--name', 'berlin'], files: { 'peers.yaml': 'listen: ["tls://127.0.0.1:0"]\n' } }),
    startGrove({ flags: ['--name', 'hamburg'], files: { 'peers.yaml': 'stand_in: [berlin]\n' }, definitions: { 'shop.yaml': shop } }),
  ]);
});
after(async () => {
  await browser?.close();
  await hamburg?.stop();
  await berlin?.stop();
});

/** command runs grove as a person does, at one of the two. */
async function command(at, ...args) {
  const { stdout } = await promisify(execFile)(await program(), [...args, '--server', at.url]);
  return stdout;
}

/** until waits until grove says so. */
async function until(ask, right) {
  const end = Date.now() + 120_000;
  let now;
  for (;;) {
    now = await ask();
    if (right(now) || Date.now() > end) break;
    await new Promise((later) => setTimeout(later, 50));
  }
  assert.ok(right(now), JSON.stringify(now));
}

/** red waits until the one knows what the other has read. */
const red = () => until(() => berlin.get('/api/v1/nodes/Managers/hamburg/shop/CPU').catch((e) => e.message), (n) => n.status === 'red');

test('two groves join by one command, see each other, move a device, and tell of a lost link', { timeout: 180_000 }, async () => {
  const pages = [];
  const open = async (grove, address) => {
    const page = await openPage(browser, `${grove.url}/#/${address}`);
    pages.push(page);
    return page;
  };

  // The invitation of the page is the command of the other side.
  const page = await open(berlin, 'peers');
  await page.getByText('No other manager is known.').waitFor();
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('hamburg');
  await page.getByRole('dialog').getByRole('button', { name: 'Invite', exact: true }).click();
  const invitation = page.getByRole('dialog', { name: 'Invitation for hamburg' });
  const typed = (await invitation.getByLabel('Command').inputValue()).split(' ');
  assert.equal(typed[0], 'grove');
  assert.match(await command(hamburg, ...typed.slice(1)), /^joined berlin /);
  await invitation.getByRole('button', { name: 'Done' }).click();
  const managers = page.getByRole('grid', { name: 'Managers' });
  await managers.getByText('live', { exact: true }).waitFor();
  await managers.getByText(/^up for/).waitFor();

  // What is red there is red here, and the owner is asked.
  await until(() => hamburg.get('/api/v1/tree?depth=1'), (t) => t.root.nodes.some((n) => n.name === 'shop'));
  await hamburg.push([{ path: '/shop/Up', value: 'up' }, { path: '/shop/CPU', value: 95 }]);
  await red();
  const tree = await open(berlin, 'tree?open=/Managers/hamburg/shop&node=/Managers/hamburg/shop/CPU');
  await status(tree, 'CPU', 'red');
  await tree.locator('.sizer').getByText('joined', { exact: true }).waitFor();
  const panel = tree.getByRole('region', { name: 'Owner' });
  await panel.getByText('hamburg watches this node').waitFor();
  await panel.getByRole('button', { name: 'Ask its owner' }).click();
  await panel.getByText(/^hamburg answered after/).waitFor();

  // The device moves here and back.
  await page.getByRole('link', { name: 'Devices', exact: true }).click();
  const devices = page.getByRole('grid', { name: 'Devices' });
  const device = devices.getByRole('row').filter({ has: page.getByText('shop', { exact: true }) });
  await device.getByText('own', { exact: true }).waitFor();
  assert.match(await command(hamburg, 'peer', 'give', 'shop', 'berlin'), /^shop is watched by berlin now/);
  await device.getByText('given', { exact: true }).waitFor();
  // A node stands for it at its owner, and leads to where it is watched.
  await until(() => hamburg.get('/api/v1/nodes/shop/CPU').catch((e) => e.message), (m) => /404.*has no .*CPU.* here: berlin watches shop since .*#\/tree\?node=\/shop/.test(m));
  const left = await open(hamburg, 'tree?node=/shop');
  await left.getByRole('region', { name: 'Watched elsewhere' }).getByText(/^berlin watches shop since/).waitFor();
  assert.equal(await left.getByRole('link', { name: 'See it on the page of that manager' }).getAttribute('href'), `${berlin.url}/#/tree?node=/shop`);
  await left.context().close();
  assert.deepEqual(pages.pop().complaints, []);
  await device.click();
  const dialog = page.getByRole('dialog', { name: 'shop', exact: true });
  await dialog.getByText(/^given from hamburg to berlin/).waitFor();
  await dialog.getByRole('button', { name: 'Return to hamburg' }).click();
  await page.getByRole('dialog', { name: 'Return shop to hamburg?' }).getByRole('button', { name: 'Return' }).click();
  await dialog.getByText('Its owner watches it.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await device.getByText('own', { exact: true }).waitFor();
  assert.match(await command(berlin, 'peer', 'moves'), /shop\s+hamburg\s+berlin\s+given/);

  // The other one is killed: its tree is white, and the tree says since when.
  await red();
  await tree.reload(); // what comes anew is closed
  await status(tree, 'CPU', 'red');
  await hamburg.kill();
  await row(tree, 'CPU').getByRole('gridcell', { name: 'white', exact: true }).first().waitFor();
  await tree.locator('.sizer').getByText(/^link lost for/).waitFor();
  await page.getByRole('link', { name: 'Managers', exact: true }).click();
  await managers.getByText(/^lost for/).waitFor();
  await hamburg.back();
  await managers.getByText(/^up for/).waitFor();
  await tree.locator('.sizer').getByText(/^link lost for/).waitFor({ state: 'detached' });
  // While the device is here, its node is not among what hangs of the other: the panel of it is told so.
  for (const p of pages) assert.deepEqual(p.complaints.filter((c) => !/404/.test(c)), []);
});
