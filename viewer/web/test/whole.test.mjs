// Events, definitions, the system page and the wall board in a real browser with a real
// grove.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible } from './axe.mjs';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { phone } from './steps.mjs';

const shop = `grove: 1
application: shop
at: /shop
tree:
  web1:
    CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
    Answer: { kind: performance, mode: push, unit: s, yellow: "> 0.5", red: "> 2" }
    Log: { kind: log, mode: push }
  web2:
    CPU: { kind: performance, mode: push, unit: "%", yellow: "> 70", red: "> 90" }
`;
const crowd = `grove: 1
application: crowd
at: /crowd
tree:
  "Value \${item}": { each: "1..600", kind: performance, mode: push, yellow: "> 5" }
`;
const broken = 'grove: 1\napplication: broken\nat: /broken\nprobes: {}\ntree:\n  Load: { kind: performance, yelow: "> 5" }\n';

let browser;
let grove;
before(async () => {
  [browser, grove] = await Promise.all([startBrowser(), startGrove({ definitions: { 'shop.yaml': shop, 'crowd.yaml': crowd } })]);
});
after(async () => {
  await browser?.close();
  await grove?.stop();
});

const calm = () =>
  grove.push([
    { path: '/shop/web1/CPU', value: 5 },
    { path: '/shop/web1/Answer', value: 0.1 },
    { path: '/shop/web2/CPU', value: 5 },
    ...Array.from({ length: 600 }, (_, i) => ({ path: `/crowd/Value ${i + 1}`, value: 0 })),
  ]);

