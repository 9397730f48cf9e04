// A stand-in for the server: generated trees over the same addresses and the same
// live feed, for the tests of the page and for working on it without Go. It checks
// what the page sends, keeps a short past for resuming, and does on command what a
// server does on a bad day: cut, refuse, leave a gap.
//
//	npm run stand-in -- [--port 7441] [--big] [--calm]

import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { delta, snapshot } from './encode.mjs';

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const words = ['white', 'green', 'yellow', 'red'];
const kinds = ['group', 'performance', 'status', 'log', 'text'];

// The policy is the one of web.go; a test holds the two against each other.
export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const escape = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** A tree of plain objects: {group: {...}} or [value, unit, status, more]. */
export class StandInTree {
  nodes = []; // by index, preorder at first
  byPath = new Map();

  constructor(shape, since = Date.now() - 3_600_000) {
    this.add(undefined, '', { kind: 0 }, since);
    this.grow(this.nodes[0], shape, since);
    this.roll();
  }

  grow(parent, shape, since) {
    for (const [name, what] of Object.entries(shape)) {
      if (Array.isArray(what)) {
        const [value, unit = '', status = 1, more = {}] = what;
        const kind = more.kind ?? (typeof value === 'string' ? 2 : 1);
        this.add(parent, name, { value, unit, status, since: since + this.nodes.length * 1000, ...more, kind });
      } else {
        this.grow(this.add(parent, name, { kind: 0, since }), what, since);
      }
    }
  }

  add(parent, name, state, since) {
    const index = this.nodes.length;
    const path = parent ? (parent.path === '/' ? '' : parent.path) + '/' + escape(name) : '/';
    const n = { index, parent: parent?.index ?? index, name, unit: '', status: 0, since, path, children: [], ...state };
    this.nodes.push(n);
    this.byPath.set(path, n);
    if (parent) parent.children.push(n);
    return n;
  }

  /** roll makes the counts and the status of every group: the worst below. */
  roll() {
    const visit = (n) => {
      if (n.kind !== 0) return;
      const counts = [0, 0, 0, 0];
      for (const c of n.children) {
        visit(c);
        if (c.kind === 0) c.counts.forEach((x, i) => (counts[i] += x));
        else counts[c.status]++;
      }
      n.counts = counts;
      n.status = counts.findLastIndex((x) => x > 0);
      if (n.status < 0) n.status = 0;
    };
    visit(this.nodes[0]);
  }

  preorder() {
    const list = [];
    const visit = (n) => {
      list.push(n);
      n.children.forEach(visit);
    };
    visit(this.nodes[0]);
    return list;
  }
}

export class StandIn {
  seq = 1;
  run = randomUUID();
  definitions = { instances: [], applications: [] };
  details = new Map(); // by path, what REST says besides
  messages = []; // of the page
  refused = []; // what the page should not have sent
  away = false; // refuses to answer
  sockets = new Set();
  past = []; // {from, seq, frame(id)}
  requests = [];

  constructor(tree) {
    this.tree = tree;
  }

