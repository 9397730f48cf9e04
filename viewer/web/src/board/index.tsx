// The wall board: a few areas in letters that can be read from five metres. Nobody
// touches it: it turns its pages by itself, keeps the screen awake, and says so loudly
// when what it shows is old.
//
// Its address says what it shows: in= paths of areas, with a * for all that is directly
// below a path (without it, /*), every= seconds a page stays, theme=light, title= a name above.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp } from '../app';
import { age, clock, day, duration, figures } from '../format';
import { useLive } from '../live';
import { joinNames, names } from '../path';
import { type Trouble, rank, useTroubles } from '../problems/model';
import { useSound } from '../problems/sound';
import { readList } from '../route';
import { none } from '../tree';
import { Icon, Logo, Mark } from '../ui/marks';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';

const everySeconds = 15;
const tileWidth = 400; // at least, of a window that is 1920 wide
const tileHeight = 250;
const quietMs = 10_000; // then the server is asked whether it is still there
const staleMs = 30_000;
const awayMs = 3000;

interface Shown {
  path: string;
  name: string;
  above: string;
  status: Status;
  known: boolean;
  hidden: boolean;
  counts: readonly [white: number, green: number, yellow: number, red: number];
}

export function Board() {
  const app = useApp();
  const { params } = app.route;
  const [second, setSecond] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSecond((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  useAwake();

  const chosen = useMemo(() => readList(params.in ?? '/*'), [params.in]);
  const above = useMemo(() => [...new Set(chosen.flatMap((p) => waysTo(p)))], [chosen]);
  const live = useLive({ path: '/', depth: 0, open: above });
  const troubles = useTroubles({ path: '/', statuses: [Red, Yellow], text: '' });
  useSound(app.prefs.sound, troubles.loaded, troubles.items);

  const { tree } = live;
  const areas = useMemo((): Shown[] => {
    if (!live.loaded || tree.root === none) return [];
    const of = (n: number, path: string): Shown => ({
      path,
      name: names(path).at(-1) ?? 'Everything',
      above: names(path).slice(0, -1).join(' / '),
      status: n === none ? White : tree.statusOf(n),
      known: n !== none,
      hidden: n !== none && tree.hidden(n),
      counts: n === none ? counts(undefined) : tree.isGroup(n) ? [tree.count(n, White), tree.count(n, Green), tree.count(n, Yellow), tree.count(n, Red)] : counts(tree.statusOf(n)),
    });
    const below = (path: string): Shown[] => {
      const parent = tree.find(path);
      const list: Shown[] = [];
      if (parent === none) return [of(none, path)];
      for (let n = tree.first[parent]!; n !== none; n = tree.next[n]!) list.push(of(n, joinNames([...names(path), tree.names[n]!])));
      return list.sort((a, b) => rank(b.status) - rank(a.status) || b.counts[Red] - a.counts[Red] || (a.name < b.name ? -1 : 1));
    };
    // In the order that was asked for.
    return chosen.flatMap((path) => (path.endsWith('/*') ? below(path.slice(0, -2) || '/') : [of(tree.find(path), path)]));
  }, [live.version, live.loaded, tree, chosen]);

  const box = useRef<HTMLDivElement>(null);
  const room = useRoom(box);
  const perPage = Math.max(1, room.columns * room.rows);
  const pages = Math.max(1, Math.ceil(areas.length / perPage));
  const every = Math.max(3, Number(params.every) || everySeconds);
  const page = Math.floor(second / every) % pages;
  const shown = areas.slice(page * perPage, (page + 1) * perPage);
  const columns = columnsFor(shown.length, room);
  const now = app.shown();
  // The board is about its areas: what else is wrong belongs to other boards.
  const oldestIn = useMemo(() => oldestByArea(areas, troubles.items), [areas, troubles.items]);
  const oldest = oldestOf([...oldestIn.values()]);
  const worst = areas.reduce<Status>((w, a) => (rank(a.status) > rank(w) ? a.status : w), areas.length > 0 ? Green : White);
  const count = (s: Status) => areas.reduce((n, a) => n + a.counts[s], 0);
  return (
    <div class={`board${params.theme === 'light' ? ' light' : ''}`} role="main">
      <div class="board-head">
        <a class="leave" href={app.href('overview', {})} title="Leave the board">
          <Logo />
          <h1>{params.title ?? 'Grove'}</h1>
        </a>
        <p class={`all ${statusWords[worst]}`}>
          <Mark status={worst} size={44} />
          <b>{statusWords[worst]}</b>
        </p>
        <p class="sums">
          {([Red, Yellow, White] as const).map((s) => (
            <span key={s}>
              <Mark status={s} size={26} /> <b>{figures(count(s))}</b> {statusWords[s]}
            </span>
          ))}
        </p>
        <FullScreen />
        <p class="clock">
          <time>{clock(now)}</time>
          <span>{day(now)}</span>
        </p>
      </div>
      {app.at === undefined ? (
        <Stale second={second} />
      ) : (
        <div class="board-past" role="status">
          <b>THE PAST</b>
          <span>This is how things were on {day(now)} at {clock(now)}.</span>
          <button onClick={() => app.showAt(undefined)}>Back to now</button>
        </div>
      )}
      <div class="board-tiles" ref={box} style={{ '--columns-now': columns }}>
        {live.refusal ? <p class="board-note">{live.refusal}</p> : null}
        {shown.map((a) => (
          <Tile key={a.path} a={a} oldest={oldestIn.get(a.path)} now={now} />
        ))}
        {live.loaded && areas.length === 0 ? <p class="board-note">There is nothing to show.</p> : null}
      </div>
      <div class="board-foot">
        <span class="oldest">
          {oldest ? (
            <>
              <Mark status={oldest.status} size={22} /> Oldest problem: <b>{names(oldest.path).join(' / ')}</b>, {oldest.since > 0 ? duration(now - oldest.since) : ''}
            </>
          ) : troubles.loaded ? (
            <>
              <Mark status={Green} size={22} /> No problems
            </>
          ) : null}
        </span>
        {pages > 1 ? (
          <span class="pages-of">
            Page {page + 1} of {pages}
          </span>
        ) : null}
        {app.at === undefined ? <Updated /> : null}
      </div>
    </div>
  );
}

/** counts counts an attribute alone. */
function counts(status: Status | undefined): readonly [number, number, number, number] {
  return [Number(status === White), Number(status === Green), Number(status === Yellow), Number(status === Red)];
}

/** waysTo lists the groups that must be open to see an area: / and those above it. */
function waysTo(path: string): string[] {
  const above = names(path).slice(0, -1);
  return ['/', ...above.map((_, i) => joinNames(above.slice(0, i + 1)))];
}

/** oldestOf is the worst that lasts the longest. */
function oldestOf(items: readonly Trouble[]): Trouble | undefined {
  let worst: Trouble | undefined;
  for (const i of items) {
    if (i.since <= 0) continue;
    if (!worst || rank(i.status) > rank(worst.status) || (i.status === worst.status && i.since < worst.since)) worst = i;
  }
  return worst;
}

/** oldestByArea finds for each area, by its path, the worst in it that lasts the longest. */
function oldestByArea(areas: readonly Shown[], troubles: readonly Trouble[]): Map<string, Trouble> {
  const found = new Map<string, Trouble>();
  const paths = new Set(areas.map((a) => a.path));
  for (const t of troubles) {
    for (let path = t.path; ; path = path.slice(0, path.lastIndexOf('/')) || '/') {
      const best = found.get(path);
      if (paths.has(path)) found.set(path, oldestOf(best ? [best, t] : [t]) ?? t);
      if (path === '/') break;
    }
  }
  return found;
}

function Tile({ a, oldest, now }: { a: Shown; oldest: Trouble | undefined; now: number }) {
  return (
    <section class={`board-tile ${statusWords[a.status]}`} aria-label={`${a.name}: ${statusWords[a.status]}`}>
      <h2>{a.name}</h2>
      {a.above ? <p class="where">{a.above}</p> : null}
      <p class="mark-word">
        <Mark status={a.status} size={64} />
        <b>{statusWords[a.status]}</b>
      </p>
      <p class="numbers">
        {a.known
          ? ([Red, Yellow, White] as const).map((s) =>
              a.counts[s] > 0 ? (
                <span key={s}>
                  <Mark status={s} size={22} /> {figures(a.counts[s])}
                </span>
              ) : null,
            )
          : 'not in the tree'}
        {a.hidden ? <span class="hid">something hidden contributes</span> : null}
      </p>
      <p class="cause">{oldest ? `${names(oldest.path).slice(names(a.path).length).join(' / ') || oldest.name} · ${age(now - oldest.since)}` : ''}</p>
    </section>
  );
}

interface Room {
  columns: number; // of tiles that can be read
  rows: number;
  shape: number; // width by height
}

/** columnsFor makes tiles as large as they can be, a tile being wider than high. */
function columnsFor(tiles: number, room: Room): number {
  let [best, largest] = [1, 0];
  for (let c = 1; c <= room.columns; c++) {
    const rows = Math.ceil(tiles / c);
    if (rows > room.rows) continue;
    const size = Math.min(room.shape / c / 1.6, 1 / rows);
    if (size > largest) [best, largest] = [c, size];
  }
  return largest > 0 ? best : room.columns;
}

/** useRoom says how many tiles have room. */
function useRoom(box: { current: HTMLElement | null }): Room {
  const [room, setRoom] = useState<Room>({ columns: 1, rows: 1, shape: 1 });
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => {
      const scale = Math.max(0.55, Math.min(1.6, innerWidth / 1920));
      setRoom({
        columns: Math.max(1, Math.floor(element.clientWidth / (tileWidth * scale))),
        rows: Math.max(1, Math.floor(element.clientHeight / (tileHeight * scale))),
        shape: element.clientWidth / Math.max(1, element.clientHeight),
      });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return room;
}

/** useContact says when the server was heard of last: a calm tree says nothing for long, so that it is asked then. */
function useContact(): number {
  const app = useApp();
  const [asked, setAsked] = useState(0);
  const heard = Math.max(app.feed.link.heardAt, asked);
  const last = useRef(heard);
  last.current = heard;
  useEffect(() => {
    const stop = new AbortController();
    const timer = setInterval(async () => {
      if (Date.now() - last.current < quietMs) return;
      try {
        const answer = await fetch('healthz', { cache: 'no-store', signal: AbortSignal.any([stop.signal, AbortSignal.timeout(quietMs / 2)]) });
        if (answer.ok && app.feed.link.state === 'live') setAsked(Date.now());
      } catch {
        // That there is no answer shows by the time.
      }
    }, quietMs / 2);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [app]);
  return heard;
}

function Stale({ second }: { second: number }) {
  const app = useApp();
  const heard = useContact();
  const quiet = heard > 0 ? Date.now() - heard : 0;
  const away = app.feed.link.state !== 'live' && (heard === 0 ? second > 5 : quiet > awayMs);
  if (!away && quiet < staleMs) return null;
  return (
    <div class="board-stale" role="alert">
      <b>NOT LIVE</b>
      <span>{heard > 0 ? `This is how things were ${duration(quiet)} ago, at ${clock(app.now() - quiet)}.` : 'There is no connection to Grove.'}</span>
    </div>
  );
}

function Updated() {
  const { feed } = useApp();
  const { heardAt } = feed.link;
  return <span class="updated">{heardAt > 0 ? `Updated ${age(Date.now() - heardAt)} ago` : 'Connecting…'}</span>;
}

/** useAwake keeps the screen from going dark, where the browser can. */
function useAwake(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | undefined;
    let over = false;
    const take = async () => {
      if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
      try {
        lock = await navigator.wakeLock.request('screen');
        if (over) await lock.release();
      } catch {
        // The browser allows it on secure addresses alone, and not with an empty battery.
      }
    };
    void take();
    document.addEventListener('visibilitychange', take);
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', take);
      void lock?.release().catch(() => {});
    };
  }, []);
}

function FullScreen() {
  const [full, setFull] = useState(document.fullscreenElement !== null);
  useEffect(() => {
    const changed = () => setFull(document.fullscreenElement !== null);
    document.addEventListener('fullscreenchange', changed);
    return () => document.removeEventListener('fullscreenchange', changed);
  }, []);
  if (full || !document.fullscreenEnabled) return null;
  return (
    <button class="plain" aria-label="Full screen" title="Full screen" onClick={() => void document.documentElement.requestFullscreen().catch(() => {})}>
      <Icon name="full" />
    </button>
  );
}
