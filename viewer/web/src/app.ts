// What every page of the viewer shares: the live feed, the address, who asks and how he
// wants it, the time, and the moment of the past that is shown.

import { createContext } from 'preact';
import { useContext, useEffect, useReducer } from 'preact/hooks';
import { type Preferences, applyTheme, mirror, mirrored, preferencesOf } from './account/preferences';
import { Notifier } from './alerts/notifier';
import { AlertStream } from './alerts/stream';
import { Problem, get, onUnauthorized, send } from './api';
import { Feed } from './feed';
import { setZone } from './format';
import { type Params, type Route, home, readRoute, writeRoute } from './route';
import type { Session } from './session';

export type { Params, Preferences, Route, Session };

export interface App {
  readonly feed: Feed;
  readonly alerts: AlertStream;
  readonly route: Route;
  readonly session: Session | undefined; // undefined until the server answered
  readonly prefs: Preferences;
  readonly at: number | undefined; // the moment of the past that the page shows; undefined: now
  readonly announcement: string; // what a screen reader is told last
  now(): number; // server's unix milliseconds
  shown(): number; // the moment that the page shows: at, or now
  /** go opens a page; the node panel and the moment stay. */
  go(page: string, params?: Params): void;
  /** href is the address of a page, for links. */
  href(page: string, params?: Params): string;
  /** put changes parameters of this page in its address, without a step in the browser's history; undefined takes one away. */
  put(params: Readonly<Record<string, string | undefined>>): void;
  /** showNode opens the panel of a node; undefined closes it. */
  showNode(path: string | undefined): void;
  /** showAt shows a moment of the past; undefined goes back to now. */
  showAt(at: number | undefined): void;
  setPrefs(change: Partial<Preferences>): Promise<void>;
  /** readSession asks again who this is, after a login or logout. */
  readSession(): Promise<void>;
  announce(sentence: string): void;
  /** wished takes up what somebody wants to be notified of, which has changed. */
  wished(): void;
  /** subscribe tells a listener that anything here changed, at most once a frame. */
  subscribe(listener: () => void): () => void;
}

const loginPage = 'login';

export class Shell implements App {
  readonly feed: Feed;
  readonly alerts = new AlertStream();
  route: Route = readRoute(location.hash);
  session: Session | undefined;
  prefs: Preferences = mirrored();
  announcement = '';
  private readonly notifier = new Notifier({ alerts: this.alerts, now: () => this.now(), openAlert: (id) => this.go('alerts', id === undefined ? {} : { alert: id }) });
  private skew = 0; // server's clock minus ours
  private scheduled = false;
  private readonly lastParams = new Map<string, Params>();
  private readonly listeners = new Set<() => void>();

  constructor() {
    const live = new URL('api/v1/live', document.baseURI);
    live.protocol = live.protocol === 'https:' ? 'wss:' : 'ws:';
    live.hash = live.search = '';
    this.feed = new Feed({ url: live.href, health: 'healthz' });
    this.feed.onLogout = () => this.login();
    this.alerts.onChange(() => this.changed());
    let state = this.feed.link.state;
    this.feed.onLink((link) => {
      if (link.time > 0) this.skew = link.time - link.heardAt;
      // A login that has run out looks like a server that does not answer.
      this.alerts.live(link.state === 'live');
      if ((link.state === 'waiting' && state !== 'waiting') || (link.state === 'live' && !this.session)) void this.readSession();
      state = link.state;
      this.changed();
    });
    onUnauthorized(() => this.login());
    this.wear();
  }

  get at(): number | undefined {
    return this.route.at;
  }

  /** start follows the address and connects. */
  start(): void {
    addEventListener('hashchange', () => this.follow());
    addEventListener('pagehide', (event) => {
      if (!event.persisted) this.feed.stop();
    });
    void this.readSession();
  }

  now(): number {
    return Date.now() + this.skew;
  }

  shown(): number {
    return this.at ?? this.now();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener();
    });
  }

  // The address.

  private follow(): void {
    this.route = readRoute(location.hash);
    this.lastParams.set(this.route.page, this.route.params);
    this.changed();
  }

  private move(route: Route, step: boolean): void {
    const hash = writeRoute(route);
    if (hash === location.hash) return;
    history[step ? 'pushState' : 'replaceState'](null, '', hash);
    this.follow();
  }

  href(page: string, params?: Params): string {
    return writeRoute({ ...this.route, page, params: params ?? this.lastParams.get(page) ?? {} });
  }

  go(page: string, params?: Params): void {
    this.move({ ...this.route, page, params: params ?? this.lastParams.get(page) ?? {} }, true);
  }

  put(params: Readonly<Record<string, string | undefined>>): void {
    const merged: Record<string, string> = { ...this.route.params };
    for (const [name, value] of Object.entries(params)) {
      if (value === undefined) delete merged[name];
      else merged[name] = value;
    }
    this.move({ ...this.route, params: merged }, false);
  }

  showNode(path: string | undefined): void {
    // The way back closes what was opened; walking from node to node leaves no steps.
    this.move({ ...this.route, node: path }, this.route.node === undefined);
  }

  showAt(at: number | undefined): void {
    this.move({ ...this.route, at }, this.route.at === undefined);
  }

  // Who asks.

  async readSession(): Promise<void> {
    try {
      this.session = await get<Session>('api/v1/me');
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) return; // the login page is there by now
      this.feed.start(); // says what is wrong with the connection, and asks again when it is back
      return this.changed();
    }
    if (!this.session.open && this.session.name === '') this.login();
    else {
      // Whoever came by himself is told that no login is needed.
      if (this.route.page === loginPage && !(this.session.open && this.route.params.to === undefined)) this.leaveLogin();
      this.feed.start();
      void this.readPrefs();
    }
    this.changed();
  }

  private login(): void {
    this.feed.stop();
    this.alerts.live(false);
    if (this.route.page === loginPage) return;
    history.replaceState(null, '', writeRoute({ page: loginPage, params: { to: location.hash }, node: undefined, at: undefined }));
    this.follow();
    if (this.session?.name) void this.readSession(); // says how to log in
  }

  private leaveLogin(): void {
    const to = this.route.params.to ?? this.route.params.then ?? '';
    history.replaceState(null, '', to.startsWith('#') ? to : '#/' + home);
    this.follow();
  }

  private async readPrefs(): Promise<void> {
    try {
      this.prefs = preferencesOf(await get('api/v1/me/preferences'));
    } catch {
      return; // what this browser remembers holds
    }
    this.wear();
  }

  async setPrefs(change: Partial<Preferences>): Promise<void> {
    this.prefs = { ...this.prefs, ...change };
    this.wear();
    await send('PUT', 'api/v1/me/preferences', this.prefs);
  }

  private wear(): void {
    mirror(this.prefs);
    applyTheme(this.prefs.theme);
    setZone(this.prefs.zone);
    this.changed();
  }

  announce(sentence: string): void {
    this.announcement = sentence;
    this.changed();
  }

  wished(): void {
    void this.notifier.look();
    this.changed();
  }
}

export const AppContext = createContext<App>(undefined!);

/** useApp returns the app and draws the component again when something in it changes. */
export function useApp(): App {
  const app = useContext(AppContext);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => app.subscribe(() => draw(undefined)), [app]);
  return app;
}

/** useNow returns the moment that the page shows and draws the component again every second while that is now, for ages. */
export function useNow(): number {
  const app = useApp();
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const still = app.at !== undefined;
  useEffect(() => {
    if (still) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') draw(undefined);
    }, 1000);
    return () => clearInterval(timer);
  }, [still]);
  return app.shown();
}
