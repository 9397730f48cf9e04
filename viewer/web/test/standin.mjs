// A stand-in for the server, for the bad days that a real one cannot be made to have: it
// loses a frame on its way, breaks connections without a word, answers late, sends frames
// that are older than what the page did since, or says that something hidden contributes.
// It serves small trees of plain objects over the live feed and checks what the page sends.

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
  messages = []; // of the page
  refused = []; // what the page should not have sent
  away = false; // refuses to answer
  sockets = new Set();
  past = []; // {from, seq, body}
  requests = [];
  lateMs = 0; // answers to open and close come so much later

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
    const parent = this.tree.byPath.get(parentPath);
    const n = this.tree.add(parent, name, { since: Date.now(), ...state }, Date.now());
    this.publish({ placed: parent.index === 0 ? [n] : [parent, n] }, true); // the parent says how many children it has
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
    const entry = { from: this.seq, seq: ++this.seq, removed, placed: copy(placed), changes: copy(changes) };
    this.past.push(entry);
    if (this.past.length > 100) this.past.shift();
    for (const s of this.sockets) for (const sub of s.subscriptions.values()) this.tell(s, sub, entry);
  }

  /** tell sends of a delta what shows. */
  tell(s, sub, { from, seq, removed, placed, changes }) {
    const shows = (n) => this.shows(sub, n);
    const body = { removed, placed: placed.filter(shows), changes: changes.filter(shows) };
    if (removed.length + body.placed.length + body.changes.length === 0) from = sub.seq; // nothing of it shows
    sub.seq = seq;
    this.send(s, 2, delta({ id: sub.id, from, seq, time: Date.now(), ...body }));
  }

  /** shows says whether every group above a node is open. */
  shows(sub, n) {
    for (let up = n; up.index !== sub.root; ) {
      if (up.index === 0) return false;
      up = this.tree.nodes[up.parent];
      if (!sub.all && !sub.open.has(up.index)) return false;
    }
    return true;
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
    } else if (url.pathname === '/api/v1/me') {
      json({ name: '', open: true, grants: [{ role: 'admin' }], methods: [] });
    } else if (url.pathname === '/api/v1/me/preferences') {
      json({ theme: 'system', zone: 'local', sound: false });
    } else if (url.pathname === '/api/v1/alerts/stream') {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.write('event: changed\ndata: {"counts":{}}\n\n');
    } else if (url.pathname === '/api/v1/alerts') {
      json({ alerts: [], counts: {} });
    } else if (url.pathname === '/api/v1/peers') {
      json({ self: {}, managers: [] });
    } else if (url.pathname === '/api/v1/maintenance') {
      json({ windows: [] });
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
    if (this.away || req.url !== '/api/v1/live' || !(req.headers['sec-websocket-protocol'] ?? '').includes('grove.live.v2.binary')) {
      socket.destroy();
      return;
    }
    const accept = createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: grove.live.v2.binary\r\n\r\n`,
    );
    const s = { socket, subscriptions: new Map(), rest: Buffer.alloc(0) };
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
    const sub = s.subscriptions.get(m.id);
    switch (m.type) {
      case 'subscribe':
        return this.subscribe(s, m);
      case 'unsubscribe':
        s.subscriptions.delete(m.id);
        return;
      case 'ack':
        if (m.seq > this.seq) this.refused.push(m);
        return;
      case 'open':
      case 'close':
        if (sub) setTimeout(() => s.subscriptions.get(m.id) === sub && this.shape(s, sub, m), this.lateMs);
        return;
    }
    this.refused.push(m);
  }

  subscribe(s, m) {
    const root = this.tree.byPath.get(m.path);
    if (!root) return this.send(s, 1, json({ type: 'error', id: m.id, code: 'no_such_node', message: `there is no node ${m.path}` }));
    const all = m.depth === undefined && m.open === undefined && m.some === undefined;
    const sub = { id: m.id, root: root.index, all, open: new Set(), seq: this.seq, asked: 0 };
    if (m.some || (m.depth ?? 0) > 0) sub.open.add(root.index);
    for (const path of m.open ?? []) {
      for (let n = this.tree.byPath.get(path); n && n.index !== 0; n = this.tree.nodes[n.parent]) sub.open.add(n.index);
    }
    s.subscriptions.set(m.id, sub);
    const missed = this.past.filter((p) => p.seq > m.since);
    if (m.since !== undefined && m.run === this.run && (m.since === this.seq || missed[0]?.from === m.since)) {
      sub.seq = m.since;
      for (const p of missed) this.tell(s, sub, p);
      return;
    }
    if (!all) this.send(s, 1, json({ type: 'opened', id: m.id, nodes: [...sub.open], all: false }));
    this.send(s, 2, snapshot({ id: m.id, seq: this.seq, time: Date.now(), nodes: this.below(sub, root, true) }));
  }

  /** below lists a node and what shows below it, or only that. */
  below(sub, top, itself) {
    const list = [];
    const visit = (n) => {
      list.push(n.index === sub.root ? { ...n, parent: n.index } : n);
      if (sub.all || sub.open.has(n.index)) n.children.forEach(visit);
    };
    visit(top);
    return itself ? list : list.slice(1);
  }

  /** shape opens and closes groups, and sends what shows by it. */
  shape(s, sub, m) {
    const groups = m.all ? this.tree.nodes.filter((n) => n.path && n.kind === 0 && n.index !== sub.root).map((n) => n.index) : (m.nodes ?? []);
    sub.all &&= m.type === 'open';
    for (const n of groups) m.type === 'open' ? sub.open.add(n) : sub.open.delete(n);
    this.send(s, 1, json({ type: 'applied', id: sub.id, count: ++sub.asked }));
    if (m.type === 'close') return;
    const placed = m.all ? this.below(sub, this.tree.nodes[sub.root], false) : groups.flatMap((n) => this.below(sub, this.tree.nodes[n], false));
    this.send(s, 2, delta({ id: sub.id, from: sub.seq, seq: sub.seq, time: Date.now(), placed }));
  }
}

const json = (v) => Buffer.from(JSON.stringify(v));

function uint32(v) {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(v);
  return b;
}

/** hamlet is a small tree for bad days. */
export function hamlet() {
  return {
    shop: {
      web1: { CPU: { Busy: [34.2, '%'], Load: [1.24, ''] }, Memory: { Used: [6_912_344_064, 'bytes'] } },
      web2: { CPU: { Busy: [96.4, '%', 3], Load: [9.81, ''] }, Memory: { Used: [6_912_344_064, 'bytes'] } },
    },
    grove: { Goroutines: [64, ''] },
  };
}
