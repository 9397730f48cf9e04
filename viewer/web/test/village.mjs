// A small tree as people have it, with something of everything, for a real grove: a shop
// with two web servers, of which the second is in trouble, a database and a network.

const host = `
    CPU:
      Busy: { kind: performance, unit: "%", yellow: "> 75", red: "> 90" }
      Load average: { kind: performance, yellow: "> 1000" }
      Waiting for disk: { kind: performance, unit: "%" }
    Memory:
      Used: { kind: performance, unit: bytes }
      Used share: { kind: performance, unit: "%", yellow: "> 90" }
    File systems:
      home:
        Used: { kind: performance, unit: "%", yellow: "> 85" }
      var:
        Used: { kind: performance, unit: "%", yellow: "> 85" }
        Free: { kind: performance, unit: bytes, yellow: "< 6000000000" }
    nginx:
      Connections:
        Active: { kind: performance, unit: connections, description: "Connections that are open, those that wait for a request included.", yellow: "> 500", red: "> 1000" }
        Waiting: { kind: performance, unit: connections }
      Answer:
        Response time: { kind: performance, unit: s, yellow: "> 0.5", red: "> 2" }
        Status: { kind: status, states: { 200 OK: green, "*": red } }
`;

export const village = {
  'shop.yaml': `grove: 1
application: shop
at: /shop
tree:
  web1:${host}
  web2:${host}
  database:
    Connections: { kind: performance, unit: connections }
    Commits per second: { kind: performance, unit: 1/s }
    Replication lag: { kind: performance, unit: s }
    Version: { kind: text }
`,
  'network.yaml': `grove: 1
application: network
at: /network
tree:
  switch-1:
    Uptime: { kind: performance, unit: s }
    Ports:
      "Port \${item}":
        each: "1..24"
        nodes:
          State: { kind: status, states: { up: green, down: yellow } }
          In: { kind: performance, unit: bytes/s }
          Out: { kind: performance, unit: bytes/s }
  switch-2:
    Uptime: { kind: performance, unit: s }
`,
};

const of = (host, load, busy, used, free) => ({
  [`/shop/${host}/CPU/Busy`]: busy,
  [`/shop/${host}/CPU/Load average`]: load,
  [`/shop/${host}/CPU/Waiting for disk`]: 0.4,
  [`/shop/${host}/Memory/Used`]: 6_912_344_064,
  [`/shop/${host}/Memory/Used share`]: 41.27,
  [`/shop/${host}/File systems/home/Used`]: 63.2,
  [`/shop/${host}/File systems/var/Used`]: used,
  [`/shop/${host}/File systems/var/Free`]: free,
});

/** What the village says at first: six attributes are red, eight yellow, two white. */
export const readings = Object.entries({
  ...of('web1', 1.24, 34.2, 88.9, 5_231_686_144),
  ...of('web2', 9.81, 96.4, 88.9, 5_231_686_144),
  '/shop/web1/nginx/Connections/Active': 412,
  '/shop/web1/nginx/Connections/Waiting': 380,
  '/shop/web1/nginx/Answer/Response time': 0.0841,
  '/shop/web1/nginx/Answer/Status': '200 OK',
  '/shop/web2/nginx/Connections/Active': 1204,
  '/shop/web2/nginx/Connections/Waiting': 1180,
  '/shop/web2/nginx/Answer/Response time': 2.41,
  '/shop/web2/nginx/Answer/Status': '503 Service Unavailable',
  '/shop/database/Connections': 87,
  '/shop/database/Commits per second': 1834.5,
  '/shop/database/Version': 'PostgreSQL 17.2 on x86_64-pc-linux-gnu',
  '/network/switch-1/Uptime': 8_640_123,
  ...Object.fromEntries(
    Array.from({ length: 24 }, (_, i) => [
      [`/network/switch-1/Ports/Port ${i + 1}/State`, i === 16 ? 'down' : 'up'],
      [`/network/switch-1/Ports/Port ${i + 1}/In`, i * 91_233.5],
      [`/network/switch-1/Ports/Port ${i + 1}/Out`, i * 12_455.25],
    ]).flat(),
  ),
}).map(([path, value]) => ({ path, value }));

/** city is a definition of about 100,000 nodes: areas × hosts × values. */
export function city(areas = 50, hosts = 180, values = 10) {
  return {
    'city.yaml': `grove: 1
application: city
at: /city
tree:
  "area-\${item}":
    each: "1..${areas}"
    nodes:
      "host-\${item}":
        each: "1..${hosts}"
        nodes:
          "value \${item}": { each: "1..${values}", kind: performance, yellow: "> 900", red: "> 990" }
`,
  };
}
