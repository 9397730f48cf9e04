// The panel of a node: everything that is known of it, now or at the moment that the page
// shows.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useApp, useNow } from '../app';
import { nodeUrl } from '../api';
import { age, duration, exact, moment, show } from '../format';
import { type Live, useLive } from '../live';
import { joinNames, names } from '../path';
import { Counts, Icon, Mark } from '../ui/marks';
import { Group, White, kindWords, statusWords } from '../wire';
import { NodeAlerts } from './alert';
import { Beans } from './beans';
import { Facts } from './facts';
import { History, type Live as Present } from './history';
import { type Line, linesOf } from './level';
import { NodeLink } from './link';
import { Log } from './log';
import { Away, Owner } from './owner';
import { type NodeAnswer, useNode } from './reader';
import { statusOf } from './series';
import { Thresholds } from './thresholds';

export function NodePanel({ path }: { path: string }) {
  const app = useApp();
  const live = useLive({ path, depth: 0 });
  const { tree } = live;
  const n = tree.root;
  const here = live.loaded && n >= 0;
  const mark = here ? `${tree.statusOf(n)} ${tree.value(n)} ${tree.isGroup(n) ? [0, 1, 2, 3].map((s) => tree.count(n, s as 0 | 1 | 2 | 3)).join() : ''} ${app.feed.link.state}` : 'gone';
  const reading = useNode(path, app.at, mark);
  const { node, error } = reading;
  const [preview, setPreview] = useState<{ path: string; lines: Line[] } | undefined>(undefined);

  const parts = names(path);
  const name = parts.at(-1) ?? 'The whole tree';
  const kind = node?.kind ?? (here ? kindWords[tree.kind[n]!] : undefined);
  const numbers = kind === 'performance';
  const status = here ? tree.statusOf(n) : statusOf(node?.status);
  const raw = here && status !== White ? tree.value(n) : undefined;
  const present: Present = { status, value: typeof raw === 'number' ? raw : undefined };
  const way = node?.kind === 'group' && node.rollup === undefined; // only on the way to what may be seen
  const lines = preview?.path === path ? preview.lines : linesOf(node?.thresholds);
  return (
    <>
      <header>
        {here || node ? <Mark status={status} size={20} /> : null}
        <h2>{name}</h2>
        <button class="plain" onClick={() => app.showNode(undefined)} aria-label="Close details">
          <Icon name="close" />
        </button>
      </header>
      <div class="body node-body" tabIndex={-1}>
        <Crumbs parts={parts} />
        {node?.description ? <p class="description">{node.description}</p> : null}
        {here || node ? <Now live={live} node={node} /> : <Gone live={live} error={error} />}
        {error && (here || node) ? (
          <p class="trouble" role="status">
            {error} {node ? 'What you see below may be old.' : ''}
          </p>
        ) : null}
        {node ? <Cause node={node} /> : null}
        {node && app.at === undefined ? <Away node={node} /> : null}
        {node && app.at === undefined ? <Owner key={path} node={node} take={reading.take} /> : null}
        {app.at === undefined && kind !== undefined && kind !== 'text' && !way ? <NodeAlerts key={path} path={path} group={kind === 'group'} /> : null}
        {kind !== undefined && !way ? <History key={path} path={path} name={name} unit={node?.unit ?? ''} numbers={numbers} lines={numbers ? lines : []} live={present} /> : null}
        {node ? (
          <Thresholds
            key={path}
            node={node}
            take={reading.take}
            preview={(l) => setPreview(l ? { path, lines: l } : undefined)}
          />
        ) : null}
        {way ? <p class="hint">Of this group you see what is on the way to the nodes that you may see.</p> : null}
        {kind !== undefined ? <Log key={path} path={path} group={kind === 'group'} way={way} mark={`${status} ${kind === 'log' || kind === 'group' ? mark : ''} ${node?.thresholds?.tuned ?? ''}`} /> : null}
        {node ? <Beans key={path + (app.at ?? '')} node={node} take={reading.take} again={reading.again} /> : null}
        {node ? <Facts node={node} /> : null}
        {here || node ? (
          <Section title="Raw">
            <p class="raw">
              <a href={nodeUrl(path) + then(app.at)} target="_blank" rel="noreferrer">
                This node as JSON
              </a>
              <a href={`api/v1/tree?path=${encodeURIComponent(path)}${then(app.at).replace('?', '&')}`} target="_blank" rel="noreferrer">
                The tree from here as JSON
              </a>
              {numbers ? (
                <a href={`api/v1/history?format=csv&from=-24h&path=${encodeURIComponent(path)}`} download="history.csv">
                  The last day as CSV
                </a>
              ) : null}
            </p>
          </Section>
        ) : null}
      </div>
    </>
  );
}

