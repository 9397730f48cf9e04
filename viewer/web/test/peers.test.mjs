// The page about other managers in a real browser with a stand-in for the server: what needs
// managers that are dead, cut off or full. Two real groves are in peersreal.test.mjs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { awayOf, branchesOf, epochText, linkText, moveText, outcomeText, ownerOf } from '../node_modules/.cache/grove/model.mjs';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { StandInTree, hamlet } from './standin.mjs';
import { PeerStandIn } from './standinpeers.mjs';
import { hash, phone } from './steps.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

const cases = [];

function on(name, body) {
  cases.push([name + ' (stand-in)', async () => {
    const server = await new PeerStandIn(new StandInTree(hamlet())).listen();
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, `${server.url}#/${address}`, options);
      pages.push(page);
      return page;
    };
    try {
      await body(server, open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.expected?.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
      await server.close();
    }
  }]);
}

const managers = (page) => page.getByRole('grid', { name: 'Managers' });
const rowOf = (grid, name) => grid.getByRole('row').filter({ has: grid.page().getByText(name, { exact: true }) });

on('managers are shown with state, link, load and how far behind, and follow by themselves', async (server, open) => {
  const page = await open('peers', { viewport: { width: 1600, height: 900 } });
  const list = managers(page);
  assert.match(await rowOf(list, 'hamburg').innerText(), /hamburg\s+live\s+up for 2\sd\s+12\.3 ms\s+0 B\s+46 MiB \/ 2\.02 MiB\s+42\.3\/s\s+3 %\s+88 of 2000\s+shop\s+berlin/);
  assert.match(await rowOf(list, 'köln').innerText(), /suspect\s+lost for \d+\ss\s+20 KiB[\s\S]*1234 entries, 3\smin/);
  assert.match(await rowOf(list, 'paris').innerText(), /dead\s+lost for 1\smin/);
  assert.equal(await list.getByRole('meter', { name: 'Saturation of rome' }).getAttribute('aria-valuenow'), '94');
  await page.getByText('2 links lost').waitFor();
  await page.getByText('berlin watches 120 of 2000 devices, integrates others, is registered with rome, stand-ins: hamburg, *').waitFor();
  await accessible(page);
  server.peers.managers[1] = { ...server.peers.managers[1], state: 'live', link: { ...server.peers.managers[0].link } };
  server.peers.error = 'peers.yaml:3:1: unknown setting "lisen"';
  await page.getByText('1 link lost').waitFor();
  await page.getByRole('alert').getByText('peers.yaml is not taken, and what it said before holds: peers.yaml:3:1').waitFor();
  await list.getByRole('button', { name: 'Manager', exact: true }).click();
});

on('a manager is told something, and is cut off after a question', async (server, open) => {
  const page = await open('peers');
  await rowOf(managers(page), 'hamburg').click();
  await hash(page, 'manager=' + 'a'.repeat(16));
  const dialog = page.getByRole('dialog', { name: 'hamburg' });
  await dialog.getByText('46 MiB in 412').waitFor();
  await accessible(page);
  await dialog.getByLabel('Message').fill('lunch is ready');
  await dialog.getByRole('button', { name: 'Send' }).click();
  await page.getByText('hamburg has it.').waitFor();
  assert.equal(await dialog.getByRole('button', { name: 'Leave' }).count(), 0); // it calls this manager
  await dialog.getByRole('button', { name: 'Revoke…' }).click();
  await dialog.getByLabel('Why').fill('stolen');
  await dialog.getByRole('button', { name: 'Revoke hamburg' }).click();
  await dialog.waitFor({ state: 'detached' });
  await rowOf(managers(page), 'hamburg').getByText('gone').waitFor();
  await rowOf(managers(page), 'rome').click();
  await page.getByRole('dialog', { name: 'rome' }).getByRole('button', { name: 'Leave' }).click();
  await page.getByRole('dialog', { name: 'Leave rome?' }).getByRole('button', { name: 'Leave' }).click();
  await rowOf(managers(page), 'rome').getByText('gone').waitFor();
  assert.deepEqual(server.sent, [
    ['POST', 'messages', { to: 'a'.repeat(16), text: 'lunch is ready' }],
    ['POST', `peers/${'a'.repeat(16)}/revoke`, { comment: 'stolen' }],
    ['POST', `peers/${'f'.repeat(16)}/leave`, {}],
  ]);
});

