// Starts a real grove for the tests: built once a run with the page as it is by now, on
// a free port, with a data directory of its own. GROVE names a program that is there.

import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
let built;

/** program returns the path of grove; without a Go toolchain it fails by name. */
export function program() {
  built ??= (async () => {
    if (process.env.GROVE) return process.env.GROVE;
    const out = join(root, 'viewer/web/node_modules/.cache/grove/grove');
    await promisify(execFile)('go', ['build', '-o', out, './cmd/grove'], { cwd: root });
    return out;
  })();
  return built;
}

/**
 * startGrove serves a directory of its own.
 *
 * definitions: {'shop.yaml': text}; files: {'peers.yaml': text} of its data directory; flags: further ones of grove serve; env: further variables.
 * The answer has url (no slash at its end), data, get(path), push(path, value), push([{path, value}]),
 * send(method, path, body), put(file, text) for a definition, leave() and back(), kill(), log(), stop().
 */
export async function startGrove({ definitions = {}, files = {}, flags = [], env = {} } = {}) {
  const grove = await program();
  const data = await mkdtemp(join(tmpdir(), 'grove-page-'));
  const drop = join(data, 'definitions');
  await mkdir(drop);
  for (const [name, text] of Object.entries(definitions)) await writeFile(join(drop, name), text);
  for (const [name, text] of Object.entries(files)) await writeFile(join(data, name), text);
  let running;

  const serve = async (listen) => {
    const child = spawn(grove, ['serve', '--listen', listen, '--data', data, '--no-own-host', '--log-level', 'warn', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let said = '';
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const url = await new Promise((resolve, reject) => {
      const listen = (more) => {
        said += more;
        const at = /serves (https?:\S+)/.exec(said);
        if (at) resolve(at[1].replace(/\/$/, ''));
      };
      child.stdout.setEncoding('utf8').on('data', listen);
      child.stderr.setEncoding('utf8').on('data', listen);
      void ended.then((code) => reject(new Error(`grove ended with ${code}: ${said}`)));
    });
    return { url, child, ended, said: () => said };
  };
  running = await serve('127.0.0.1:0');

  const send = async (method, path, body, headers = {}) => {
    const answer = await fetch(running.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  const halt = async () => {
    running.child.kill();
    await running.ended;
  };

  return {
    data,
    get url() {
      return running.url;
    },
    send,
    get: (path) => send('GET', path),
    push: (path, value) => send('POST', '/api/v1/readings', Array.isArray(path) ? path : { path, value }),
    /** put writes a definition as a person's editor does: whole at once. */
    async put(name, text) {
      await writeFile(join(data, name), text);
      await rename(join(data, name), join(drop, name));
    },
    /** leave stops the program, and back starts it again at the same address with the same data. */
    leave: halt,
    async back() {
      running = await serve(new URL(running.url).host);
    },
    /** kill is leave without a goodbye. */
    async kill() {
      running.child.kill('SIGKILL');
      await running.ended;
    },
    log: () => running.said(),
    async stop() {
      await halt();
      await rm(data, { recursive: true, force: true });
    },
  };
}