function then(at: number | undefined): string {
  return at === undefined ? '' : `?at=${encodeURIComponent(new Date(at).toISOString())}`;
}

export function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** Crumbs are the way to the node. */
function Crumbs({ parts }: { parts: string[] }) {
  const app = useApp();
  if (parts.length === 0) return null;
  const above = parts.slice(0, -1);
  return (
    <nav class="crumbs" aria-label="Path">
      <button class="link" onClick={() => app.showNode('/')}>
        All
      </button>
      {above.map((part, i) => (
        <span key={i}>
          <span aria-hidden="true"> / </span>
          <button class="link" onClick={() => app.showNode(joinNames(parts.slice(0, i + 1)))}>
            {part}
          </button>
        </span>
      ))}
    </nav>
  );
}

/** Now shows value and status as the live feed has them, or as they were at the moment that is shown. */
function Now({ live, node }: { live: Live; node: NodeAnswer | undefined }) {
  const app = useApp();
  const shown = useNow();
  const { tree } = live;
  const n = tree.root;
  const here = live.loaded && n >= 0;
  const status = here ? tree.statusOf(n) : statusOf(node?.status);
  const since = here && tree.since[n]! > 0 ? tree.since[n]! : Date.parse(node?.since ?? '');
  const group = here ? tree.kind[n] === Group : node?.kind === 'group';
  const value = here ? tree.shown(n) : (node?.value ?? undefined);
  const unit = (here ? tree.units[n] : undefined) ?? node?.unit ?? '';
  const figure = show(value, unit);
  const reason = (here ? tree.reason(n) : '') || (status === White || app.at !== undefined ? (node?.reason ?? '') : '');
  const before = status === White && node?.last && node.last !== 'white';
  const count = (s: 0 | 1 | 2 | 3) => (here ? tree.count(n, s) : (node?.counts?.[statusWords[s]] ?? 0));
  const hidden = here ? tree.hidden(n) : node?.hidden;
  return (
    <div class={`now ${statusWords[status]}`}>
      {app.at === undefined ? null : <p class="then">At {moment(app.at, app.now())}</p>}
      {group ? (
        <p class="big counts">
          <Counts of={count} />
        </p>
      ) : value === undefined || value === null ? null : typeof value === 'string' ? (
        <p class="words">{value}</p>
      ) : (
        <p class="big" title={node?.value === undefined || node.value === null ? undefined : exact(node.value, unit)}>
          {figure.number} <span class="unit">{figure.unit}</span>
        </p>
      )}
      <p class="state">
        <b>{statusWords[status]}</b>
        {since > 0 ? (
          <>
            {' '}
            for {duration(shown - since)}, since {moment(since, shown)}
          </>
        ) : null}
        {(here ? tree.flapping(n) : node?.flapping) ? <span class="note">flapping</span> : null}
        {(here ? tree.pending(n) : node?.pending) ? <span class="note">hold time is running</span> : null}
      </p>
      {reason ? <p class="why">{status === White ? `White because: ${reason}` : reason}</p> : null}
      {before ? <p class="why">Before that it was {node.last}.</p> : null}
      {hidden ? <p class="why">Something below that you may not see contributes to this status.</p> : null}
      {node?.time && !group ? (
        <p class="fresh">
          Last reading {age(shown - Date.parse(node.time))} ago
        </p>
      ) : null}
    </div>
  );
}

function Gone({ live, error }: { live: Live; error: string }) {
  const app = useApp();
  const away = live.refusal || error;
  if (!live.loaded && !away) return <p class="hint">The node is on its way.</p>;
  return (
    <p class="trouble">
      {live.loaded
        ? app.at === undefined
          ? 'This node is not in the tree any more: its definition changed, or what it watched went away. It shows here again when it comes back.'
          : 'This node was not in the tree then.'
        : away}
    </p>
  );
}

/** Cause links the attributes that give a group its yellow or red. */
function Cause({ node }: { node: NodeAnswer }) {
  const causes = (node.cause ?? []).filter((path) => path !== node.path);
  if (causes.length === 0) return null;
  return (
    <Section title={`Why it is ${node.status}`}>
      <ul class="list">
        {causes.map((path) => (
          <li key={path}>
            <NodeLink path={path} from={node.path} />
          </li>
        ))}
      </ul>
    </Section>
  );
}
