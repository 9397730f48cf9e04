// Figures of the page with 100,000 nodes in a real browser: node test/bench.mjs.
// They are printed, never asserted: a busy machine would make a test of them lie.

import { openPage, startBrowser } from './browser.mjs';
import { StandIn, StandInTree, city } from './standin.mjs';

const server = await new StandIn(new StandInTree(city())).listen();
const browser = await startBrowser();
const page = await openPage(browser, 'about:blank');
await page.addInitScript(() => {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ type: 'longtask' });
  const Native = WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', (e) => {
        if (typeof e.data !== 'string') window.answered ??= performance.now();
      });
    }
  };
});
await page.goto(server.url + '#open=');
await page.waitForSelector('.sizer .row');
const painted = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => done(performance.now() - window.answered))));
const expand = await page.evaluate(
  () =>
    new Promise((done) => {
      const start = performance.now();
      document.querySelector('[aria-label="Expand all"]').click();
      const check = () => (document.querySelector('[aria-level="3"]') ? done(performance.now() - start) : requestAnimationFrame(check));
      requestAnimationFrame(check);
    }),
);
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
        else done({ p95: frames.sort((a, b) => a - b)[285], long: window.longTasks.length });
      };
      requestAnimationFrame(step);
    }),
);
// 1,000 changes ten times a second for five seconds.
const leaves = server.tree.nodes.filter((n) => n.kind === 1);
await page.evaluate(() => (window.longTasks.length = 0));
for (let i = 0; i < 50; i++) {
  const changes = [];
  for (let k = 0; k < 1000; k++) {
    const n = leaves[(i * 7919 + k * 97) % leaves.length];
    n.value = Math.random() * 100;
    n.full = false;
    changes.push(n);
  }
  server.publish({ changes: [...new Set(changes)] }, false);
  await new Promise((done) => setTimeout(done, 100));
}
const long = await page.evaluate(() => window.longTasks);
const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
console.log(`${server.tree.nodes.length} nodes`);
console.log(`from the answer to the first paint  ${painted.toFixed(0)} ms`);
console.log(`expand all                          ${expand.toFixed(0)} ms`);
console.log(`scrolling, frame p95                ${scroll.p95.toFixed(1)} ms, tasks over 50 ms: ${scroll.long}`);
console.log(`10,000 changes/s, tasks over 50 ms  ${long.length} ${long}`);
console.log(`heap                                ${(heap / 2 ** 20).toFixed(0)} MiB`);
await browser.close();
await server.close();