  async listen(port = 0) {
    this.server = createServer((req, res) => void this.answer(req, res));
    this.server.on('upgrade', (req, socket) => this.upgrade(req, socket));
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  async close() {
    this.cut();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  // What happens to the tree.

  /** change sets values, statuses and so on: {path: {value, status, ...}}. */
  change(changes) {
    const now = Date.now();
    const before = new Map();
    for (const [path, c] of Object.entries(changes)) {
      const n = this.tree.byPath.get(path);
      if (!n) throw new Error(`no node ${path}`);
      before.set(n, n.status);
      const full = Object.keys(c).some((k) => k !== 'value') || typeof c.value !== 'number';
      if (c.status !== undefined && c.status !== n.status) n.since = now;
      Object.assign(n, c);
      n.full = full;
    }
    this.publish({ changes: [...before.keys()] }, [...before].some(([n, status]) => n.status !== status));
  }

  place(parentPath, name, state) {
    const n = this.tree.add(this.tree.byPath.get(parentPath), name, { since: Date.now(), ...state }, Date.now());
    this.publish({ placed: [n] }, true);
  }

  remove(path) {
    const n = this.tree.byPath.get(path);
    const parent = this.tree.nodes[n.parent];
    parent.children = parent.children.filter((c) => c !== n);
    const gone = [];
    const visit = (x) => {
      gone.push(x.index);
      this.tree.byPath.delete(x.path);
      x.path = undefined;
      x.children.forEach(visit);
    };
    visit(n);
    this.publish({ removed: gone }, true);
  }

  /** publish sends a delta, with the groups that change by it when the statuses are rolled up anew. */
  publish({ removed = [], placed = [], changes = [] }, roll) {
    const groups = roll ? this.tree.preorder().filter((n) => n.kind === 0 && !placed.includes(n)) : [];
    const was = new Map(groups.map((g) => [g, [g.status, `${g.status} ${g.counts}`]]));
    if (roll) this.tree.roll();
    for (const g of groups) {
      if (was.get(g)[1] === `${g.status} ${g.counts}`) continue;
      if (was.get(g)[0] !== g.status) g.since = Date.now();
      g.full = true;
      changes.push(g);
    }
    const copy = (list) => list.map((n) => ({ ...n }));
    const body = { removed, placed: copy(placed), changes: copy(changes) };
    const from = this.seq;
    const entry = { from, seq: ++this.seq, frame: (id) => delta({ id, from, seq: entry.seq, time: Date.now(), ...body }) };
    this.past.push(entry);
    if (this.past.length > 100) this.past.shift();
    for (const s of this.sockets) if (s.id !== undefined) this.send(s, 2, entry.frame(s.id));
  }

  // What goes wrong.

  /** cut breaks every connection without a word. */
  cut() {
    for (const s of this.sockets) s.socket.destroy();
    this.sockets.clear();
  }

  /** restart begins another life: numbers of the old one are worth nothing. */
  restart() {
    this.cut();
    this.run = randomUUID();
    this.seq = 1;
    this.past = [];
  }

  /** gap loses a delta on its way. */
  gap() {
    this.seq++;
  }

  // HTTP.

  async answer(req, res) {
    const url = new URL(req.url, this.url);
    this.requests.push(url.pathname + url.search);
    if (this.away) {
      req.socket.destroy();
      return;
    }
    const json = (body, status = 200) => {
      res.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
      res.end(JSON.stringify(body));
    };
    if (url.pathname === '/healthz') {
      res.writeHead(200).end('ok');
    } else if (url.pathname === '/api/v1/definitions') {
      json(this.definitions);
    } else if (url.pathname.startsWith('/api/v1/nodes')) {
      const path = '/' + url.pathname.slice('/api/v1/nodes/'.length).split('/').filter(Boolean).map(decodeURIComponent).join('/');
      const n = this.tree.byPath.get(path);
      if (n) json(this.node(n));
      else json({ title: 'Not Found', status: 404, detail: `there is no node ${path}` }, 404);
    } else {
      await this.file(url.pathname === '/' ? '/index.html' : url.pathname, res);
    }
  }

  node(n) {
    const at = (ms) => (ms ? new Date(ms).toISOString() : undefined);
    return {
      path: n.path,
      name: n.name,
      index: n.index,
      kind: kinds[n.kind],
      unit: n.unit || undefined,
      status: words[n.status],
      last: words[n.status || 1],
      since: at(n.since),
      value: n.value,
      time: n.kind === 0 ? undefined : at(Date.now() - 4000),
      reason: n.reason,
      mode: n.kind === 0 ? undefined : 'timer',
      counts: n.counts && Object.fromEntries(words.map((w, i) => [w, n.counts[i]])),
      children: n.children.length,
      cause: n.kind === 0 ? this.cause(n) : undefined,
      created: at(Date.now() - 86_400_000),
      ...this.details.get(n.path),
    };
  }

  /** cause names the attributes that give a group its yellow or red. */
  cause(n) {
    if (n.status < 2) return undefined;
    if (n.kind !== 0) return [n.path];
    return n.children.filter((c) => c.status === n.status).flatMap((c) => this.cause(c)).slice(0, 16);
  }

  async file(path, res) {
    const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
    try {
      const body = await readFile(join(dist, normalize(path)));
      res.writeHead(200, {
        'Content-Type': types[extname(path)] ?? 'application/octet-stream',
        'Content-Security-Policy': contentSecurityPolicy,
        'X-Content-Type-Options': 'nosniff',
      });
      res.end(body);
    } catch {
      res.writeHead(404).end('not found');
    }
  }

  // The websocket (RFC 6455), as much as the page uses.

  upgrade(req, socket) {
    socket.on('error', () => {});
    if (this.away || req.url !== '/api/v1/live' || !(req.headers['sec-websocket-protocol'] ?? '').includes('grove.live.v1.binary')) {
      socket.destroy();
      return;
    }
    const accept = createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: grove.live.v1.binary\r\n\r\n`,
    );
    const s = { socket, id: undefined, rest: Buffer.alloc(0) };
    this.sockets.add(s);
    socket.on('close', () => this.sockets.delete(s));
    socket.on('data', (data) => {
      s.rest = Buffer.concat([s.rest, data]);
      for (;;) {
        if (s.rest.length < 6) return;
        const length = s.rest[1] & 127;
        const head = length === 126 ? 4 : 2; // a page's message never needs the long form
        const size = length === 126 ? s.rest.readUInt16BE(2) : length;
        if (s.rest.length < head + 4 + size) return;
        const mask = s.rest.subarray(head, head + 4);
        const body = Buffer.from(s.rest.subarray(head + 4, head + 4 + size).map((b, i) => b ^ mask[i & 3]));
        const opcode = s.rest[0] & 15;
        s.rest = s.rest.subarray(head + 4 + size);
        if (opcode === 8) socket.end(Buffer.from([0x88, 0]));
        else if (opcode === 1) this.message(s, body.toString());
      }
    });
    this.send(s, 1, Buffer.from(JSON.stringify({ type: 'welcome', server: 'grove stand-in', run: this.run, seq: this.seq })));
  }

  send(s, opcode, body) {
    const head =
      body.length < 126
        ? Buffer.from([0x80 | opcode, body.length])
        : body.length < 65536
          ? Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 255])
          : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), uint32(body.length)]);
    s.socket.write(Buffer.concat([head, body]));
  }

  message(s, text) {
    const m = JSON.parse(text);
    this.messages.push(m);
    if (m.type === 'subscribe') {
      s.id = m.id;
      const missed = this.past.filter((p) => p.seq > m.since);
      const known = m.since === this.seq || missed[0]?.from === m.since;
      if (m.since !== undefined && m.run === this.run && known) {
        for (const p of missed) this.send(s, 2, p.frame(s.id));
        return;
      }
      this.send(s, 2, snapshot({ id: m.id, seq: this.seq, time: Date.now(), nodes: this.tree.preorder() }));
    } else if (m.type === 'unsubscribe') {
      if (s.id === m.id) s.id = undefined;
    } else if (m.type !== 'ack' || m.id !== s.id || m.seq > this.seq) {
      this.refused.push(m);
    }
  }
}

function uint32(v) {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(v);
  return b;
}

/** village is a small tree as people have it, with something of everything. */
export function village() {
  const host = (load, busy, more = {}) => ({
    CPU: {
      Busy: [busy, '%', busy > 90 ? 3 : busy > 75 ? 2 : 1, { pending: busy > 75 && busy < 80 }],
      'Load average': [load, ''],
      'Waiting for disk': [0.4, '%'],
    },
    Memory: {
      Used: [6_912_344_064, 'bytes'],
      'Used share': [41.27, '%'],
      Swap: [0, 'bytes'],
    },
    'File systems': {
      '/': { Used: [63.2, '%'], Free: [41_231_686_144, 'bytes'] },
      '/var': { Used: [88.9, '%', 2], Free: [5_231_686_144, 'bytes', 2] },
    },
    Network: {
      eth0: { Received: [1_283_412, 'bytes/s'], Sent: [88_123, 'bytes/s'], Errors: [0, '1/s'] },
    },
    ...more,
  });
  return {
    shop: {
      web1: {
        ...host(1.24, 34.2),
        nginx: {
          Connections: { Active: [412, 'connections'], Waiting: [380, 'connections'] },
          Answer: { 'Response time': [0.0841, 's'], Status: ['200 OK', '', 1] },
          Certificate: { 'Expires in': [5_443_200, 's'] },
        },
      },
      web2: {
        ...host(9.81, 96.4),
        nginx: {
          Connections: { Active: [1204, 'connections', 3], Waiting: [1180, 'connections'] },
          Answer: { 'Response time': [2.41, 's', 3, { flapping: true }], Status: ['503 Service Unavailable', '', 3] },
          Certificate: { 'Expires in': [5_443_200, 's'] },
        },
      },
      database: {
        Connections: [87, 'connections'],
        'Commits per second': [1834.5, '1/s'],
        'Replication lag': [undefined, 's', 0, { kind: 1, reason: 'no reading for 60s: the replica does not answer at 10.0.3.12:5432' }],
        Log: ['checkpoint complete: wrote 4312 buffers', '', 1, { kind: 3 }],
        Version: ['PostgreSQL 17.2 on x86_64-pc-linux-gnu', '', 1, { kind: 4 }],
      },
    },
    network: {
      'switch-1': {
        Uptime: [8_640_123, 's'],
        Ports: Object.fromEntries(
          Array.from({ length: 24 }, (_, i) => [
            `Port ${i + 1}`,
            { State: [i === 16 ? 'down' : 'up', '', i === 16 ? 2 : 1], In: [i * 91_233.5, 'bytes/s'], Out: [i * 12_455.25, 'bytes/s'] },
          ]),
        ),
      },
      'switch-2': { Uptime: [undefined, 's', 0, { kind: 1, reason: 'the device at 10.0.0.3 does not answer (4 tries)' }] },
    },
    grove: {
      'Readings per second': [1_204, '1/s'],
      'Heap in use': [48_234_496, 'bytes'],
      Goroutines: [64, ''],
      'Flush time': [0.000412, 's'],
      Definitions: ['5 loaded', '', 1],
    },
  };
}

/** city is a tree of about 100,000 nodes: areas × hosts × attributes. */
export function city(areas = 50, hosts = 180, attributes = 10) {
  const shape = {};
  for (let a = 0; a < areas; a++) {
    const area = (shape[`area-${String(a).padStart(2, '0')}`] = {});
    for (let h = 0; h < hosts; h++) {
      const host = (area[`host-${String(h).padStart(3, '0')}`] = {});
      for (let k = 0; k < attributes; k++) host[`value ${k}`] = [k * h, '', (a * 7 + h * 3 + k) % 997 === 0 ? 3 : 1];
    }
  }
  return shape;
}

/** tell gives some nodes of the village what REST says of them. */
export function tell(s) {
  s.details.set('/shop/web2/nginx/Connections/Active', {
    description: 'Connections that are open, those that wait for a request included.',
    thresholds: { yellow: '> 500', red: '> 1000 for 30s', back: { yellow: [450], red: [900] }, clear: '30s', white: '1m0s', flap: { changes: 5, window: '10m0s' } },
    source: 'grove:type=Probe,kind=http,name="web2/status"',
    owner: 'web2.yaml: nginx',
    metric: 'nginx_connections_active',
    labels: { host: 'web2' },
    mode: 'timer',
  });
  s.details.set('/shop', { rollup: { rule: 'at_least', yellow: 1, red: 2, white: 'ignore' }, description: 'The web shop: two web servers and their database.' });
  s.details.set('/shop/database/Log', {
    events: [
      { time: new Date(Date.now() - 6_000_000).toISOString(), status: 'yellow', text: 'checkpoints are occurring too frequently (24 seconds apart)' },
      { time: new Date(Date.now() - 60_000).toISOString(), status: 'green', text: 'checkpoint complete: wrote 4312 buffers' },
    ],
  });
  return s;
}

/** live changes a few values every now and then, as a real tree does. */
export function live(s, each = 1000, many = 6) {
  const timer = setInterval(() => {
    const leaves = s.tree.nodes.filter((n) => n.kind === 1 && n.path && typeof n.value === 'number');
    const changes = {};
    for (let i = 0; i < many; i++) {
      const n = leaves[Math.floor(Math.random() * leaves.length)];
      changes[n.path] = { value: n.value * (0.9 + Math.random() * 0.2) };
    }
    s.change(changes);
  }, each);
  return () => clearInterval(timer);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const port = args.includes('--port') ? Number(args[args.indexOf('--port') + 1]) : 7441;
  const s = await tell(new StandIn(new StandInTree(args.includes('--big') ? city() : village()))).listen(port);
  if (!args.includes('--calm')) live(s);
  console.log(`stand-in with ${s.tree.nodes.length} nodes at ${s.url}`);
}
