import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

test('script and style together stay under 120 kB compressed', async () => {
  const dist = new URL('../dist/', import.meta.url);
  const files = (await readdir(dist)).filter((name) => /\.(js|css)$/.test(name));
  assert.equal(files.length, 2, `one script and one style: ${files}`);
  let total = 0;
  for (const name of files) total += gzipSync(await readFile(new URL(name, dist)), { level: 9 }).length;
  assert.ok(total < 120_000, `${total} bytes`);
});
