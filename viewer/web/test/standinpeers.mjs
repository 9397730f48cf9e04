// A stand-in for a server with peers in every state there is: a real one would have to die
// for some of them.

import { AlertStandIn } from './standinalerts.mjs';

const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const self = { id: '00000000000000cc', name: 'berlin', site: 'north', version: '1.7', protocol: 1, capacity: 2000, devices: 120, integrates: true, started: ago(90_000), ways: ['tls://berlin.example:7443'] };

function manager(id, name, state, more = {}) {
  return {
    id: id.repeat(16), name, version: '1.7', protocol: 1, capacity: 2000, devices: 0, started: ago(50_000), url: `https://${name}.example/`, kinds: ['http', 'snmp'], applications: ['switch', 'postgres'],
    state, heard: ago(1), link: null, lag: { entries: 0, seconds: 0 }, messagesPerSecond: 0, saturation: 0, ...more,
  };
}

const link = (up, more = {}) => ({ outbound: false, address: '10.1.2.3:40112', up, since: ago(up ? 183_000 : 95), waiting: 0, bytesIn: 48_230_112, bytesOut: 2_113_404, messagesIn: 412_300, messagesOut: 41_222, ...more });

export class PeerStandIn extends AlertStandIn {
  peers = {
    self,
    home: 'rome',
    standIns: ['hamburg', '*'],
    managers: [
      manager('a', 'hamburg', 'live', { devices: 88, branch: '/shop', nodes: 4711, standIns: ['berlin'], link: link(true, { roundTrip: 0.0123, certificateEnds: ago(-60_000) }), messagesPerSecond: 42.25, saturation: 0.031 }),
      manager('b', 'köln', 'suspect', { devices: 12, branch: '/Managers/köln', nodes: 90, lag: { entries: 1234, seconds: 184 }, link: link(false, { since: ago(2), waiting: 20_480, error: 'read tcp 10.1.2.3:40112: connection reset by peer' }) }),
      manager('d', 'oslo', 'cut off', { heard: ago(31) }),
      manager('e', 'paris', 'dead', { devices: 7, heard: ago(95), link: link(false, { outbound: true, address: 'tls://paris.example:7443', error: 'no answer for 5 s' }) }),
      manager('f', 'rome', 'live', { devices: 1990, integrates: true, link: link(true, { outbound: true, address: 'tls://rome.example:7443', roundTrip: 0.41, waiting: 3_145_728 }), messagesPerSecond: 1834.2, saturation: 0.94 }),
      manager('9', 'turin', 'gone', { capacity: 0 }),
    ],
  };
  devices = [
    this.device('db', 'postgres', '/shop/web1', 'berlin', 'berlin', 'own', { standIns: ['hamburg', '*'] }),
    this.device('sw1', 'switch', '/shop/web2', 'paris', undefined, 'orphaned', { identity: { address: '10.0.0.1' } }),
    this.device('switch-1', 'switch', '/net/switch-1', 'berlin', 'hamburg', 'given', { until: ago(-8 * 3600 + 30), epoch: 4 }),
    this.device('switch-2', 'switch', '/net/switch-2', 'paris', 'hamburg', 'taken', { epoch: 2, duplicateOf: 'berlin:switch-1' }),
    this.device('vpn', 'ipsec', '/net/vpn', 'berlin', 'berlin', 'prepared', { epoch: 1 }),
  ];
  moves = [
    { time: ago(20), device: 'vpn', from: 'berlin', to: 'hamburg', why: 'given', by: 'ada', state: 'under way', took: 0, epoch: 2, error: 'hamburg loads the definition' },
    { time: ago(80), device: 'switch-2', from: 'paris', to: 'hamburg', why: 'takeover', state: 'done', took: 4.25, epoch: 2 },
    { time: ago(4000), device: 'switch-1', from: 'berlin', to: 'hamburg', why: 'given', by: 'ada', state: 'done', took: 0.4, epoch: 4 },
    { time: ago(9000), device: 'switch-1', from: 'berlin', to: 'oslo', why: 'handover', by: 'ada', state: 'failed', took: 0, epoch: 3, error: 'oslo has no room' },
  ];
  duplicates = [
    { identity: 'address=10.0.0.1', why: 'by its address', primary: { manager: 'berlin', device: 'switch-1', path: '/net/switch-1' }, secondaries: [{ manager: 'hamburg', device: 'sw1', path: '/lan/sw1' }, { manager: 'köln', device: 'sw-a', path: '/sw-a' }] },
  ];
  refusal; // [status, detail] of the next change

