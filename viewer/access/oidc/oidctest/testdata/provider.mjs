// A real OpenID provider for tests: node provider.mjs NODE_MODULES CLIENT SECRET REDIRECT...
// It prints its address, and ends with its standard input. Whoever logs in as one of the
// accounts below is let in with any password.
import { createServer } from 'node:http';

const [modules, client, secret, ...redirects] = process.argv.slice(2);
const { Provider } = await import(`${modules}/oidc-provider/lib/index.js`);

const accounts = {
  ada: { preferred_username: 'Ada', name: 'Ada Lovelace', groups: ['ops', 'cn=shop,dc=example'], email: 'ada@example.com', email_verified: true, realm_access: { roles: ['chief'] } },
  bob: { preferred_username: 'bob', name: 'Bob', groups: ['ops'], email: 'bob@example.com', email_verified: false },
  eve: { preferred_username: 'eve', name: 'Eve', groups: ['guests'], email: 'eve@example.com', email_verified: true },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: client, client_secret: secret, redirect_uris: redirects, grant_types: ['authorization_code'], response_types: ['code'] }],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'realm_access'], email: ['email', 'email_verified'], groups: ['groups'] },
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ['only for tests'] },
    findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
