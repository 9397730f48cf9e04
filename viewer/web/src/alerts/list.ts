// The list of alerts as a page shows it: pages of it as one scrolls, read again when
// something changed, and the consequences that were unfolded below their causes.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { words } from '../ui/form';
import { type Alert, type AlertQuery, fetchAlerts } from './api';
import { useFresh } from './reading';
import { Calm } from './stream';

const pageSize = 200;
/** What is read again at once when something changed; who scrolled further scrolls again. */
const mostAgain = 1000;
/** So many consequences are shown below their cause; the list itself can show them all. */
export const mostUnfolded = 100;

export interface Found {
  alerts: readonly Alert[];
  next: string; // empty: there is no more
  loading: boolean; // of this query nothing is here yet
  error: string; // in the server's words
  more(): void;
  again(): void;
}

/** timeOf writes a time of a query: "-24h" is so long before now. */
function timeOf(text: string, now: number): string {
  const hours = /^-(\d+)h$/.exec(text);
  return hours ? new Date(now - Number(hours[1]) * 3_600_000).toISOString() : text;
}

/** useAlerts reads the alerts that a query asks for; times in it may be "-24h". */
export function useAlerts(query: AlertQuery): Found {
  const app = useApp();
  const key = JSON.stringify(query);
  const [state, set] = useState({ key: '', alerts: [] as readonly Alert[], next: '', error: '' });
  const now = useRef(state);
  now.current = state;
  const again = useRef(() => {});
  const reading = useRef<AbortController | undefined>(undefined);
  const read = useCallback(
    async (more: boolean) => {
      reading.current?.abort();
      const { signal } = (reading.current = new AbortController());
      const q = JSON.parse(key) as AlertQuery;
      const had = now.current.key === key ? now.current.alerts.length : 0;
      try {
        const answer = await fetchAlerts(
          {
            ...q,
            ...(q.from ? { from: timeOf(q.from, app.now()) } : {}),
            ...(q.to ? { to: timeOf(q.to, app.now()) } : {}),
            limit: more ? pageSize : Math.min(mostAgain, Math.max(pageSize, had)),
            ...(more ? { after: now.current.next } : {}),
          },
          signal,
        );
        if (signal.aborted) return;
        const alerts = answer.alerts ?? [];
        set((s) => {
          const known = new Set(more ? s.alerts.map((a) => a.id) : []);
          return { key, alerts: more ? [...s.alerts, ...alerts.filter((a) => !known.has(a.id))] : alerts, next: answer.next ?? '', error: '' };
        });
      } catch (error) {
        if (!signal.aborted) set((s) => ({ ...s, key, error: words(error) }));
      } finally {
        if (reading.current?.signal === signal) reading.current = undefined;
      }
    },
    [key, app],
  );
  useEffect(() => {
    const look = () => void read(false);
    const calm = new Calm(look);
    const end = app.alerts.onChange(() => calm.due());
    again.current = look;
    look();
    return () => {
      end();
      calm.stop();
      reading.current?.abort();
    };
  }, [read]);
  const more = useCallback(() => {
    if (now.current.key === key && now.current.next && !now.current.error && !reading.current) void read(true);
  }, [read]);
  return { alerts: state.alerts, next: state.next, error: state.error, loading: state.key !== key, more, again: () => again.current() };
}

/** useConsequences reads what follows from some alerts, by their ids. */
export function useConsequences(causes: readonly string[]): ReadonlyMap<string, readonly Alert[]> {
  const fresh = useFresh(causes.join(), (signal) =>
    Promise.all(causes.map(async (cause) => [cause, (await fetchAlerts({ cause, limit: mostUnfolded }, signal)).alerts ?? []] as const)),
  );
  return new Map(fresh.value);
}
