// A stand-in for the alerts of a server, for tests that need alerts of every kind at once,
// storms, and answers that come out badly. It answers as the REST interface does.

import { StandIn } from './standin.mjs';

const rank = { white: 1.5, green: 1, yellow: 2, red: 3 };
const minute = 60_000;
let last = Date.now();

/** alert makes one that is open, with what is special about it. */
export function alert(path, more = {}) {
  const status = more.status ?? 'red';
  const opened = more.opened ?? new Date(Date.now() - 5 * minute).toISOString();
  return {
    id: String(BigInt(last++) << 20n),
    key: `test ${path}`,
    manager: 'test',
    path,
    kind: 'status',
    state: 'open',
    status,
    worst: status,
    severity: status === 'red' ? 'major' : 'warning',
    opened,
    changed: opened,
    message: `${path} is ${status}: 1200 connections, which is > 1000`,
    value: '1200',
    unit: 'connections',
    threshold: '> 1000',
    count: 1,
    revision: 1,
    history: [{ time: opened, what: 'opened', status }],
    ...more,
  };
}

export class AlertStandIn extends StandIn {
  alerts = [];
  windows = [];
  outbox = { stopped: false, channels: [], messages: [] };
  routes = { routes: [], channels: [] };
  explanation = { routes: [], told: [] };
  outcome = { changes: [], alerts: [], messages: [] };
  journal = []; // entries: {time, path, text}
  refusals = {}; // why not, by id
  sent = []; // [method, path, body]
  streams = new Set();
  session = { name: 'ada', grants: [{ role: 'admin' }], methods: ['password'] };

  counts() {
    const counts = {};
    for (const a of this.alerts) if (a.state !== 'resolved') counts[a.state] = (counts[a.state] ?? 0) + 1;
    return counts;
  }

  /** set changes alerts and tells whoever listens. */
  set(alerts) {
    this.alerts = alerts;
    this.news();
  }

  news() {
    for (const res of this.streams) res.write(`event: changed\ndata: ${JSON.stringify({ counts: this.counts() })}\n\n`);
  }

  cut() {
    for (const res of this.streams) res.destroy();
    this.streams.clear();
    super.cut();
  }

  search(p) {
    const all = (name) => p.getAll(name);
    const one = (name) => p.get(name) ?? '';
    const states = all('state').length > 0 ? all('state') : ['open', 'acknowledged', 'suppressed'];
    const found = this.alerts.filter(
      (a) =>
        states.includes(a.state) &&
        (all('status').length === 0 || all('status').includes(a.state === 'resolved' ? a.worst : a.status)) &&
        (all('severity').length === 0 || all('severity').includes(a.severity)) &&
        (one('under') === '' || a.path === one('under') || a.path.startsWith(one('under') + '/')) &&
        (one('cause') === '' || a.suppression?.cause === one('cause')) &&
        `${a.message} ${a.acknowledgement?.comment ?? ''}`.toLowerCase().includes(one('text').toLowerCase()) &&
        (one('from') === '' || !a.resolved || a.resolved >= one('from')),
    );
    const ended = (a) => (a.state === 'resolved' ? 1 : 0);
    found.sort((a, b) => ended(a) - ended(b) || rank[b.status] - rank[a.status] || (a.opened < b.opened ? 1 : -1));
    const from = Number(one('after') || 0);
    const limit = Number(one('limit') || 100);
    return { alerts: found.slice(from, from + limit), counts: this.counts(), ...(found.length > from + limit ? { next: String(from + limit) } : {}) };
  }

  act(what, body) {
    const now = new Date().toISOString();
    const by = this.session.name;
    const results = body.ids.map((id) => {
      const error = this.refusals[id];
      if (error) return { id, error };
      const a = this.alerts.find((o) => o.id === id);
      if (!a) return { id, error: 'no such alert' };
      const step = (word) => (a.history = [...a.history, { time: now, what: word, status: a.status, by, text: body.comment }]);
      if (what === 'acknowledge') {
        a.state = 'acknowledged';
        a.acknowledgement = { by, at: now, comment: body.comment, sticky: body.sticky, until: body.until };
        step('acknowledged');
      } else if (what === 'unacknowledge') {
        a.state = 'open';
        delete a.acknowledgement;
        step('unacknowledged');
      } else if (what === 'comment') step('commented');
      else {
        a.state = 'resolved';
        a.resolved = now;
        step('resolved');
      }
      return { id };
    });
    this.news();
    return { results };
  }

