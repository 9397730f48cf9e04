import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

test('what a browser fetches before it shows anything stays under 120 kB compressed', async () => {
  const dist = new URL('../dist/', import.meta.url);
  const index = await readFile(new URL('index.html', dist), 'utf8');
  const files = [...index.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, name]) => name);
  assert.ok(files.some((name) => name.endsWith('.js')) && files.some((name) => name.endsWith('.css')), `${files}`);
  let total = 0;
  for (const name of files) total += gzipSync(await readFile(new URL(name, dist)), { level: 9 }).length;
  assert.ok(total < 120_000, `${total} bytes`);
});