on('an invitation shows the command once, and the command joins when it is pasted', async (server, open) => {
  const page = await open('peers');
  await page.getByRole('button', { name: 'Invite' }).click();
  let dialog = page.getByRole('dialog', { name: 'Invite a manager' });
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  await dialog.getByText('Say what the manager is to be called here.').waitFor();
  await dialog.getByLabel('Name').fill('hamburg');
  await dialog.getByLabel('Good for').selectOption('a week');
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  dialog = page.getByRole('dialog', { name: 'Invitation for hamburg' });
  const command = await dialog.getByLabel('Command').inputValue();
  assert.equal(command, 'grove peer join tls://berlin.example:7443 s3cret');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  dialog = page.getByRole('dialog', { name: 'Join a manager' });
  await dialog.getByLabel('Address').fill(command);
  assert.equal(await dialog.getByLabel('Address').inputValue(), 'tls://berlin.example:7443');
  page.expected = /410/;
  server.refusal = [410, 'the token cannot be used any more: make a new one at the other manager with grove peer invite'];
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await dialog.getByRole('alert').getByText('The token cannot be used any more: make a new one').waitFor();
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await page.getByText('Joined rome.').waitFor();
  assert.deepEqual(server.sent.map(([, path, body]) => [path, body]), [
    ['peers/invite', { name: 'hamburg', for: '7d' }],
    ['peers/join', { address: 'tls://berlin.example:7443', token: 's3cret' }],
    ['peers/join', { address: 'tls://berlin.example:7443', token: 's3cret' }],
  ]);
});