  id(name) {
    return [self, ...this.peers.managers].find((m) => m.name === name)?.id;
  }

  device(name, application, at, owner, watcher, state, more = {}) {
    return { name, application, at, owner, ownerId: this.id(owner), ...(watcher ? { watcher, watcherId: this.id(watcher) } : {}), epoch: 0, state, since: ago(3600), ...more };
  }

  /** change is what comes of a change. */
  change(path, body) {
    if (path === 'peers/invite') {
      const address = this.peers.clustered ? 'cluster' : 'tls://berlin.example:7443';
      return { token: 's3cret', address, ends: ago(-86_400), command: `grove peer join ${address} s3cret` };
    }
    if (path === 'peers/join') return { id: 'f'.repeat(16), name: 'rome', address: body.address };
    const [, id, act] = /^peers\/([^/]+)\/(revoke|leave)$/.exec(path) ?? [];
    if (act) {
      const m = this.peers.managers.find((one) => one.id === id);
      m.state = 'gone';
      m.link = null;
      return { id: m.id, name: m.name };
    }
    if (path === 'peers/integrate') {
      this.peers.self = { ...this.peers.self, integrates: body.on };
      return { moved: body.on ? 0 : 2, underWay: 0, left: [] };
    }
    if (path === 'peers/handover') return body.to ? { moved: 120, underWay: 0, left: [] } : { moved: 118, underWay: 1, left: [{ device: 'vpn', error: 'nobody can take it' }] };
    if (path === 'peers/live') return { moved: 3, underWay: 0, left: [] };
    if (path === 'devices/give' || path === 'devices/return') {
      // One of them stays, so that there is something to tell.
      const moves = body.devices.map((key, i) => {
        if (i > 0) return this.change(`devices/${encodeURIComponent(key)}/${path.slice(8)}`, body);
        return { time: ago(0), device: key.split(':')[1], from: 'berlin', to: 'hamburg', why: 'given', state: 'failed', error: 'it stays: it asks an address on this machine', took: 0, epoch: 0 };
      });
      return { moves, stays: [], done: moves.length - 1, underWay: 0, failed: 1 };
    }
    const [, key, what] = /^devices\/([^/]+)\/(give|return)$/.exec(path) ?? [];
    if (what) {
      const d = this.devices.find((one) => `${one.ownerId}:${one.name}` === decodeURIComponent(key));
      const to = what === 'give' ? body.to : d.ownerId;
      const m = [this.peers.self, ...this.peers.managers].find((one) => one.id === to);
      const from = d.watcher;
      Object.assign(d, { watcher: m.name, watcherId: m.id, epoch: d.epoch + 1, state: to === d.ownerId ? 'own' : 'given', until: undefined });
      const move = { time: ago(0), device: d.name, from, to: m.name, why: what === 'give' ? 'given' : 'returned', by: 'ada', state: 'done', took: 0.3, epoch: d.epoch };
      this.moves.unshift(move);
      return move;
    }
    if (path === 'messages') return { deliveries: [{ id: body.to, name: 'hamburg' }] };
    return undefined;
  }

  async answer(req, res) {
    const url = new URL(req.url, this.url);
    const path = url.pathname.replace('/api/v1/', '');
    if (!/^(peers|devices|duplicates|messages)\b/.test(path)) return super.answer(req, res);
    let text = '';
    for await (const more of req) text += more;
    const body = text === '' ? {} : JSON.parse(text);
    const json = (answer, status = 200) => {
      res.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
      res.end(JSON.stringify(answer));
    };
    const p = url.searchParams;
    if (req.method === 'GET') {
      if (path === 'peers') return json(this.peers);
      if (path === 'peers/moves') return json({ moves: this.moves.filter((m) => !p.get('device') || p.get('device').endsWith(':' + m.device)) });
      if (path === 'duplicates') return json({ groups: this.duplicates });
      const list = this.devices.filter(
        (d) => (!p.get('manager') || [d.ownerId, d.watcherId].includes(p.get('manager'))) && (!p.get('state') || d.state === p.get('state')) && `${d.name} ${d.application} ${d.at}`.includes(p.get('text') ?? ''),
      );
      return json({ devices: list, total: list.length });
    }
    this.sent.push([req.method, path, body]);
    if (this.refusal) {
      const [status, detail] = this.refusal;
      this.refusal = undefined;
      return json({ status, title: 'refused', detail }, status);
    }
    return json(this.change(path, body));
  }
}
