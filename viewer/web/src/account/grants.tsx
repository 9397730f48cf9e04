// Grants: shown as words, and as rows of a form.

import { type Grant, type Role, grantText, roles } from '../session';
import { SelectField, TextField } from '../ui/form';
import { Icon } from '../ui/marks';

/** Grants lists what somebody may do. */
export function Grants({ grants, none = 'nothing' }: { grants: readonly Grant[]; none?: string }) {
  if (grants.length === 0) return <span class="soft">{none}</span>;
  return (
    <ul class="grants">
      {grants.map((g, i) => (
        <li key={i}>
          <span class={`role ${g.role}`}>{g.role}</span> on {g.path && g.path !== '/' ? <code>{g.path}</code> : 'everything'}
          {g.customer ? (
            <>
              {' '}
              of customer <code>{g.customer}</code>
            </>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

/** grantsText is the same on one line. */
export function grantsText(grants: readonly Grant[], none = 'nothing'): string {
  return grants.length === 0 ? none : grants.map(grantText).join('; ');
}

const about: Record<Role, string> = {
  viewer: 'viewer: sees',
  operator: 'operator: asks, pushes, runs operations',
  editor: 'editor: changes thresholds and definitions',
  admin: 'admin: users, backups, everything',
};

/** GrantRows edits grants; at most is the best role that may be given. */
export function GrantRows({ grants, onGrants, most = 'admin' }: { grants: readonly Grant[]; onGrants: (grants: Grant[]) => void; most?: Role }) {
  const offered = roles.slice(0, roles.indexOf(most) + 1);
  const change = (at: number, next: Partial<Grant>) => onGrants(grants.map((g, i) => (i === at ? { ...g, ...next } : g)));
  return (
    <div class="grant-rows">
      {grants.map((g, i) => (
        <fieldset key={i} class="grant-row">
          <legend class="hidden">Grant {i + 1}</legend>
          <SelectField label="Role" value={g.role} onValue={(role) => change(i, { role: role as Role })} options={offered.map((r) => [r, about[r]] as const)} />
          <TextField label="Subtree" placeholder="/" value={g.path ?? ''} onValue={(path) => change(i, { path })} autocomplete="off" />
          <TextField label="Customer" placeholder="any" value={g.customer ?? ''} onValue={(customer) => change(i, { customer })} autocomplete="off" />
          <button type="button" class="plain" aria-label={`Remove grant ${i + 1}`} title="Remove" onClick={() => onGrants(grants.filter((_, k) => k !== i))}>
            <Icon name="trash" />
          </button>
        </fieldset>
      ))}
      <div>
        <button type="button" onClick={() => onGrants([...grants, { role: 'viewer', path: '/' }])}>
          <Icon name="plus" />
          Add a grant
        </button>
      </div>
    </div>
  );
}

/** tidy is what the server takes: no empty customer, and a path. */
export function tidy(grants: readonly Grant[]): Grant[] {
  return grants.map(({ role, path, customer }) => ({ role, path: path?.trim() || '/', ...(customer?.trim() ? { customer: customer.trim() } : {}) }));
}

/** bestRole is the highest role among grants. */
export function bestRole(grants: readonly Grant[]): Role {
  return grants.reduce<Role>((best, g) => (roles.indexOf(g.role) > roles.indexOf(best) ? g.role : best), 'viewer');
}
