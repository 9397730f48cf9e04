// Takes pictures of the page for people to look at: node test/shots.mjs DIR [URL].
// Without an address it takes them of the stand-in.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';
import { StandIn, StandInTree, live, tell, village } from './standin.mjs';

const [dir = 'shots', address] = process.argv.slice(2);
await mkdir(dir, { recursive: true });
const server = address ? undefined : await tell(new StandIn(new StandInTree(village()))).listen();
const url = address ?? server.url;
const calm = server ? live(server) : () => {};
const browser = await startBrowser();
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const problem = '#open=/shop/web2/nginx/Answer,/shop/web2/nginx/Connections,/shop/database&node=/shop/web2/nginx/Connections/Active';

async function shot(name, hash, options, act) {
  const page = await openPage(browser, url + hash, options);
  await page.waitForSelector('.sizer .row, .nothing h2');
  await act?.(page);
  await page.waitForTimeout(900);
  await page.screenshot({ path: join(dir, name + '.png') });
  for (const complaint of page.complaints) console.log(`${name}: ${complaint}`);
  await page.context().close();
}

const node = server ? problem : '';
await shot('light', '', { colorScheme: 'light' });
await shot('dark', '', { colorScheme: 'dark' });
await shot('light-details', node, { colorScheme: 'light' });
await shot('dark-details', node, { colorScheme: 'dark' });
await shot('group-details', '#open=/shop&node=/shop', { colorScheme: 'light' });
await shot('filter', '#find=port&status=yellow,white', { colorScheme: 'light' });
await shot('nothing', '#find=nowhere', { colorScheme: 'light' });
await shot('phone-light', node.split('&')[0], { colorScheme: 'light', ...phone });
await shot('phone-dark-details', node, { colorScheme: 'dark', ...phone });
if (server) {
  server.definitions = {
    instances: [{ name: 'web2', file: 'definitions/web2.yaml', errors: [{ line: 14, column: 7, message: 'unknown key "yelow": did you mean "yellow"?' }] }],
  };
  await shot('away', '', { colorScheme: 'light' }, async (page) => {
    server.away = true;
    server.cut();
    await page.waitForSelector('.notice.away');
    await page.locator('summary').click();
  });
}
calm();
await browser.close();
await server?.close();
