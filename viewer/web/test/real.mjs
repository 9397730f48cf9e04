// Uses the page of a real grove in a real browser: node test/real.mjs. The program grove
// is looked for in PATH; it serves a directory of its own on a free port, and is stopped
// and started again while the page is open. It prints what it did, and fails at the first
// thing that is not as it should be.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';

const data = await mkdtemp(join(tmpdir(), 'grove-page-'));
const drop = join(data, 'definitions');
await mkdir(drop);

const shop = `grove: 1
application: shop
at: /shop
probes:
  metrics: { kind: push, attributes: { active: { type: number, unit: connections } } }
tree:
  Connections:
    Active: { from: metrics.active, description: Connections that are open, yellow: "> 500", red: "> 1000", back: 10% }
`;

/** put writes a definition as a person's editor does: whole at once. */
async function put(name, text) {
  await writeFile(join(data, name), text);
  await rename(join(data, name), join(drop, name));
}

/** serve starts grove and returns its address and how to stop it. */
async function serve(listen) {
  const program = spawn('grove', ['serve', '--listen', listen, '--data', data, '--no-own-host'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => program.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    let text = '';
    program.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
      const said = /serves (http:\S+)/.exec(text);
      if (said) resolve(said[1]);
    });
    ended.then((code) => reject(new Error(`grove ended with ${code}: ${text}`)));
  });
  ended.catch(() => {});
  return { url, stop: () => (program.kill(), ended) };
}

async function push(url, value) {
  const answer = await fetch(url + '/api/v1/readings', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ path: '/shop/Connections/Active', value }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

const step = (text) => console.log('ok ', text);
const row = (page, name) => page.locator('.sizer [role=row]', { has: page.getByRole('rowheader', { name, exact: true }) });
const status = (page, name, word) => row(page, name).getByRole('gridcell', { name: word, exact: true }).waitFor();
const mark = (page, name) => row(page, name).locator('.name .mark > *').evaluate((e) => e.tagName);

let grove = await serve('127.0.0.1:0');
const { url } = grove;
const browser = await startBrowser();
let page;
try {
  await put('shop.yaml', shop);
  page = await openPage(browser, url + '/#open=/shop,/shop/Connections&node=/shop/Connections/Active');
  page.setDefaultTimeout(15_000);
  await status(page, 'Active', 'white');
  await status(page, 'grove', 'green');
  step('the page shows the tree');

  await push(url, 812);
  await row(page, 'Active').getByText('812').waitFor();
  await status(page, 'Active', 'yellow');
  await status(page, 'shop', 'yellow');
  assert.equal(await mark(page, 'Active'), 'path', 'the mark of yellow is a triangle');
  await page.waitForFunction(() => document.title.startsWith('1 yellow'));
  const details = page.getByRole('complementary');
  await details.getByText('Connections that are open').waitFor();
  await details.getByText('> 500').waitFor();
  step('a pushed reading changes value, mark, groups and title');

  await push(url, 1200);
  await status(page, 'Active', 'red');
  assert.equal(await mark(page, 'Active'), 'rect', 'the mark of red is a square');
  await details.getByText('1200').first().waitFor();
  step('the details follow');

  await put('shop.yaml', shop.replace('yellow:', 'yelow:'));
  await page.getByText('1 error in the definitions.').click();
  await page.getByText('unknown setting "yelow"').first().waitFor();
  await status(page, 'Active', 'red');
  await put('shop.yaml', shop + '  State: { kind: status }\n');
  await row(page, 'State').waitFor();
  await page.getByText('1 error in the definitions.').waitFor({ state: 'detached' });
  step('a broken edit is told, and a mended one grows the tree');
  assert.deepEqual(page.complaints, []);

  await grove.stop();
  await page.getByText('Not live.').waitFor();
  await row(page, 'Active').getByText('1,200').or(row(page, 'Active').getByText('1200')).waitFor();
  grove = await serve(new URL(url).host);
  await page.getByText('Not live.').waitFor({ state: 'detached' });
  await push(url, 7);
  await row(page, 'Active').getByText('7', { exact: true }).waitFor();
  await status(page, 'Active', 'green');
  step('the page comes back by itself after a restart');
  assert.deepEqual(page.complaints.filter((c) => !/ERR_|WebSocket connection/.test(c)), []);
} catch (error) {
  if (page) console.error((await page.locator('body').innerText()).slice(0, 4000), page.complaints);
  throw error;
} finally {
  await browser.close();
  await grove.stop();
  await rm(data, { recursive: true });
}
