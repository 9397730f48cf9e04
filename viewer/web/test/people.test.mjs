// Logins, users, tokens, saved views and preferences in a real browser, with a real grove.

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
  Active: { from: metrics.active, yellow: "> 500", red: "> 1000" }
`;
const active = 'grove:type=Node,path="/shop/Active"';
const password = 'correct horse battery';

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
    const open = async (address = '', options) => {
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

/** logIn fills in the form of the page that is open. */
async function logIn(page, name, secret = password) {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** sessions are the cookies of who has logged in, one session for each: a login takes time on purpose. */
const sessions = new Map();

/** session logs somebody in without a page, and returns what a browser keeps of it. */
async function session(name) {
  const answer = await fetch(grove.url + '/api/v1/session', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, password }),
  });
  assert.equal(answer.status, 200, await answer.text());
  const cookies = answer.headers.getSetCookie().map((text) => {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(text);
    return { name, value, domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' };
  });
  return { cookies, origins: [] };
}

/** enter opens a page as somebody who has logged in. */
async function enter(open, name, address = '', options) {
  if (!sessions.has(name)) sessions.set(name, await session(name));
  const page = await open(address, { ...options, storageState: sessions.get(name) });
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  return page;
}

const menu = (page) => page.getByRole('button', { name: /views and account/i });

/** by asks over HTTP as a program does, with a token. */
async function by(token, method, path, body) {
  const answer = await fetch(grove.url + path, {
    method,
    headers: { Authorization: 'Bearer ' + token, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  await answer.text();
  return answer.status;
}

on('without users no login is needed, and the page says how to have one', async (open) => {
  const page = await open('#/login');
  await page.getByRole('heading', { name: 'No login is needed here' }).waitFor();
  await page.getByText('grove user add NAME --role admin').waitFor();
  await accessible(page);
  await page.getByRole('link', { name: 'Show the tree' }).click();
  await page.getByRole('treegrid').waitFor();
});

on('the first user is made in the page, and then everybody logs in', async (open) => {
  const page = await open('#/people');
  await page.getByText('There are no users').waitFor();
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a user' });
  await dialog.getByLabel('Name', { exact: true }).fill('root');
  await dialog.getByLabel('Full name').fill('Ruth Root');
  await dialog.getByLabel('Password').fill('short');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByRole('alert').waitFor();
  await accessible(page);
  await dialog.getByLabel('Password').fill(password);
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'Log in to Grove' }).waitFor();
  await accessible(page);

  await logIn(page, 'root', 'wrong horse battery');
  await page.getByRole('alert').getByText('The name or the password is wrong').waitFor();
  await logIn(page, 'root');
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.getByRole('row').filter({ hasText: 'Ruth Root' }).waitFor();
  page.expected = /401|422|WebSocket/;
});

on('an administrator gives roles, and takes them away', async (open) => {
  const page = await enter(open, 'root', '#/people');
  for (const [name, role, path] of [['vera', 'viewer', '/shop'], ['olga', 'operator', '/shop'], ['gone', 'viewer', '/']]) {
    await page.getByRole('button', { name: 'Add a user' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a user' });
    await dialog.getByLabel('Name', { exact: true }).fill(name);
    await dialog.getByLabel('Password').fill(password);
    await dialog.getByLabel('Role').selectOption(role);
    await dialog.getByLabel('Subtree').fill(path);
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('row').filter({ hasText: name }).waitFor();
  }
  await page.getByRole('row').filter({ hasText: 'vera' }).getByText('viewer on /shop').waitFor();
  await accessible(page);

  await page.getByText('gone', { exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'gone' });
  await dialog.getByRole('button', { name: 'Add a grant' }).click();
  await dialog.getByLabel('Role').nth(1).selectOption('editor');
  await dialog.getByLabel('Subtree').nth(1).fill('/bank');
  await dialog.getByLabel('Customer').nth(1).fill('acme');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row').filter({ hasText: 'editor on /bank, customer acme' }).waitFor();
  await accessible(page);
  await dialog.getByLabel('New password').fill('another horse battery');
  await dialog.getByRole('button', { name: 'Reset' }).click();
  await page.getByText('gone has a new password.').waitFor();
  await dialog.getByRole('button', { name: 'Disable' }).click();
  await page.getByRole('dialog', { name: 'Disable gone?' }).getByRole('button', { name: 'Disable' }).click();
  await dialog.getByRole('button', { name: 'Enable' }).waitFor();
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog', { name: 'Delete gone?' }).getByRole('button', { name: 'Delete' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('row').filter({ hasText: 'gone' }).waitFor({ state: 'detached' });

  await page.getByText('root', { exact: true }).click();
  const self = page.getByRole('dialog', { name: 'Ruth Root (root)' });
  await self.getByText('This is you.').waitFor();
  assert.equal(await self.getByRole('button', { name: 'Delete', exact: true }).isDisabled(), true, 'nobody deletes himself');
});

on('who may only look is offered no change, and refused one', async (open) => {
  const page = await enter(open, 'vera', '#/beans?name=' + encodeURIComponent(active));
  await page.getByText('GreenToYellow', { exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Change/ }).count(), 0);
  await page.locator('.operations summary').first().click();
  await page.getByText('You may not run it').first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Run' }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0);
  const ask = (method, path, body) =>
    page.evaluate(async ([m, p, b]) => (await fetch(p, { method: m, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(b) })).status, [method, path, body]);
  const about = '?name=' + encodeURIComponent(active);
  assert.equal(await ask('PUT', 'api/v1/bean/attribute' + about, { attribute: 'GreenToYellow', value: 1 }), 403);
  assert.equal(await ask('POST', 'api/v1/bean/operation' + about, { operation: 'refresh' }), 403);
  assert.equal(await ask('POST', 'api/v1/users', { name: 'mallory', grants: [{ role: 'admin' }] }), 403);
  await page.goto(grove.url + '/#/people');
  await page.getByText('Who may use this server is for those').waitFor();
  page.expected = /403/;
});

on('a token is shown once, and may no more than was asked for', async (open) => {
  const page = await enter(open, 'olga', '#/account');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const dialog = page.getByRole('dialog', { name: 'Make a token' });
  await dialog.getByLabel('Name', { exact: true }).fill('probe');
  await dialog.getByRole('radio', { name: 'less' }).check();
  assert.deepEqual(await dialog.getByLabel('Role').locator('option').count(), 2, 'no role that is more than the own');
  await dialog.getByLabel('Subtree').fill('/shop');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  const made = page.getByRole('dialog', { name: 'The token probe' });
  const token = await made.getByLabel('Token').inputValue();
  assert.match(token, /^grove_/);
  await accessible(page);
  await made.getByRole('button', { name: 'Done' }).click();
  await made.waitFor({ state: 'detached' });
  assert.equal((await page.content()).includes(token), false, 'the text is gone');
  await page.getByText('viewer on').first().waitFor();
  assert.equal(await by(token, 'GET', '/api/v1/nodes/shop/Active'), 200);
  assert.equal(await by(token, 'POST', '/api/v1/bean/operation?name=' + encodeURIComponent(active), { operation: 'refresh' }), 403);
  await page.getByRole('button', { name: 'Revoke probe' }).click();
  await page.getByRole('dialog', { name: 'Revoke the token probe?' }).getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('No tokens.').waitFor();
  assert.equal(await by(token, 'GET', '/api/v1/nodes/shop/Active'), 401);
});

on('preferences and saved views follow their user', async (open) => {
  const page = await enter(open, 'olga', '#/tree?find=act');
  await menu(page).click();
  await page.getByRole('button', { name: 'Save this view' }).click();
  const dialog = page.getByRole('dialog', { name: 'Save this view' });
  await dialog.getByLabel('Name').fill('Active ones');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  await menu(page).click();
  await accessible(page);
  await page.getByRole('link', { name: 'Account and preferences' }).click();
  await page.getByRole('radio', { name: 'Dark' }).check();
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await accessible(page);
  await page.getByRole('radio', { name: 'UTC' }).check();
  await page.getByRole('button', { name: 'Rename Active ones' }).click();
  const renamed = page.getByRole('dialog', { name: 'Rename Active ones' });
  await renamed.getByLabel('Name').fill('The active');
  await renamed.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('link', { name: 'The active' }).waitFor();

  sessions.delete('olga'); // Another login of hers, which is to be ended.
  const other = await enter(open, 'olga', '#/account', phone);
  await other.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  assert.equal(await other.getByRole('radio', { name: 'UTC' }).isChecked(), true);
  await accessible(other);
  assert.equal(await other.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'nothing sticks out');
  await menu(other).click();
  await other.getByRole('navigation', { name: 'Saved views' }).getByRole('link', { name: 'The active' }).click();
  await other.waitForURL(/#\/tree\?.*find=act/);

  await page.getByRole('button', { name: 'Delete The active' }).click();
  await page.getByRole('dialog', { name: 'Delete the view The active?' }).getByRole('button', { name: 'Delete' }).click();
  await page.getByText('None yet.').waitFor();

  // The other login is ended from here, and that page goes to the login.
  await page.reload();
  await page.getByText('this one').waitFor();
  await page.getByRole('button', { name: 'Log out there' }).first().click();
  await other.getByRole('heading', { name: 'Log in to Grove' }).waitFor();
  other.expected = /401|WebSocket/;
});

on('a password is changed, and the way out leads to the login', async (open) => {
  const page = await enter(open, 'vera', '#/account');
  await page.getByLabel('Present password').fill('wrong horse battery');
  await page.getByLabel('New password', { exact: true }).fill('quite another horse');
  await page.getByLabel('New password again').fill('quite another hors');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByText('It is not the same as the one above.').waitFor();
  await page.getByLabel('New password again').fill('quite another horse');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Present password').fill(password);
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByText('The password is changed.').waitFor();
  await menu(page).click();
  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  await page.getByRole('heading', { name: 'Log in to Grove' }).waitFor();
  await logIn(page, 'vera', 'quite another horse');
  await page.getByRole('heading', { name: 'vera' }).waitFor();
  page.expected = /40[13]|WebSocket/;
});

on('who guesses is told to wait', async (open) => {
  const page = await open('#/tree');
  await page.getByRole('heading', { name: 'Log in to Grove' }).waitFor();
  for (let i = 0; i < 40; i++) {
    const answer = await fetch(grove.url + '/api/v1/session', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'olga', password: 'guess ' + i + ' of many' }),
    });
    await answer.text();
    if (answer.status === 429) break;
  }
  await logIn(page, 'olga', 'one more guess');
  await page.getByRole('alert').getByText(/again|wait/i).waitFor();
  assert.match(await page.getByRole('alert').innerText(), /\d/, 'how long');
  page.expected = /429|401|WebSocket/;
});
