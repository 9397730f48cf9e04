// The overview: the whole tree, or a part of it, on one screen. What is worst stands
// first; a click goes into an area, the way back is above.

import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { age, figures, plural, show } from '../format';
import { useLive } from '../live';
import { joinNames, names } from '../path';
import { type Trouble, useTroubles } from '../problems/model';
import { may, nothingSeen } from '../session';
import { none } from '../tree';
import { Icon, Mark } from '../ui/marks';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import { type Area, areasOf, placeOf } from './areas';
import { AreaMap } from './map';

/** So many nodes are asked for, level by level: those inside large tiles are drawn, too. */
const someNodes = 12_000;
const drawMs = 250;

export function Overview() {
  const app = useApp();
  const path = app.route.params.in ?? '/';
  const { tree, version, loaded, refusal } = useLive({ path, some: someNodes });
  // A map of thousands of tiles follows a few times a second.
  const drawn = useRef({ version: -1, at: 0, tree });
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const now = performance.now();
  const late = drawn.current.version !== version && drawn.current.tree === tree && now - drawn.current.at < drawMs;
  if (!late && (drawn.current.version !== version || drawn.current.tree !== tree)) drawn.current = { version, at: now, tree };
  useEffect(() => {
    if (!late) return undefined;
    const timer = setTimeout(() => draw(undefined), drawMs);
    return () => clearTimeout(timer);
  }, [late]);
  const place = loaded ? placeOf(tree, tree.root) : none;
  const areas = useMemo(() => areasOf(tree, place), [tree, place, drawn.current]);
  const below = useCallback((area: Area) => areasOf(tree, area.index), [tree, drawn.current]);
  const inside = place === none ? path : tree.path(place);
  const enter = (to: string | undefined) => app.go('overview', to === undefined || to === '/' ? {} : { in: to });
  const out = () => {
    const way = names(path);
    if (way.length > 0) enter(joinNames(way.slice(0, -1)));
  };
  return (
    <div class="overview">
      <h1 class="hidden">Overview</h1>
      <div class="bar">
        <Crumbs path={inside} onGo={enter} />
        {place === none ? null : (
          <div class="chips" role="group" aria-label="Attributes by status">
            {([Red, Yellow, White, Green] as const).map((s) => (
              <a key={s} class={`chip ${statusWords[s]}`} href={s === Green ? app.href('tree', { status: 'green' }) : app.href('problems', { ...(inside === '/' ? {} : { in: inside }), status: statusWords[s] })}>
                <Mark status={s} size={12} />
                <span class="n">{figures(tree.count(place, s))}</span> {statusWords[s]}
              </a>
            ))}
            <a class="chip to-alerts" href={app.href('alerts', inside === '/' ? {} : { in: inside })}>
              <Icon name="bell" />
              {inside === '/' && app.alerts.known ? <span class="n">{figures(app.alerts.counts.open ?? 0)}</span> : null} alerts
            </a>
          </div>
        )}
      </div>
      <Strip path={path} hidden={place !== none && tree.hidden(tree.root)} />
      {refusal ? (
        <p class="overview-empty">{refusal}</p>
      ) : !loaded ? (
        <p class="overview-empty">Loading…</p>
      ) : areas.length === 0 ? (
        <p class="overview-empty">{path !== '/' ? 'There is nothing in this area.' : may(app.session, 'viewer') ? 'The tree is empty: put a definition into the definitions folder of this server.' : nothingSeen}</p>
      ) : (
        <AreaMap
          label={`${plural(areas.length, 'area')} of ${inside === '/' ? 'the whole tree' : inside}, the worst first`}
          areas={areas}
          below={below}
          theme={app.prefs.theme}
          onOpen={(a) => (a.group ? enter(a.key) : app.showNode(a.key))}
          onRest={() => app.go('tree', { open: inside })}
          onOut={out}
        />
      )}
      <p class="foot">
        {areas.length > 0 ? (
          <>
            <span>{plural(areas.length, 'area')}, the worst first; a tile is as large as it has attributes.</span>
            <span class="keys"> Arrow keys move, Enter goes in, Backspace goes out.</span>
          </>
        ) : null}
      </p>
    </div>
  );
}

function Crumbs({ path, onGo }: { path: string; onGo: (path: string) => void }) {
  const app = useApp();
  const way = names(path);
  return (
    <nav class="crumb-line" aria-label="Place in the tree">
      <ol>
        <li>{way.length === 0 ? <b aria-current="page">Everything</b> : <button class="link" onClick={() => onGo('/')}>Everything</button>}</li>
        {way.map((name, i) => {
          const to = joinNames(way.slice(0, i + 1));
          return <li key={to}>{i === way.length - 1 ? <b aria-current="page">{name}</b> : <button class="link" onClick={() => onGo(to)}>{name}</button>}</li>;
        })}
      </ol>
      {way.length > 0 ? (
        <button class="link" onClick={() => app.showNode(path)}>
          Details
        </button>
      ) : null}
    </nav>
  );
}

const cardWidth = 250;

/** Strip has the problems of this moment, as many as fit into a line. */
function Strip({ path, hidden }: { path: string; hidden: boolean }) {
  const app = useApp();
  const now = useNow();
  const { items, hits, loaded } = useTroubles({ path, statuses: [Red, Yellow], text: '' });
  const line = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(0);
  const [hand, setHand] = useState(false);
  const kept = useRef<readonly Trouble[]>([]);
  useLayoutEffect(() => {
    const element = line.current!;
    const measure = () => setRoom(Math.max(1, Math.floor((element.clientWidth - 130) / cardWidth)));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  // Under the pointer everything stays where it is.
  if (!hand || kept.current.length === 0) kept.current = items.slice(0, room);
  const fresh = new Map(items.map((i) => [i.path, i]));
  return (
    <section class="strip" aria-label="Problems now" ref={line} onPointerEnter={() => setHand(true)} onPointerLeave={() => setHand(false)}>
      {items.length === 0 ? (
        <p class="calm">
          {loaded ? (
            <>
              {hidden ? null : <Mark status={Green} />} No problems {app.at === undefined ? 'now' : 'then'}{hidden ? ' in what you may see' : ''}.
            </>
          ) : null}
        </p>
      ) : (
        <>
          {kept.current.map((before) => {
            const t = fresh.get(before.path) ?? { ...before, status: Green as Status };
            const v = show(t.value, t.unit);
            return (
              <button key={t.path} class={`card ${statusWords[t.status]}`} onClick={() => app.showNode(t.path)} title={t.path}>
                <Mark status={t.status} size={16} />
                <span class="what">
                  <b>{t.name}</b>
                  <span>{names(t.above).at(-1) ?? ''}</span>
                </span>
                <span class="how">
                  <span>
                    <span class="hidden">{statusWords[t.status]}, </span>
                    {v.number} {v.unit}
                  </span>
                  <span>{t.since > 0 ? age(now - t.since) : ''}</span>
                </span>
              </button>
            );
          })}
          <a class="all" href={app.href('problems', path === '/' ? {} : { in: path })}>
            {hits > kept.current.length ? `All ${figures(hits)} problems` : 'Problems'}
          </a>
        </>
      )}
    </section>
  );
}
