// The way between the pages about alerts.

import { useApp } from '../app';
import { may } from '../session';

const tabs = [
  ['alerts', 'Alerts'],
  ['maintenance', 'Maintenance'],
  ['routes', 'Routes'],
  ['outbox', 'Outbox'],
  ['what-if', 'What if'],
] as const;

/** AlertTabs lead from one page about alerts to the others. */
export function AlertTabs() {
  const app = useApp();
  const whole = may(app.session, 'operator');
  return (
    <nav class="alert-tabs" aria-label="About alerts">
      {tabs.map(([name, title]) =>
        name === 'outbox' && !whole ? null : (
          <a key={name} href={app.href(name)} aria-current={app.route.page === name ? 'page' : undefined}>
            {title}
          </a>
        ),
      )}
    </nav>
  );
}