  async answer(req, res) {
    const url = new URL(req.url, this.url);
    const path = url.pathname.replace('/api/v1/', '');
    const text = await new Promise((done) => {
      let all = '';
      req.on('data', (more) => (all += more)).on('end', () => done(all));
    });
    const body = text === '' ? undefined : JSON.parse(text);
    const json = (answer, status = 200) => {
      res.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
      res.end(answer === undefined ? '' : JSON.stringify(answer));
    };
    if (req.method !== 'GET') this.sent.push([req.method, path, body]);
    if (this.away) return req.socket.destroy();
    if (path === 'me') return json(this.session);
    if (path === 'alerts/stream') {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      res.write(`event: changed\ndata: ${JSON.stringify({ counts: this.counts() })}\n\n`);
      this.streams.add(res);
      res.on('close', () => this.streams.delete(res));
      return undefined;
    }
    if (path === 'alerts') return json(this.search(url.searchParams));
    const [, what] = /^alerts\/(acknowledge|unacknowledge|comment|resolve)$/.exec(path) ?? [];
    if (what && req.method === 'POST') return json(this.act(what, body));
    if (path.startsWith('alerts/')) {
      const a = this.alerts.find((o) => o.id === path.slice('alerts/'.length));
      return a ? json(a) : json({ title: 'Not Found', status: 404, detail: 'no such alert' }, 404);
    }
    if (path === 'maintenance' && req.method === 'GET') return json({ windows: this.windows });
    if (path === 'maintenance') {
      const start = body.start ?? new Date().toISOString();
      const hour = { start, end: new Date(Date.parse(start) + 60 * minute).toISOString() };
      const runs = Date.parse(start) <= Date.now();
      this.windows.push({ id: `w${this.windows.length + 1}`, may: true, by: this.session.name, ...body, start, ...(runs ? { now: hour } : { next: hour }) });
      return json(this.windows.at(-1), 201);
    }
    const [, id, end] = /^maintenance\/([^/]+)(\/end)?$/.exec(path) ?? [];
    if (id && end) {
      const w = this.windows.find((o) => o.id === id);
      delete w.now;
      return json(w);
    }
    if (id) {
      this.windows = this.windows.filter((o) => o.id !== id);
      return json(undefined, 204);
    }
    if (path === 'journal') {
      const p = url.searchParams;
      const entries = this.journal.filter((e) => e.path === p.get('path') && e.time >= p.get('from') && e.text.includes(p.get('text') ?? ''));
      return json({ entries: entries.reverse() });
    }
    if (path === 'routes') return json(this.routes);
    if (path === 'routes/explain') return json(this.explanation);
    if (path === 'what-if') return json(this.outcome);
    if (path === 'outbox') {
      const state = url.searchParams.get('state');
      const channel = url.searchParams.get('channel');
      return json({ ...this.outbox, messages: this.outbox.messages.filter((m) => m.state === state && (!channel || m.channel === channel)) });
    }
    if (path === 'outbox/stop' || path === 'outbox/start') {
      const stopped = path.endsWith('stop');
      if (body.channel) this.outbox.channels.find((c) => c.name === body.channel).stopped = stopped;
      else this.outbox.stopped = stopped;
      return json({ channels: this.outbox.channels, stopped: this.outbox.stopped });
    }
    if (path === 'outbox/send' || path === 'outbox/drop') {
      for (const m of this.outbox.messages) {
        if (!body.ids.includes(m.id)) continue;
        if (path.endsWith('send')) m.state = 'waiting';
        else m.state = 'gone';
      }
      return json({ results: body.ids.map((i) => ({ id: i })) });
    }
    if (/^channels\/[^/]+\/test$/.test(path)) return json({ channel: path.split('/')[1], took_seconds: 0.042 });
    return super.answer(req, res);
  }
}
