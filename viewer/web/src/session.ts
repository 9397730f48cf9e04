// Who asks, and what he may. The server decides; this only keeps the page from offering
// what would be refused.

/** Role is what a grant allows; each includes those before it. */
export type Role = 'viewer' | 'operator' | 'editor' | 'admin';

export const roles: readonly Role[] = ['viewer', 'operator', 'editor', 'admin'];

/** Grant is a role on everything at a path and below it, or only on what is a customer's there. */
export interface Grant {
  role: Role;
  path?: string; // absent: /
  customer?: string;
}

/** Session is the answer of GET api/v1/me. */
export interface Session {
  name: string; // empty: nobody is logged in
  title?: string; // the full name
  open?: boolean; // no login is needed here
  grants: Grant[];
  methods: ('password' | 'oidc' | 'certificate')[]; // ways to log in
  oidc?: string; // what the other way is called: "Company login"
  method?: 'session' | 'basic' | 'token' | 'certificate' | 'open'; // how this one came
  source?: 'local' | 'oidc'; // who keeps the user
  password?: boolean; // may change his password here
  expires?: string;
  manager?: string; // name of this server
}

/** May says whether the session has at least a role on a path, which is / for the whole
 * manager. A grant for one customer counts for nodes of that customer alone. */
export function may(session: Session | undefined, role: Role, path = '/', customer?: string): boolean {
  const need = roles.indexOf(role);
  return (
    session?.grants.some(
      (g) => roles.indexOf(g.role) >= need && contains(g.path || '/', path) && (!g.customer || g.customer === customer),
    ) ?? false
  );
}

/** MaySomewhere says whether the session has at least a role on anything. */
export function maySomewhere(session: Session | undefined, role: Role): boolean {
  const need = roles.indexOf(role);
  return session?.grants.some((g) => roles.indexOf(g.role) >= need) ?? false;
}

/** What those read who have a role on nothing that is there. */
export const nothingSeen = 'There is nothing here that you may see. Ask an administrator of this server for a role on what you need.';

/** Contains says whether a node is another or below it. */
function contains(above: string, path: string): boolean {
  return above === '/' || path === above || path.startsWith(above + '/');
}

/** GrantText writes a grant as people do: "editor on /shop, customer acme". */
export function grantText(g: Grant): string {
  const where = !g.path || g.path === '/' ? 'everything' : g.path;
  return `${g.role} on ${where}${g.customer ? `, customer ${g.customer}` : ''}`;
}