/** on names a test whose pages must not complain. */
function on(name, body) {
  test(name, { timeout: 180_000 }, async () => {
    const pages = [];
    const open = async (address, options) => {
      const page = await openPage(browser, grove.url + '/#/' + address, options);
      pages.push(page);
      return page;
    };
    try {
      await calm();
      await body(open);
      for (const page of pages) assert.deepEqual(page.complaints.filter((c) => !page.mayFail || !/ERR_|WebSocket connection| 422 /.test(c)), []);
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

const rows = (page) => page.locator('.sheet-sizer .sheet-row');
on('events are searched, paged and followed', async (open) => {
  await grove.push('/shop/web1/CPU', 95);
  const page = await open('events?in=/shop&kind=status');
  await rows(page).filter({ hasText: 'web1' }).first().waitFor();
  await page.getByRole('button', { name: 'Live', exact: true }).waitFor();
  await grove.push('/shop/web2/CPU', 97);
  await rows(page).filter({ hasText: '97 %' }).waitFor();
  assert.match(await rows(page).filter({ hasText: '97 %' }).innerText(), /green[\s\S]*to[\s\S]*red[\s\S]*CPU shop \/ web2/);
  await page.getByRole('button', { name: 'yellow', exact: true }).click();
  await page.waitForFunction(() => location.hash.includes('status=yellow'));
  await page.getByRole('button', { name: 'yellow', exact: true }).click();
  await page.getByRole('searchbox').fill('no such text anywhere');
  await page.getByText('Nothing that matches happened in this time.').waitFor();
  const crowd = await open('events?in=/crowd');
  await crowd.getByText('the newest 200: scroll for more').waitFor();
  await crowd.locator('.sheet-body').evaluate((e) => (e.scrollTop = e.scrollHeight));
  await crowd.getByText(/the newest [46]00: scroll for more/).waitFor();
});

on('definitions show their errors in the text, and plan a change before it is saved', async (open) => {
  await grove.put('broken.yaml', broken);
  const page = await open('definitions');
  await page.getByText('shop.yaml').waitFor();
  await page.getByRole('button', { name: /^Errors 1$/ }).click();
  await rows(page).first().click();
  await page.getByRole('heading', { name: 'broken.yaml' }).waitFor();
  const line = page.locator('.code-line.bad');
  assert.equal(await line.getAttribute('data-line'), '6');
  await line.getByText('unknown setting "yelow" (did you mean "yellow"?)').waitFor();
  await page.getByRole('button', { name: 'Try a change' }).click();
  const text = page.getByRole('textbox', { name: 'Text of the definition' });
  await text.fill(broken.replace('yelow', 'yellow'));
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await page.getByRole('heading', { name: 'It would change this' }).waitFor();
  await page.getByText('/broken/Load').waitFor();
  assert.ok(!(await grove.get('/api/v1/definitions')).instances.some((i) => i.name === 'broken'), 'a plan changes nothing');
  await text.fill(broken);
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await page.getByRole('button', { name: 'broken.yaml:6:' }).click();
  assert.ok((await text.evaluate((e) => e.value.slice(e.selectionStart, e.selectionEnd))).startsWith('yelow'));
  await grove.put('broken.yaml', broken.replace('yelow', 'yellow'));
  await page.getByRole('button', { name: 'Back' }).click();
  await page.getByRole('button', { name: /^Errors 0$/ }).waitFor();
});

on('shared definitions have revisions, what each changed, and a way back', async (open) => {
  const text = (limit) => `grove: 1\napplication: pool\ntree:\n  Free: { kind: performance, mode: push, red: "< ${limit}" }\n`;
  const page = await open('definitions?show=shared');
  page.mayFail = true; // a text with errors is refused
  await page.getByRole('button', { name: 'New shared definition' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('pool');
  const area = page.getByRole('textbox', { name: 'Text of pool' });
  await area.fill(text(1).replace('red', 'rad'));
  const save = async () => {
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  };
  await save();
  await page.getByRole('alert').getByText('unknown setting "rad"').waitFor(); // in the server's words, with the place
  await area.fill(text(1));
  await save();
  await page.getByRole('heading', { name: 'pool' }).waitFor();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('textbox', { name: 'Why' }).fill('two are needed');
  await area.fill(text(2));
  await save();
  await page.getByText('two are needed').waitFor();
  await page.getByRole('button', { name: 'What it changed' }).click();
  await page.locator('.changes .plus').filter({ hasText: '< 2' }).waitFor();
  await page.locator('.changes .minus').filter({ hasText: '< 1' }).waitFor();
  await page.getByRole('list', { name: 'Revisions' }).getByRole('button').nth(1).click();
  await page.getByRole('button', { name: 'Go back to it' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Go back' }).click();
  await page.getByRole('list', { name: 'Revisions' }).getByRole('button').nth(2).waitFor();
  assert.match((await grove.get('/api/v1/definitions/pool')).text, /"< 1"/);
});

on('the system page has figures with units, and the managers', async (open) => {
  const page = await open('system');
  const tree = page.getByRole('region', { name: 'Tree' });
  await tree.getByText('readings/s').first().waitFor();
  await page.getByRole('region', { name: 'Process' }).getByText('MiB').first().waitFor();
  await page.getByRole('region', { name: /^Manager / }).getByText('12 ways of talking to it').or(page.getByText(/\d+ ways of talking to it/)).click();
  await page.getByText('/api/v1/live', { exact: true }).waitFor();
  await page.getByText('This manager is linked with no other.').waitFor();
  await page.getByRole('region', { name: 'History' }).getByRole('button', { name: 'State' }).click();
  await page.waitForFunction(() => location.hash.includes('node=/grove/History/State'));
});

on('the board says in large words how its areas are, turns its pages, and shouts when it is old', async (open) => {
  await grove.push('/shop/web1/CPU', 95);
  const page = await open('board?in=/shop/*,/crowd&title=Shop', { viewport: { width: 1920, height: 1080 } });
  page.mayFail = true;
  const tile = (name, word) => page.getByRole('region', { name: `${name}: ${word}` });
  await tile('web1', 'red').waitFor();
  await tile('web2', 'white').or(tile('web2', 'green')).waitFor();
  await tile('crowd', 'green').waitFor();
  assert.match(await tile('web1', 'red').innerText(), /RED\s+1[\s\S]*CPU · /);
  await page.getByText(/Oldest problem:.*shop \/ web1 \/ CPU/).waitFor();
  const height = await tile('web1', 'red').locator('.mark-word b').evaluate((e) => parseFloat(getComputedStyle(e).fontSize));
  assert.ok(height >= 40, `${height} pixels can be read from five metres`);
  assert.equal(await page.evaluate(() => [document.documentElement, document.querySelector('.board')].some((e) => e.scrollHeight > e.clientHeight + 1)), false);
  assert.equal(await page.locator('.board').evaluate((e) => getComputedStyle(e).backgroundColor), 'rgb(14, 18, 22)');
  await accessible(page);

  const many = await open('board?in=/crowd/*&every=3', { viewport: { width: 1920, height: 1080 } });
  await many.getByText(/Page 1 of \d+/).waitFor();
  await many.getByText(/Page 2 of \d+/).waitFor();

  await grove.leave();
  await page.getByRole('alert').getByText('NOT LIVE').waitFor();
  await page.getByText(/This is how things were \d/).waitFor();
  await grove.back();
  await page.getByText('NOT LIVE').waitFor({ state: 'detached' });
  many.mayFail = true;
});

on('every page is accessible', async (open) => {
  await grove.push([{ path: '/shop/web1/CPU', value: 95 }, { path: '/shop/web2/CPU', value: 75 }]);
  await grove.put('broken.yaml', broken);
  for (const options of [{ colorScheme: 'light' }, { ...phone, colorScheme: 'dark' }]) {
    const page = await open('overview?in=/shop', options);
    await page.waitForFunction(() => document.querySelector('.map')?.dataset.areas === '2');
    await accessible(page);
    await page.evaluate(() => (location.hash = '#/problems'));
    await rows(page).first().waitFor();
    await accessible(page);
    await page.evaluate(() => (location.hash = '#/events'));
    await rows(page).first().waitFor();
    await accessible(page);
    await page.evaluate(() => (location.hash = '#/definitions?show=errors'));
    await page.getByText('unknown setting').first().waitFor();
    await accessible(page);
    await rows(page).first().click();
    await page.locator('.code-line.bad').first().waitFor();
    await accessible(page);
    await page.evaluate(() => (location.hash = '#/system'));
    await page.getByRole('region', { name: 'Database' }).waitFor();
    await accessible(page);
  }
});

on('what is of the past and what is of now is said on every page', async (open) => {
  await new Promise((resolve) => setTimeout(resolve, 1100)); // a moment that has begun
  const at = new Date(Date.now() - 500).toISOString();
  const page = await open(`board?at=${at}`, { viewport: { width: 1920, height: 1080 } });
  await page.getByText('THE PAST').waitFor();
  assert.equal(await page.getByText(/Updated/).count(), 0);
  await page.getByRole('button', { name: 'Back to now' }).click();
  await page.getByText(/Updated \d/).waitFor();
  assert.equal(await page.getByText('THE PAST').count(), 0);
  // A moment that the history does not hold shows no rows of another one.
  const tree = await open('tree');
  await tree.locator('.sizer .row').first().waitFor();
  await tree.evaluate(() => (location.hash = '#/tree?at=2001-01-01T00:00:00Z'));
  await tree.getByText('is outside of what the history holds').waitFor();
  assert.equal(await tree.locator('.sizer .row, .overall').count(), 0);
  for (const [name, words] of [['problems', 'Nothing here changes.'], ['definitions', 'This page shows what is now.'], ['beans', 'This page shows what is now.']]) {
    const other = await open(`${name}?at=${at}`);
    await other.getByText(words).waitFor();
  }
});

on('on a phone the buttons of a file hold their words', async (open) => {
  const page = await open('definitions?file=builtin:grove/grove.yaml', phone);
  const button = page.getByRole('button', { name: 'Copy' });
  await button.waitFor();
  assert.ok(await button.evaluate((e) => e.scrollWidth <= e.clientWidth));
});

on('what a thumb must hit on lists is large enough', async (open) => {
  for (const name of ['problems', 'events', 'definitions', 'board', 'overview']) {
    const page = await open(name, phone);
    await page.locator('button:visible').first().waitFor();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('main button, main select, .board button')]
        .filter((e) => !e.closest('.sheet-head') && e.checkVisibility() && Math.min(e.offsetHeight, e.offsetWidth) < 44)
        .map((e) => `${e.textContent || e.ariaLabel} ${e.offsetWidth} × ${e.offsetHeight}`),
    );
    assert.deepEqual(small, [], name);
  }
});

test('who sees a part is told of that part alone', { timeout: 180_000 }, async () => {
  const own = await startGrove({ definitions: { 'shop.yaml': shop, 'crowd.yaml': crowd, 'broken.yaml': broken } });
  let page;
  try {
    const ada = { Authorization: 'Basic ' + Buffer.from('ada:correct horse battery').toString('base64') };
    const add = (name, grant, headers) => own.send('POST', '/api/v1/users', { name, password: 'correct horse battery', grants: [grant] }, headers);
    await add('ada', { role: 'admin', path: '/' });
    await add('bob', { role: 'viewer', path: '/shop' }, ada);
    const value = (path, v) => own.send('POST', '/api/v1/readings', { path, value: v }, ada);
    await value('/shop/web1/CPU', 95);
    await value('/crowd/Value 1', 9);

    page = await openPage(browser, own.url + '/#/problems');
    const status = await page.evaluate(
      async (user) => (await fetch('api/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(user) })).status,
      { name: 'bob', password: 'correct horse battery' },
    );
    assert.ok(status < 300, `the login is answered with ${status}`);
    const go = async (address) => {
      await page.goto(own.url + '/#/' + address);
      await page.reload();
    };
    await go('problems');
    await rows(page).first().waitFor();
    assert.equal(await rows(page).count(), 1);
    await page.getByText('shop / web1').waitFor();
    await go('overview');
    await page.waitForFunction(() => document.querySelector('.map'));
    assert.ok(!/crowd/.test(await page.locator('body').innerText()));
    await go('events');
    await rows(page).first().waitFor();
    assert.ok(!/crowd/.test(await page.locator('.sheet-body').innerText()));
    await go('system');
    await page.getByText('Figures of the manager itself are shown to who may see the whole of it.').waitFor();
    await page.getByRole('region', { name: /^Manager / }).waitFor();
    await go('definitions');
    await page.getByText('shop.yaml').waitFor();
    assert.ok(!/crowd|broken/.test(await page.locator('.sheet-body').innerText()));
    await rows(page).filter({ hasText: 'shop' }).first().click();
    await page.getByText('application: shop').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Try a change' }).count(), 0);
    await go('board');
    await page.getByRole('region', { name: 'shop: red' }).waitFor();
    assert.deepEqual(page.complaints.filter((c) => !/40[134]|ERR_|WebSocket/.test(c)), []);
  } catch (error) {
    if (page) console.error((await page.locator('body').innerText()).slice(0, 1500), page.complaints);
    throw error;
  } finally {
    await page?.context().close();
    await own.stop();
  }
});
