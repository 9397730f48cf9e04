// Notifications on the desktop: of each new alert of the severities that somebody wants to
// hear of, but of many at once only one, which counts them. A notification goes when its
// alert is no longer open. One tab of a browser tells for all (see AlertStream).
//
// What was open when the page was opened is not told: whoever opens it sees that.

import { plural } from '../format';
import { type Alert, type Alerts, type Severity, fetchAlert, fetchAlerts, severities } from './api';
import { type AlertStream, Calm } from './stream';

/** Wishes are what somebody wants to hear of on this machine. */
export interface Wishes {
  on: boolean;
  severities: readonly Severity[];
}

const key = 'grove.desktop';

/** wishes reads what this browser remembers: off until somebody wants it. */
export function wishes(): Wishes {
  let kept: Partial<Record<keyof Wishes, unknown>> = {};
  try {
    kept = (JSON.parse(localStorage.getItem(key) ?? 'null') ?? {}) as typeof kept;
  } catch {
    // Storage may be forbidden.
  }
  const list = Array.isArray(kept.severities) ? severities.filter((s) => (kept.severities as unknown[]).includes(s)) : ['critical', 'major'] as Severity[];
  return { on: kept.on === true, severities: list };
}

export function setWishes(w: Wishes): void {
  try {
    localStorage.setItem(key, JSON.stringify(w));
  } catch {
    // They hold until the page is closed, which is at once.
  }
}

/** permitted says whether the browser may show notifications: where it knows none, why not. */
export function permitted(): NotificationPermission | 'insecure' | 'unknown' {
  if (typeof Notification === 'undefined') return isSecureContext ? 'unknown' : 'insecure';
  return isSecureContext ? Notification.permission : 'insecure';
}

const asked = 200; // alerts looked at, the worst
const single = 3; // so many within quietMs are told one by one
const quietMs = 10_000;
const stormMs = 60_000; // what comes so soon after a storm belongs to it
const mostKnown = 20_000;

/** Desk is what the notifier needs of the page. */
export interface Desk {
  readonly alerts: AlertStream;
  now(): number;
  /** openAlert shows an alert, or the list of all. */
  openAlert(id: string | undefined): void;
}

/** Storm is the one notification of many alerts. */
interface Storm {
  ids: ReadonlySet<string>; // as far as they were looked at
  worst: Alert;
  title: string;
  note: Notification;
  at: number; // when the last came
}

export class Notifier {
  private known: Set<string> | undefined; // undefined: nothing was looked at yet
  private since = 0; // the server's time of the first look
  private kinds = ''; // the severities that known is about
  private readonly shown = new Map<string, Notification>();
  private told: number[] = []; // when single ones were shown
  private storm: Storm | undefined;
  private busy = false;
  private due = false;
  private readonly calm = new Calm(() => void this.look());

  constructor(private readonly desk: Desk) {
    desk.alerts.onChange(() => this.calm.due());
  }

  /** look reads what is open and tells what is new. */
  async look(): Promise<void> {
    if (this.busy) {
      this.due = true;
      return;
    }
    const w = wishes();
    if (!w.on || w.severities.length === 0 || !this.desk.alerts.leads || permitted() !== 'granted') {
      this.known = undefined;
      this.clear();
      return;
    }
    this.busy = true;
    try {
      await this.tell(w, await fetchAlerts({ states: ['open'], severities: w.severities, limit: asked }));
    } catch {
      // The next change asks again; that the server is away is told elsewhere.
    } finally {
      this.busy = false;
      if (this.due) {
        this.due = false;
        this.calm.due();
      }
    }
  }

  private async tell(w: Wishes, page: Alerts): Promise<void> {
    const open = page.alerts ?? [];
    const ids = new Set(open.map((a) => a.id));
    const kinds = w.severities.join();
    if (this.known === undefined || this.kinds !== kinds) {
      this.known = ids;
      this.kinds = kinds;
      this.since = this.desk.now();
      return;
    }
    // What slides into the first page as others end is not new.
    const known = this.known;
    const fresh = open.filter((a) => !known.has(a.id) && Date.parse(a.changed) >= this.since - 2000);
    if (page.next && known.size < mostKnown) for (const id of ids) known.add(id);
    else this.known = ids;
    await this.close(ids, page);
    if (fresh.length === 0) return;
    const now = performance.now();
    this.told = this.told.filter((at) => now - at < quietMs);
    if (this.told.length + fresh.length > single || (this.storm && now - this.storm.at < stormMs)) this.count(fresh, now, page);
    else {
      for (const a of fresh) {
        this.told.push(now);
        this.show(a);
      }
    }
  }

  private note(title: string, body: string, tag: string, silent: boolean, onClick: () => void): Notification {
    const note = new Notification(title, { body, tag: `grove ${tag}`, silent });
    note.onclick = () => {
      focus();
      onClick();
      note.close();
    };
    return note;
  }

  private show(a: Alert): void {
    const note = this.note(`${a.severity}: ${a.path}`, a.message, a.id, false, () => this.desk.openAlert(a.id));
    note.onclose = () => this.shown.delete(a.id);
    this.shown.set(a.id, note);
  }

  /** count adds to the one notification of many; it makes a sound once. */
  private count(fresh: readonly Alert[], now: number, page: Alerts): void {
    const before = this.storm;
    const ids = new Set([...(before?.ids ?? []), ...fresh.map((a) => a.id)]);
    const worst = before && severities.indexOf(before.worst.severity) <= severities.indexOf(fresh[0]!.severity) ? before.worst : fresh[0]!;
    this.summary(ids, worst, now, page);
  }

  /** summary shows the notification of many in place of the one before, unless it says the same. */
  private summary(ids: ReadonlySet<string>, worst: Alert, at: number, page: Alerts): void {
    // Of more than are looked at, the server's count is told.
    const title = page.next ? `${plural(page.counts?.open ?? ids.size, 'alert')} are open` : plural(ids.size, 'new alert');
    const before = this.storm;
    if (before && before.title === title && before.worst === worst) {
      this.storm = { ...before, ids, at };
      return;
    }
    const note = this.note(title, `The worst: ${worst.message}`, 'many', before !== undefined, () => this.desk.openAlert(undefined));
    note.onclose = () => {
      if (this.storm?.note === note) this.storm = undefined;
    };
    this.storm = { ids, worst, title, note, at };
  }

  /** close takes away what is not open any more. */
  private async close(ids: ReadonlySet<string>, page: Alerts): Promise<void> {
    for (const [id, note] of this.shown) {
      if (ids.has(id) || (page.next && (await stays(id)))) continue;
      note.close();
      this.shown.delete(id);
    }
    const { storm } = this;
    if (!storm) return;
    const left = page.next ? storm.ids : new Set([...storm.ids].filter((id) => ids.has(id)));
    if (left.size === 0) {
      this.storm = undefined;
      storm.note.close();
    } else this.summary(left, storm.worst, storm.at, page);
  }

  private clear(): void {
    for (const note of this.shown.values()) note.close();
    this.shown.clear();
    this.storm?.note.close();
    this.storm = undefined;
  }
}

async function stays(id: string): Promise<boolean> {
  try {
    return (await fetchAlert(id)).state === 'open';
  } catch {
    return false;
  }
}
