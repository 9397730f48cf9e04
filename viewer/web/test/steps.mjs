// What the tests of pages do again and again.

import assert from 'node:assert/strict';

export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' };

/** row is the row of the tree with this name, if need be at a level. */
export function row(page, name, level) {
  const at = level ? `[aria-level="${level}"]` : '';
  return page.locator(`.sizer [role=row]${at}`, { has: page.getByRole('rowheader', { name, exact: true }) });
}

/** status waits until a row says a status. */
export async function status(page, name, word) {
  await row(page, name).getByRole('gridcell', { name: word, exact: true }).first().waitFor();
}

export const shownRows = (page) => page.locator('.sizer [role=row] .name .text').allTextContents();

/** rowsAre waits until exactly these rows are drawn, in this order. */
export async function rowsAre(page, want) {
  await page
    .waitForFunction((w) => JSON.stringify([...document.querySelectorAll('.sizer [role=row] .name .text')].map((e) => e.textContent)) === w, JSON.stringify(want))
    .catch(async (error) => {
      assert.deepEqual(await shownRows(page), want);
      throw error;
    });
}

/** focused names the row that the keyboard is on, with the number of the cell, or the element. */
export function focused(page) {
  return page.evaluate(() => {
    const e = document.activeElement;
    const at = e.closest('.sizer [role=row]');
    if (!at) return e.tagName.toLowerCase();
    const cell = e === at ? '' : ':' + [...at.children].indexOf(e);
    return at.querySelector('[role=rowheader] .text').textContent + cell;
  });
}

/** press sends keys and waits until the keyboard is where it should be. */
export async function press(page, keys, want) {
  for (const key of keys.split(' ')) await page.keyboard.press(key === 'Space' ? ' ' : key);
  await page
    .waitForFunction(
      (w) => {
        const e = document.activeElement;
        const at = e.closest('.sizer [role=row]');
        return at && at.querySelector('.text').textContent + (e === at ? '' : ':' + [...at.children].indexOf(e)) === w;
      },
      want,
    )
    .catch(async () => assert.equal(await focused(page), want, keys));
}

/** hash waits until the address holds a text. */
export function hash(page, text) {
  return page.waitForFunction((t) => location.hash.includes(t), text).catch(async () => assert.fail(`${await page.evaluate(() => location.hash)} has no ${text}`));
}
