// Takes pictures of pages for people to look at, of a real grove, in light and dark, wide
// and on a phone:
//
//	node test/shots.mjs DIR [HASH...]

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';
import { startGrove } from './grove.mjs';
import { readings, village } from './village.mjs';

const [dir = 'shots', ...wanted] = process.argv.slice(2);
await mkdir(dir, { recursive: true });
const grove = await startGrove({ definitions: village });
await grove.push(readings);
const browser = await startBrowser();

const hashes = wanted.length > 0 ? wanted : [
  '#/tree?open=/shop/web2/nginx,/shop/database',
  '#/tree?open=/shop/web2/nginx&node=/shop/web2/nginx/Connections/Active',
  '#/tree?find=web&status=red,yellow&sort=severity',
  '#/tree?find=nowhere',
  `#/tree?open=/shop&at=${new Date(Date.now() - 2000).toISOString()}`,
  '#/overview', '#/problems', '#/alerts', '#/maintenance', '#/routes', '#/outbox', '#/what-if', '#/events', '#/definitions', '#/system', '#/board', '#/beans', '#/people', '#/account',
];
const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  'phone-light': { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  'phone-dark': { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};
for (const [i, hash] of hashes.entries()) {
  for (const [look, options] of Object.entries(looks)) {
    const page = await openPage(browser, `${grove.url}/${hash}`, options);
    await page.waitForTimeout(1200);
    const name = `${String(i + 1).padStart(2, '0')}-${hash.replace(/^#\//, '').replace(/[^a-z0-9]+/gi, '-').slice(0, 40)}-${look}.png`;
    await page.screenshot({ path: join(dir, name) });
    for (const complaint of page.complaints) console.log(`${name}: ${complaint}`);
    await page.context().close();
  }
}
await browser.close();
await grove.stop();
