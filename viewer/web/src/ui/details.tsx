// The side panel: everything that is known of one node.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type NodeDetail, nodeUrl } from '../api';
import { type Detail, DetailReader } from '../detail';
import { age, duration, exact, moment, plural, show } from '../format';
import { joinNames, names } from '../path';
import type { Store } from '../store';
import { none } from '../tree';
import { Group, Red, type Status, White, Yellow, kindWords, statusWords } from '../wire';
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
        {here && tree.isGroup(n) ? <Problems store={store} n={n} cause={node?.cause?.at(-1)} /> : null}
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
  const value = tree.value(n);
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

/** Cause names the attribute that gives a group its status. */
function Cause({ store, n, node }: { store: Store; n: number; node: NodeDetail | undefined }) {
  const status = store.tree.statusOf(n);
  const leaf = node?.cause?.at(-1);
  if (!node || !leaf || !store.tree.isGroup(n) || leaf === node.path || (status !== Yellow && status !== Red)) return null;
  return (
    <Section title={`Why it is ${statusWords[status]}`}>
      <NodeLink store={store} path={leaf} from={store.tree.path(n)} />
    </Section>
  );
}

function Problems({ store, n, cause }: { store: Store; n: number; cause: string | undefined }) {
  const { tree } = store;
  const total = tree.count(n, Red) + tree.count(n, Yellow) + tree.count(n, White);
  const here = tree.path(n);
  const list = store
    .problems(n, mostProblems + 1)
    .map((p) => tree.path(p))
    .filter((path) => path !== cause)
    .slice(0, mostProblems);
  if (list.length === 0) return null;
  const rest = total - list.length - (cause === undefined ? 0 : 1);
  return (
    <Section title={cause === undefined ? 'Not green' : 'Also not green'}>
      <ul class="list">
        {list.map((path) => (
          <li key={path}>
            <NodeLink store={store} path={path} from={here} />
          </li>
        ))}
      </ul>
      {rest > 0 ? <p class="hint">and {plural(rest, 'more node')}</p> : null}
    </Section>
  );
}

/** thresholdText writes a level whether it comes as text or as an object. */
function thresholdText(v: unknown): string {
  if (v === null || v === undefined || v === '') return '';
  if (Array.isArray(v)) return v.map(thresholdText).join(', ');
  if (typeof v === 'object') {
    return Object.entries(v)
      .map(([k, w]) => `${k}: ${thresholdText(w)}`)
      .join(', ');
  }
  return String(v);
}

function Thresholds({ node }: { node: NodeDetail | undefined }) {
  const list = Object.entries(node?.thresholds ?? {})
    .map(([key, v]) => [key, thresholdText(v)] as const)
    .filter(([, text]) => text !== '');
  if (list.length === 0) return null;
  return (
    <Section title="Thresholds">
      <dl>
        {list.map(([key, text]) => {
          const status = statusWords.indexOf(key as (typeof statusWords)[number]);
          return [
            <dt key={key}>
              {status >= 0 ? <Mark status={status as Status} size={12} /> : null}
              {key.replaceAll('_', ' ')}
            </dt>,
            <dd key={key + '='}>{text}</dd>,
          ];
        })}
      </dl>
    </Section>
  );
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
    ['Roll-up', node.rollup],
    ['Children', node.children ? String(node.children) : undefined],
    ['Grown by', node.owner],
    ['Metric', node.metric ? node.metric + (labels.length ? `{${labels.join(', ')}}` : '') : labels.join(', ')],
    ['Created', at(node.created)],
  ];
  return (
    <Section title="About">
      <dl>
        {facts.map(([key, text]) =>
          text ? [<dt key={key}>{key}</dt>, <dd key={key + '='}>{text}</dd>] : null,
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