on('who is in the same cluster is joined over it, and others at their addresses', async (server, open) => {
  server.peers.clustered = true;
  const page = await open('peers');
  await page.getByRole('button', { name: 'Invite' }).click();
  let dialog = page.getByRole('dialog', { name: 'Invite a manager' });
  await dialog.getByLabel('Name').fill('hamburg');
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  dialog = page.getByRole('dialog', { name: 'Invitation for hamburg' });
  await dialog.getByText('Peers, Join, over the cluster, with the token').waitFor();
  const command = await dialog.getByLabel('Command').inputValue();
  await dialog.getByRole('button', { name: 'Done' }).click();
  dialog = page.getByRole('dialog', { name: 'Join a manager' });
  const join = page.getByRole('button', { name: 'Join', exact: true });
  const reached = dialog.getByLabel('Reached');
  await join.click();
  assert.equal(await reached.inputValue(), 'cluster');
  assert.equal(await dialog.getByLabel('Address').count(), 0);
  await accessible(page);
  await dialog.getByLabel('Token').fill('t0ken');
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await join.click();
  // A whole command says how the other one is reached, whichever way was chosen.
  await dialog.getByLabel('Token').fill('grove peer join tls://rome.example:7443 t0ken');
  assert.equal(await reached.inputValue(), 'address');
  assert.equal(await dialog.getByLabel('Address').inputValue(), 'tls://rome.example:7443');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await join.click();
  await reached.selectOption('at an address');
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await dialog.getByText('Say where the other manager is reached.').waitFor();
  await dialog.getByLabel('Address').fill(command);
  assert.equal(await reached.inputValue(), 'cluster');
  assert.equal(await dialog.getByLabel('Token').inputValue(), 's3cret');
  await dialog.getByRole('button', { name: 'Join', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(server.sent.map(([, path, body]) => [path, body]), [
    ['peers/invite', { name: 'hamburg', for: '24h' }],
    ['peers/join', { address: 'cluster', token: 't0ken' }],
    ['peers/join', { address: 'tls://rome.example:7443', token: 't0ken' }],
    ['peers/join', { address: 'cluster', token: 's3cret' }],
  ]);
});

on('devices are filtered, given away and returned, each after a question', async (server, open) => {
  const page = await open('peers?part=devices');
  const list = page.getByRole('grid', { name: 'Devices' });
  await page.getByText('5 devices').waitFor();
  await accessible(page);
  await page.getByLabel('State').selectOption('orphaned');
  await page.getByText('1 device', { exact: true }).waitFor();
  assert.match(await rowOf(list, 'sw1').innerText(), /orphaned[\s\S]*paris\s+nobody/);
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByLabel('Filter devices').fill('/shop');
  await hash(page, 'text=/shop');
  await page.getByText('2 devices').waitFor();
  await rowOf(list, 'db').click();
  const dialog = page.getByRole('dialog', { name: 'db', exact: true });
  await dialog.getByText('It has not moved.').waitFor();
  await dialog.getByLabel('Give it to').selectOption('rome');
  await dialog.getByLabel('For').fill('soon');
  await dialog.getByRole('button', { name: 'Give' }).click();
  await dialog.getByText('Write it such as 90m, 8h or 2d.').waitFor();
  await dialog.getByLabel('For').fill('8 h');
  await dialog.getByRole('button', { name: 'Give' }).click();
  await page.getByRole('dialog', { name: 'Give db to rome?' }).getByRole('button', { name: 'Give' }).click();
  await page.getByText('db is watched by rome now.').waitFor();
  await dialog.getByText('given from berlin to rome by ada').waitFor();
  await dialog.getByRole('button', { name: 'Return to berlin' }).click();
  await page.getByRole('dialog', { name: 'Return db to berlin?' }).getByRole('button', { name: 'Return' }).click();
  await page.getByText('db is watched by berlin now.').waitFor();
  await dialog.getByText('returned from rome to berlin by ada').waitFor();
  assert.deepEqual(server.sent.map(([, path, body]) => [path, body]), [
    ['devices/00000000000000cc%3Adb/give', { to: 'f'.repeat(16), for: '8h' }],
    ['devices/00000000000000cc%3Adb/return', {}],
  ]);
});

on('what a filter shows is moved at once, and each tells what became of it', async (server, open) => {
  const page = await open('peers?part=devices&text=/net');
  await page.getByText('3 devices').waitFor();
  await page.getByRole('button', { name: 'Move these 3…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Move 3 devices' });
  await dialog.getByLabel('Give them to').selectOption('rome');
  await dialog.getByLabel('For').fill('8h');
  await dialog.getByRole('button', { name: 'Give 3 devices' }).click();
  await dialog.getByText('2 of 3 devices moved, 1 not.').waitFor();
  assert.match(await dialog.getByRole('region', { name: 'What became of them' }).innerText(), /switch-1 stays with berlin: it stays: it asks an address on this machine\.\s+switch-2 is watched by rome now\.\s+vpn is watched by rome now\./);
  await accessible(page);
  await dialog.getByRole('button', { name: /^Return/ }).click();
  await page.waitForFunction(() => document.querySelector('.dialog [role=status]')?.textContent === '1 of 2 devices moved, 1 not.');
  assert.deepEqual(server.sent.map(([, path, body]) => [path, body]), [
    ['devices/give', { devices: ['00000000000000cc:switch-1', `${'e'.repeat(16)}:switch-2`, '00000000000000cc:vpn'], to: 'f'.repeat(16), for: '8h' }],
    ['devices/return', { devices: ['00000000000000cc:switch-1', `${'e'.repeat(16)}:switch-2`] }],
  ]);
});

on('all is handed over, taken back, and integrating ends, each after a question', async (server, open) => {
  const page = await open('peers');
  await page.getByRole('button', { name: 'Hand over' }).click();
  const dialog = page.getByRole('dialog', { name: 'Hand all devices over' });
  await dialog.getByRole('button', { name: 'Hand over' }).click();
  await dialog.getByText('118 devices moved, 1 device still on the way, 1 device did not: vpn: nobody can take it.').waitFor();
  await dialog.getByLabel('To').selectOption('hamburg');
  await dialog.getByRole('button', { name: 'Go on' }).click();
  await dialog.getByText('This manager watches no device: it may stop.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: 'I am live' }).click();
  await page.getByRole('dialog', { name: 'Take the devices back?' }).getByRole('button', { name: 'I am live' }).click();
  await page.getByText('3 devices moved.').waitFor();
  await page.getByRole('button', { name: 'Stop integrating' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop integrating' }).click();
  await page.getByRole('button', { name: 'Integrate others' }).waitFor();
  assert.deepEqual(server.sent.map(([, path, body]) => [path, body]), [['peers/handover', {}], ['peers/handover', { to: 'a'.repeat(16) }], ['peers/live', {}], ['peers/integrate', { on: false }]]);
});

on('moves have their history, and what is seen twice its primary', async (_, open) => {
  const page = await open('peers?part=moves');
  const list = page.getByRole('grid', { name: 'Moves' });
  assert.match(await rowOf(list, 'switch-2').innerText(), /switch-2\s+done\s+paris → hamburg\s+taken over\s+grove\s+4\.25 s/);
  assert.match(await rowOf(list, 'vpn').innerText(), /under way\s+berlin → hamburg\s+given\s+ada\s+hamburg loads the definition/);
  await page.getByRole('link', { name: 'Seen twice' }).click();
  const twice = page.getByRole('list', { name: 'Devices seen twice' });
  await twice.getByText('address=10.0.0.1').waitFor();
  assert.match(await twice.innerText(), /address=10\.0\.0\.1 by its address\s+primary\s+berlin: switch-1[\s\S]*secondary\s+hamburg: sw1[\s\S]*secondary\s+köln: sw-a/);
  await accessible(page);
});

on('the tree says whose a branch is, and since when its link is lost', async (server, open) => {
  server.peers.managers[1].branch = '/grove';
  const page = await open('tree');
  await page.getByText('of hamburg', { exact: true }).waitFor();
  await page.getByText(/^link lost for \d+\ss$/).waitFor();
  await page.getByText('of köln', { exact: true }).waitFor();
});

on('who may only look has nothing to do, and who sees a part is told so', async (server, open) => {
  server.session = { name: 'eve', grants: [{ role: 'viewer', path: '/' }], methods: ['password'] };
  const page = await open('peers');
  await rowOf(managers(page), 'hamburg').click();
  await page.getByRole('dialog').getByText('It answers.').waitFor();
  for (const name of ['Invite', 'Join', 'Hand over', 'I am live', 'Revoke…', 'Send']) assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
  server.session = { name: 'bob', grants: [{ role: 'admin', path: '/shop' }], methods: ['password'] };
  const other = await open('peers');
  await other.getByText('Other managers are shown to those who may see the whole of this one.').waitFor();
});

on('the page fits a phone, in light and dark', async (_, open) => {
  for (const address of ['peers', 'peers?part=devices&device=00000000000000cc:switch-1', 'peers?part=moves', 'peers?part=duplicates']) {
    const page = await open(address, { ...phone, colorScheme: address.includes('=') ? 'dark' : 'light' });
    await page.getByText('hamburg').first().waitFor();
    await accessible(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${address} is wider than the window`);
  }
});

// Each has a stand-in of its own: they run beside each other.
describe('the page', { concurrency: 3 }, () => {
  for (const [name, body] of cases) test(name, { timeout: 180_000 }, body);
});

test('links, moves and outcomes are said in words', () => {
  const now = Date.parse('2026-01-01T10:00:00Z');
  const at = (s) => new Date(now - 1000 * s).toISOString();
  const link = (up, s) => ({ link: { up, since: at(s) } });
  assert.deepEqual([link(true, 65), link(false, 3), { link: null, heard: at(10) }, { link: null }].map((m) => linkText(m, now).replace(/\s/g, ' ')), ['up for 1 min', 'lost for 3 s', 'none, heard 10 s ago', 'none']);
  const move = { device: 'db', from: 'berlin', to: 'oslo' };
  assert.deepEqual(
    [{ state: 'done' }, { state: 'under way' }, { state: 'under way', error: 'oslo loads' }, { state: 'failed', error: 'no room' }].map((m) => moveText({ ...move, ...m })),
    ['db is watched by oslo now.', 'db is on its way to oslo.', 'db is on its way to oslo: oslo loads.', 'db stays with berlin: no room.'],
  );
  assert.deepEqual([3, 2 ** 32, 2 ** 32 + 7].map(epochText), ['3', '1.0', '1.7']);
  assert.equal(outcomeText({ moved: 1, underWay: 0, left: [] }), '1 device moved.');
  assert.deepEqual(branchesOf({ managers: [{ name: 'a', branch: '/a', link: { up: true, since: at(5) } }, { name: 'b', branch: '/b', link: { up: false, since: at(5) } }, { name: 'c', branch: '/c', link: null }, { name: 'd', link: null }] }), [
    { path: '/a', manager: 'a', lost: undefined },
    { path: '/b', manager: 'b', lost: now - 5000 },
    { path: '/c', manager: 'c', lost: undefined },
  ]);
  const away = (text, name, value, more = {}) => awayOf({ properties: [{ name: 'elsewhere', value: `${text}: see ${value}` }, { name, value }], ...more });
  assert.deepEqual(
    [awayOf({}), away('x watches d', 'elsewhere_page', 'https://x/#/tree?node=/d'), away('x watches d', 'elsewhere_page', 'javascript:1'), away('x watches d', 'elsewhere_path', '/Managers/x/d')],
    [undefined, { text: 'x watches d', path: undefined, page: 'https://x/#/tree?node=/d' }, { text: 'x watches d', path: undefined, page: undefined }, { text: 'x watches d', path: '/Managers/x/d', page: undefined }],
  );
  assert.deepEqual([{ labels: { manager: 'a' } }, { properties: [{ name: 'manager_id', value: '1' }] }, { properties: [{ name: 'manager_id', value: '1' }], labels: { manager: 'a' } }].map(ownerOf), [undefined, '1', 'a']);
});
