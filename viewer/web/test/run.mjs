// Runs every test of the page: npm test [-- NAME...]. It builds the page, the bundle that
// the unit tests import, and a grove with that page in it for the tests in a real browser,
// then starts node's test runner. GROVE names a grove that is built already.

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');

await build({
  absWorkingDir: root,
  entryPoints: ['test/model.ts'],
  outfile: 'node_modules/.cache/grove/model.mjs',
  bundle: true,
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
});
await import('../build.mjs');
const { program } = await import('./grove.mjs');
process.env.GROVE = await program();

const wanted = process.argv.slice(2);
const files = (await readdir(here)).filter((f) => f.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some((w) => f.includes(w))));
// Tests wait for the browser and the browser for the server: one file more than there are
// processors keeps these busy. No test may depend on how soon it gets its turn.
const beside = availableParallelism() + 1;
const run = spawnSync(process.execPath, ['--test', `--test-concurrency=${beside}`, ...files.map((f) => join(here, f))], { stdio: 'inherit' });
process.exit(run.status ?? 1);
