// Figures of the page in a real browser with a real grove of 100,000 nodes:
//
//	node test/bench.mjs
//
// They are printed beside what they should be, in the lines of .ci/bench, and never
// asserted: a busy machine would make a test of them lie.

import { readFile, readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { city } from './village.mjs';

const [areas, hosts, values] = [50, 182, 10];
const nodes = areas * (1 + hosts * (1 + values));
const rounds = 50;
const many = nodes.toLocaleString('en');

/** figure prints a value, and beside it the target that it should be at most, if there is one, and their ratio. */
function figure(what, value, unit, target, note = '') {
  let line = `    ${what.padEnd(52)} ${String(Number(value.toPrecision(4))).padStart(10)} ${unit.padEnd(12)}`;
  if (target !== undefined) {
    const ratio = value > 0 ? target / value : target > 0 ? 99 : 1;
    line += ` at most  ${String(target).padStart(6)}   ratio ${ratio.toFixed(2)}`;
  }
  console.log((line + note).trimEnd());
}
/** longTasks prints how many tasks kept the page from drawing, and how long the longest of them took. */
const longTasks = (what, list) => figure(what, list.length, 'tasks', 0, list.length > 0 ? `   longest ${Math.max(...list)} ms` : '');
const middle = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

const grove = await startGrove({ definitions: city(areas, hosts, values) });
const browser = await startBrowser();

/** look opens a page that notes long tasks and when the first large answer arrived. */
async function look(hash) {
  const page = await openPage(browser, 'about:blank');
  await page.addInitScript(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ type: 'longtask' });
    const Native = WebSocket;
    window.WebSocket = class extends Native {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', (e) => {
          if (typeof e.data !== 'string' && e.data.byteLength > 300) window.answered ??= performance.now();
        });
      }
    };
  });
  await page.goto(grove.url + '/' + hash);
  return page;
}
/** cpu starts to count the time that the page's main thread computes; the answer returns it in milliseconds, whatever else the machine does. */
async function cpu(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => (await devtools.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value * 1000;
  const before = await read();
  return async () => (await read()) - before;
}
const rowsKnown = (page, many) => page.waitForFunction((n) => Number(document.querySelector('[role=treegrid]').ariaRowCount) > n, many);
const painted = (page) =>
  page.evaluate(
    () =>
      new Promise((done) => {
        const check = () => (document.querySelector('.sizer .row') ? requestAnimationFrame(() => done(performance.now() - window.answered)) : requestAnimationFrame(check));
        check();
      }),
  );

// Every value is known before anything is measured.
for (let a = 1; a <= areas; a++) {
  const batch = [];
  for (let h = 1; h <= hosts; h++) for (let v = 1; v <= values; v++) batch.push({ path: `/city/area-${a}/host-${h}/value ${v}`, value: (a * 7 + h * 3 + v) % 800 });
  await grove.push(batch);
}

{
  const page = await look('#/tree?open=/city');
  const few = await painted(page);
  await rowsKnown(page, areas);
  figure(`first paint of ${many} nodes, 50 areas open`, few, 'ms', 1000);
  const expand = await page.evaluate(
    (n) =>
      new Promise((done) => {
        const start = performance.now();
        document.querySelector('[aria-label="Expand all"]').click();
        let first;
        const check = () => {
          const rows = Number(document.querySelector('[role=treegrid]').ariaRowCount);
          if (document.querySelector('.sizer [aria-level="4"]')) first ??= performance.now() - start;
          if (rows > n) requestAnimationFrame(() => done({ first, all: performance.now() - start }));
          else requestAnimationFrame(check);
        };
        requestAnimationFrame(check);
      }),
    nodes,
  );
  figure('expand all: every row there', expand.all, 'ms', 500);
  const collapse = await page.evaluate(
    () =>
      new Promise((done) => {
        const start = performance.now();
        document.querySelector('[aria-label="Collapse all"]').click();
        const check = () => (Number(document.querySelector('[role=treegrid]').ariaRowCount) < 100 ? done(performance.now() - start) : requestAnimationFrame(check));
        requestAnimationFrame(check);
      }),
  );
  figure('collapse all', collapse, 'ms', 500);
  await page.context().close();
}

const page = await look('#/tree?open=*');
const whole = await painted(page);
await rowsKnown(page, nodes);
figure('first paint, all rows open', whole, 'ms', 1000);

const scrolled = await cpu(page);
const scroll = await page.evaluate(
  () =>
    new Promise((done) => {
      window.longTasks.length = 0;
      const scroller = document.querySelector('.scroller');
      const frames = [];
      let last = performance.now();
      const step = (now) => {
        frames.push(now - last);
        last = now;
        scroller.scrollTop += 397;
        if (frames.length < 300) requestAnimationFrame(step);
        else done({ p95: frames.sort((a, b) => a - b)[285], long: [...window.longTasks] });
      };
      requestAnimationFrame(step);
    }),
);
figure('scrolling 300 frames: main thread a frame', (await scrolled()) / 300, 'ms');
figure('scrolling 300 frames: 95th percentile', scroll.p95, 'ms');
longTasks('scrolling 300 frames: tasks over 50 ms', scroll.long);

const typed = await page.evaluate(
  () =>
    new Promise((done) => {
      const input = document.querySelector('.search input');
      const start = performance.now();
      input.value = 'host-77 value';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      const check = () => (document.querySelector('.sizer .row:not(.way)')?.textContent.includes('value') && document.querySelector('.hits') ? done(performance.now() - start) : requestAnimationFrame(check));
      requestAnimationFrame(check);
    }),
);
figure('filter by text: the first matches', typed, 'ms');
await page.getByRole('button', { name: 'Clear the filter' }).click();
await rowsKnown(page, nodes);

// 1,000 changes ten times a second for ten seconds, spread over the tree.
await page.evaluate(() => (window.longTasks.length = 0));
const changed = await cpu(page);
const start = Date.now();
for (let i = 0; i < 100; i++) {
  const batch = [];
  for (let k = 0; k < 1000; k++) {
    const n = (i * 7919 + k * 97) % (areas * hosts * values);
    batch.push({ path: `/city/area-${1 + Math.floor(n / (hosts * values))}/host-${1 + (Math.floor(n / values) % hosts)}/value ${1 + (n % values)}`, value: (i * 1000 + k) % 899 });
  }
  await grove.push(batch);
  const due = start + (i + 1) * 100 - Date.now();
  if (due > 0) await new Promise((done) => setTimeout(done, due));
}
const rate = 100_000 / ((Date.now() - start) / 1000);
const long = await page.evaluate(() => window.longTasks);
longTasks(`${Math.round(rate).toLocaleString('en')} changes/s for ${((Date.now() - start) / 1000).toFixed(0)} s: tasks over 50 ms`, long);
figure('the same: main thread, of a processor', (100 * (await changed())) / (Date.now() - start), '%');
const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
figure('heap of the page', heap / 1e6, 'MB');
await page.context().close();

// From just before a reading is posted until the frame in which the mark has its colour
// has been drawn. Both ends read the clock of this machine.
{
  const near = await look('#/tree?open=/city/area-1/host-1');
  await near.locator('.sizer [aria-level="4"]').first().waitFor();
  const took = [];
  for (let i = 0; i < rounds; i++) {
    const [value, word] = i % 2 === 0 ? [995, 'red'] : [10, 'green'];
    const shown = near.evaluate(
      (w) =>
        new Promise((done) => {
          const mark = [...document.querySelectorAll('.sizer .row')].find((r) => r.querySelector('.text').textContent === 'value 1').querySelector('.mark');
          new MutationObserver((_, observer) => {
            if (!mark.classList.contains(w)) return;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => done(Date.now())));
          }).observe(mark, { attributes: true, attributeFilter: ['class'] });
        }),
      word,
    );
    await new Promise((done) => setTimeout(done, 20 + ((i * 37) % 100)));
    const at = Date.now();
    await grove.push('/city/area-1/host-1/value 1', value);
    took.push((await shown) - at);
  }
  took.sort((a, b) => a - b);
  figure('pushed reading to the mark on the screen, median', middle(took), 'ms', 100);
  figure(`the same, longest of ${rounds}`, took.at(-1), 'ms');
  await near.context().close();
}

const dist = new URL('../dist/', import.meta.url);
let size = 0;
for (const name of await readdir(dist)) if (/\.(js|css)$/.test(name)) size += gzipSync(await readFile(new URL(name, dist)), { level: 9 }).length;
figure('script and style, gzip', size / 1000, 'kB', 120);

await browser.close();
await grove.stop();
