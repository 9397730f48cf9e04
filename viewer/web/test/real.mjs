// Uses the pages of a real grove in a real browser: node test/real.mjs [NAME...]. The
// program is the one that GROVE names, or grove in PATH; the page in it is tested, not the
// one in dist. Every test file that starts a grove runs.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

function inPath(name) {
  return process.env.PATH.split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const grove = process.env.GROVE ?? inPath('grove');
if (!grove) {
  console.error('there is no grove in PATH, and GROVE names none');
  process.exit(1);
}
const wanted = process.argv.slice(2);
const files = [];
for (const name of (await readdir(here)).filter((f) => f.endsWith('.test.mjs'))) {
  if (wanted.length > 0 && !wanted.some((w) => name.includes(w))) continue;
  if ((await readFile(join(here, name), 'utf8')).includes("from './grove.mjs'")) files.push(join(here, name));
}
const run = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], { stdio: 'inherit', env: { ...process.env, GROVE: grove } });
process.exit(run.status ?? 1);
