// What there is to know of a node besides how it is: what it stands for, where its
// readings come from, and how its status is made.

import type { ComponentChildren } from 'preact';
import type { NodeDetail, Rollup } from '../api';
import { useApp, useNow } from '../app';
import { age, exact, moment } from '../format';
import { NodeLink } from './link';
import type { NodeAnswer } from './reader';

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

export function Facts({ node }: { node: NodeAnswer }) {
  const app = useApp();
  const now = useNow();
  const at = (time: string | undefined) => {
    const ms = time ? Date.parse(time) : NaN;
    return Number.isNaN(ms) ? undefined : `${moment(ms, app.now())}, ${age(now - ms)} ${app.at === undefined ? 'ago' : 'before'}`;
  };
  const labels = Object.entries(node.labels ?? {}).map(([k, v]) => `${k}="${v}"`);
  const facts: [string, ComponentChildren][] = [
    ['Path', node.path.split('/').map((part, i) => (i === 0 ? part : [<wbr />, '/' + part]))],
    ['Kind', node.kind],
    ['Resource', node.resource],
    ['Exact value', typeof node.value === 'number' ? exact(node.value, node.unit ?? '') : undefined],
    ['Last reading', at(node.time)],
    ['Last change', at(node.since)],
    ['Created', at(node.created)],
    ['How it is asked', node.mode && (modes[node.mode] ?? node.mode)],
    ['Source', node.beans?.length ? undefined : node.source],
    ['Status follows', node.kind === 'group' ? rollupText(node.rollup) : undefined],
    ['In its parent', edgeText(node.edge)],
    ['Children', node.children ? String(node.children) : undefined],
    ['Grown by', node.owner],
    ['Metric', node.metric ? node.metric + (labels.length ? `{${labels.join(', ')}}` : '') : labels.join(', ')],
  ];
  const properties = node.properties ?? [];
  return (
    <>
      <section aria-label="About">
        <h3>{app.at === undefined ? 'About' : 'About, as it is today'}</h3>
        <dl>
          {facts.map(([name, text]) =>
            text ? (
              <Fact key={name} name={name}>
                {text}
              </Fact>
            ) : null,
          )}
        </dl>
      </section>
      {properties.length > 0 ? (
        <section aria-label="Properties">
          <h3>Properties</h3>
          <dl>
            {properties.map((p) => (
              <Fact key={p.name} name={p.name}>
                {link.test(p.value) ? (
                  <a href={p.value} target="_blank" rel="noreferrer">
                    {p.value}
                  </a>
                ) : (
                  p.value
                )}
                {p.from ? (
                  <span class="hint">
                    , from <NodeLink path={p.from} from="/" bare />
                  </span>
                ) : null}
              </Fact>
            ))}
          </dl>
        </section>
      ) : null}
    </>
  );
}

/** link is what a property may lead to: no other kind of address is followed. */
const link = /^https?:\/\/\S+$/i;

const modes: Record<string, string> = {
  timer: 'by the timer',
  push: 'its readings are sent to it',
  request: 'when somebody looks',
  notification: 'when its source says that something is there',
};

const whites: Record<string, string> = {
  keep: 'a white child counts as what it was before',
  ignore: 'white children are left out',
};

/** rollupText says in a sentence how the status of a group follows from its children. */
export function rollupText(r: Rollup | undefined): string {
  if (!r) return '';
  const from = (n: number | undefined, text: string) => (n ? text : '');
  const are = (n: number | undefined) => (n === 1 ? '1 child is' : `${n} children are`);
  const rules: Record<string, string> = {
    worst: 'the worst of its children',
    best: 'the best of its children',
    at_least: [from(r.yellow, `yellow when at least ${are(r.yellow)} yellow or worse`), from(r.red, `red when at least ${are(r.red)} red`)].filter(Boolean).join(', '),
    need: `green while at least ${are(r.green)} green, yellow while that many are green or yellow, else red`,
    percent: [from(r.yellow, `yellow when ${r.yellow} % of the children are yellow or worse`), from(r.red, `red when ${r.red} % are red`)].filter(Boolean).join(', '),
    weighted: [from(r.yellow, `yellow when children of ${r.yellow} % of all weight are bad`), from(r.red, `red at ${r.red} %`), 'yellow ones count half'].filter(Boolean).join(', '),
  };
  const white = r.white ? (whites[r.white] ?? `a white child counts as ${r.white}`) : '';
  return [rules[r.rule] || r.rule.replaceAll('_', ' '), r.cap ? `but never worse than ${r.cap}` : '', white].filter(Boolean).join('; ');
}

function edgeText(e: NodeDetail['edge']): string | undefined {
  if (!e || (e.as === 'as_is' && !e.weight)) return undefined;
  const words: Record<string, string> = { as_is: '', one_up: 'its yellow counts as red', one_down: 'counts one better', ignore: 'does not count', fixed: `always counts as ${e.fixed}` };
  return [words[e.as] ?? e.as, e.weight ? `weight ${e.weight}` : ''].filter(Boolean).join(', ');
}
