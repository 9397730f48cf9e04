// The rows of a list of alerts: consequences stand below their causes.

import type { Alert } from './api';

/** Row is an alert of the list, and how deep it stands below what causes it. */
export interface Row {
  alert: Alert;
  level: number;
  unfolded: boolean;
  now: number; // for its ages
}

/** alertRows puts consequences below their causes. What stands there stands nowhere else. */
export function alertRows(alerts: readonly Alert[], below: ReadonlyMap<string, readonly Alert[]>, unfolded: ReadonlySet<string>, now: number): Row[] {
  const inside = new Set([...below].flatMap(([cause, list]) => (unfolded.has(cause) ? list.map((a) => a.id) : [])));
  const rows: Row[] = [];
  const placed = new Set<string>();
  const put = (alert: Alert, level: number) => {
    if (placed.has(alert.id)) return;
    placed.add(alert.id);
    const open = unfolded.has(alert.id);
    rows.push({ alert, level, unfolded: open, now });
    if (open) for (const c of below.get(alert.id) ?? []) put(c, level + 1);
  };
  for (const a of alerts) if (!inside.has(a.id)) put(a, 0);
  for (const a of alerts) put(a, 0); // one whose cause is not in the list
  return rows;
}
