// Runs axe-core over a page. It is evaluated from outside, so that the content security
// policy of the page stands.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** accessible fails with what a page keeps from people who use a screen reader or the keyboard. */
export async function accessible(page, options = {}) {
  await page.locator('h1').first().waitFor({ state: 'attached' }); // Between two pages there is none.
  await page.evaluate(source);
  const { violations } = await page.evaluate((o) => window.axe.run(document, o), { resultTypes: ['violations'], ...options });
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(' | ')}`),
    [],
  );
}
