// The side panel: everything that is known of one node.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type NodeDetail, type Rollup, nodeUrl } from '../api';
import { type Detail, DetailReader } from '../detail';
import { age, duration, exact, moment, plural, show } from '../format';
import { joinNames, names } from '../path';
import type { Store } from '../store';
import { none } from '../tree';
import { Group, Red, type Status, type StatusWord, White, Yellow, kindWords, statusWords } from '../wire';
import { Counts, Icon, Mark } from './marks';

const mostProblems = 8;
const mostEvents = 50;

export function Details({ store }: { store: Store }) {
  const path = store.selectedPath!;
  const { tree, selected: n } = store;
  const here = tree.has(n);
  const [detail, setDetail] = useState<Detail>({ path: '', node: undefined, error: '' });
  const reader = useRef<DetailReader | undefined>(undefined);
  reader.current ??= new DetailReader(setDetail);
  const mark = here ? `${tree.statusOf(n)} ${tree.value(n)} ${tree.isGroup(n) ? tree.leaves(n) : ''} ${store.link.state}` : 'gone';
  useEffect(() => reader.current!.watch(path, mark), [path, mark]);
  useEffect(() => () => reader.current!.stop(), []);

  const node: NodeDetail | undefined = detail.path === path ? detail.node : undefined;
  const error = detail.path === path ? detail.error : '';
  const parts = names(path);
  const name = parts.at(-1) ?? 'The whole tree';

  return (
    <aside class="details" aria-label={`Details of ${name}`} onKeyDown={(e) => e.key === 'Escape' && store.closeDetails()}>
      <header>
        {here ? <Mark status={tree.statusOf(n)} size={20} /> : null}
        <h2>{name}</h2>
        <button class="plain" onClick={() => store.closeDetails()} aria-label="Close details">
          <Icon name="close" />
        </button>
      </header>
      <div class="body">
        {parts.length > 1 ? (
          <nav class="crumbs" aria-label="Path">
            {parts.slice(0, -1).map((part, i) => (
              <span key={i}>
                <button class="link" onClick={() => store.show(joinNames(parts.slice(0, i + 1)))}>
                  {part}
                </button>
                {i < parts.length - 2 ? <span aria-hidden="true"> / </span> : null}
              </span>
            ))}
          </nav>
        ) : null}
        {node?.description ? <p class="description">{node.description}</p> : null}
        {here ? <Now store={store} n={n} node={node} /> : <Gone store={store} />}
        {error ? (
          <p class="trouble" role="status">
            {error} {node ? 'What you see below may be old.' : ''}
          </p>
        ) : null}
        {here ? <Cause store={store} n={n} node={node} /> : null}
        {here && tree.isGroup(n) ? <Problems store={store} n={n} causes={causesOf(store, n, node)} /> : null}
        <Thresholds node={node} />
        <Events node={node} store={store} />
        {node ? <Facts node={node} store={store} kind={here ? kindWords[tree.kind[n]!] : undefined} path={path} /> : null}
        <Section title="Raw">
          <p class="raw">
            <a href={nodeUrl(path)} target="_blank" rel="noreferrer">
              This node as JSON
            </a>
            <a href={`api/v1/tree?path=${encodeURIComponent(path)}`} target="_blank" rel="noreferrer">
              The tree from here as JSON
            </a>
            <a href="metrics" target="_blank" rel="noreferrer">
              Metrics for Prometheus
            </a>
          </p>
        </Section>
      </div>
    </aside>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** Now shows the value and the status as the live feed has them. */
function Now({ store, n, node }: { store: Store; n: number; node: NodeDetail | undefined }) {
  const { tree } = store;
  const status = tree.statusOf(n);
  const since = tree.since[n]!;
  const value = tree.shown(n);
  const unit = tree.units[n]!;
  const shown = show(value, unit);
  const reason = tree.reason(n) || (status === White ? (node?.reason ?? '') : '');
  const full = node?.value === undefined || node.value === null ? undefined : exact(node.value, unit);
  const wasted = status === White && node?.last && node.last !== 'white';
  return (
    <div class={`now ${statusWords[status]}`}>
      {tree.kind[n] === Group ? (
        <p class="big counts">
          <Counts of={(s) => tree.count(n, s)} />
        </p>
      ) : value === undefined ? null : typeof value === 'string' ? (
        <p class="words">{value}</p>
      ) : (
        <p class="big" title={full}>
          {shown.number} <span class="unit">{shown.unit}</span>
        </p>
      )}
      <p class="state">
        <b>{statusWords[status]}</b>
        {since > 0 ? (
          <>
            {' '}
            for {duration(store.now() - since)}, since {moment(since)}
          </>
        ) : null}
        {tree.flapping(n) ? <span class="note">flapping</span> : null}
        {tree.pending(n) ? <span class="note">hold time is running</span> : null}
      </p>
      {reason ? <p class="why">White because: {reason}</p> : null}
      {wasted ? <p class="why">Before that it was {node.last}.</p> : null}
    </div>
  );
}

function Gone({ store }: { store: Store }) {
  return (
    <p class="trouble">
      {store.loaded
        ? 'This node is not in the tree any more: its definition changed, or what it watched went away. It shows here again when it comes back.'
        : 'The tree is on its way.'}
    </p>
  );
}

function NodeLink({ store, path, from }: { store: Store; path: string; from: string }) {
  const inside = path.startsWith(from === '/' ? '/' : from + '/') ? path.slice(from === '/' ? 0 : from.length) : path;
  const n = store.tree.find(path);
  return (
    <button class="link node" onClick={() => store.show(path)} title={path}>
      {n === none ? null : <Mark status={store.tree.statusOf(n)} size={12} label={statusWords[store.tree.statusOf(n)]} />}
      <span>{names(inside).join(' / ')}</span>
    </button>
  );
}

/** causesOf returns the attributes below a group that give it its yellow or red. */
function causesOf(store: Store, n: number, node: NodeDetail | undefined): string[] {
  const status = store.tree.statusOf(n);
  if (!store.tree.isGroup(n) || (status !== Yellow && status !== Red)) return [];
  return (node?.cause ?? []).filter((path) => path !== node?.path).slice(0, mostProblems);
}

function Cause({ store, n, node }: { store: Store; n: number; node: NodeDetail | undefined }) {
  const causes = causesOf(store, n, node);
  if (causes.length === 0) return null;
  return (
    <Section title={`Why it is ${statusWords[store.tree.statusOf(n)]}`}>
      <NodeLinks store={store} paths={causes} from={store.tree.path(n)} />
    </Section>
  );
}

/** Problems lists what else is not green below a group. */
function Problems({ store, n, causes }: { store: Store; n: number; causes: string[] }) {
  const { tree } = store;
  const paths = store
    .problems(n, mostProblems + causes.length)
    .map((p) => tree.path(p))
    .filter((path) => !causes.includes(path))
    .slice(0, mostProblems);
  if (paths.length === 0) return null;
  const rest = tree.count(n, Red) + tree.count(n, Yellow) + tree.count(n, White) - paths.length - causes.length;
  return (
    <Section title={causes.length === 0 ? 'Not green' : 'Also not green'}>
      <NodeLinks store={store} paths={paths} from={tree.path(n)} />
      {rest > 0 ? <p class="hint">and {plural(rest, 'more node')}</p> : null}
    </Section>
  );
}

function NodeLinks({ store, paths, from }: { store: Store; paths: string[]; from: string }) {
  return (
    <ul class="list">
      {paths.map((path) => (
        <li key={path}>
          <NodeLink store={store} path={path} from={from} />
        </li>
      ))}
    </ul>
  );
}

function Thresholds({ node }: { node: NodeDetail | undefined }) {
  const t = node?.thresholds;
  if (!t || Object.keys(t).length === 0) return null;
  const level = (status: Status) => {
    const word = statusWords[status] as 'yellow' | 'red';
    const back = t.back?.[word];
    if (!t[word]) return null;
    return (
      <>
        <dt>
          <Mark status={status} size={12} />
          {word}
        </dt>
        <dd>
          {t[word]}
          {back?.length ? <span class="hint">, back at {back.join(' or ')}</span> : null}
        </dd>
      </>
    );
  };
  return (
    <Section title={t.tuned ? 'Thresholds, changed while running' : 'Thresholds'}>
      <dl>
        {level(Yellow)}
        {level(Red)}
        {Object.entries(t.states ?? {}).map(([text, word]) => {
          const status = Math.max(0, statusWords.indexOf(word as StatusWord)) as Status;
          return (
            <Fact key={text} name={text === '*' ? 'anything else' : text}>
              <span class="count">
                <Mark status={status} size={12} />
                {word}
              </span>
            </Fact>
          );
        })}
        {t.clear ? <Fact name="clears after">{short(t.clear)}</Fact> : null}
        {t.white ? <Fact name="white after">{short(t.white)} without a reading</Fact> : null}
        {t.flap ? (
          <Fact name="flapping at">
            {t.flap.changes} changes in {short(t.flap.window)}
          </Fact>
        ) : null}
      </dl>
    </Section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** short writes a duration of Go's without empty parts: "1m0s" is "1m". */
function short(duration: string): string {
  return duration.replace(/([hm])0s$/, '$1').replace(/h0m$/, 'h');
}

function rollupText(r: Rollup | undefined): string | undefined {
  if (!r) return undefined;
  const at = [r.yellow && `yellow at ${r.yellow}`, r.red && `red at ${r.red}`, r.green && `green at ${r.green}`].filter(Boolean).join(', ');
  const rule = r.rule.replaceAll('_', ' ') + (at ? `: ${at}` : '');
  const white = r.white && r.white !== 'keep' ? `, white children ${r.white === 'ignore' ? 'are left out' : `count as ${r.white}`}` : '';
  return rule + (r.cap ? `, no worse than ${r.cap}` : '') + white;
}

function edgeText(e: NodeDetail['edge']): string | undefined {
  if (!e || (e.as === 'as_is' && !e.weight)) return undefined;
  const as = e.as === 'fixed' ? `always ${e.fixed}` : e.as === 'as_is' ? '' : e.as.replaceAll('_', ' ');
  return [as, e.weight ? `weight ${e.weight}` : ''].filter(Boolean).join(', ');
}

function Events({ node, store }: { node: NodeDetail | undefined; store: Store }) {
  const events = node?.events ?? [];
  if (events.length === 0) return null;
  const newest = events
    .map((e) => ({ ...e, at: e.time ? Date.parse(e.time) : NaN }))
    .sort((a, b) => b.at - a.at)
    .slice(0, mostEvents);
  return (
    <Section title={events.length > mostEvents ? `Events (the newest ${mostEvents} of ${events.length})` : 'Events'}>
      <ol class="events">
        {newest.map((e, i) => {
          const status = Math.max(0, statusWords.indexOf(e.status ?? 'white')) as Status;
          return (
            <li key={`${e.time} ${i}`}>
              <Mark status={status} size={12} label={statusWords[status]} />
              <span class="text">{e.text}</span>
              {Number.isNaN(e.at) ? null : <time dateTime={e.time}>{moment(e.at, store.now())}</time>}
            </li>
          );
        })}
      </ol>
    </Section>
  );
}

function Facts({ node, store, kind, path }: { node: NodeDetail; store: Store; kind: string | undefined; path: string }) {
  const at = (time: string | undefined) => {
    const ms = time ? Date.parse(time) : NaN;
    return Number.isNaN(ms) ? undefined : `${moment(ms, store.now())}, ${age(store.now() - ms)} ago`;
  };
  const labels = Object.entries(node.labels ?? {}).map(([k, v]) => `${k}="${v}"`);
  const facts: [string, ComponentChildren][] = [
    ['Path', path.split('/').map((part, i) => (i === 0 ? part : [<wbr />, '/' + part]))],
    ['Kind', node.kind ?? kind],
    ['Exact value', typeof node.value === 'number' ? exact(node.value, node.unit ?? '') : undefined],
    ['Last reading', at(node.time)],
    ['How it is asked', modes[node.mode ?? ''] ?? node.mode],
    ['Source bean', node.source],
    ['Roll-up', rollupText(node.rollup)],
    ['In its parent', edgeText(node.edge)],
    ['Children', node.children ? String(node.children) : undefined],
    ['Grown by', node.owner],
    ['Metric', node.metric ? node.metric + (labels.length ? `{${labels.join(', ')}}` : '') : labels.join(', ')],
    ['Created', at(node.created)],
  ];
  return (
    <Section title="About">
      <dl>
        {facts.map(([name, text]) =>
          text ? (
            <Fact key={name} name={name}>
              {text}
            </Fact>
          ) : null,
        )}
      </dl>
    </Section>
  );
}

const modes: Record<string, string> = {
  timer: 'by the timer',
  push: 'it is pushed',
  request: 'when somebody looks',
  notification: 'when the source says that something is there',
};
