// Of a node that another manager watches: whose it is, and asking the owner itself in place
// of what is kept here.

import { useState } from 'preact/hooks';
import { get, nodeUrl } from '../api';
import { duration } from '../format';
import { ErrorText, useAction } from '../ui/form';
import { NodeLink } from './link';
import type { NodeAnswer } from './reader';

/** ownerOf is the name of the manager whose the node is; undefined: it is of this one. */
export function ownerOf(node: Pick<NodeAnswer, 'labels' | 'properties'>): string | undefined {
  const id = node.properties?.find((p) => p.name === 'manager_id')?.value;
  return id === undefined ? undefined : (node.labels?.manager ?? id);
}

/** awayOf says of a node that stands for a device which another manager watches who that is, and where it is seen. */
export function awayOf(node: Pick<NodeAnswer, 'properties' | 'labels'>): { text: string; path: string | undefined; page: string | undefined } | undefined {
  const of = (name: string) => node.properties?.find((p) => p.name === name)?.value || undefined;
  const text = of('elsewhere');
  if (text === undefined) return undefined;
  const [path, page] = [of('elsewhere_path'), of('elsewhere_page')];
  // A path is one of the tree of who says so.
  return { text: text.replace(`: see ${path ?? page}`, ''), path: ownerOf(node) === undefined ? path : undefined, page: page && /^https?:/.test(page) ? page : undefined };
}

/** Away leads from a node that stands for a device to where the device is watched. */
export function Away({ node }: { node: NodeAnswer }) {
  const away = awayOf(node);
  if (away === undefined) return null;
  return (
    <section aria-label="Watched elsewhere">
      <h3>Watched elsewhere</h3>
      <p>{away.text}. Nothing is known of it here: it counts for nothing, and alerts nobody.</p>
      {away.path ? (
        <p>
          It hangs here at <NodeLink path={away.path} from="/" />
        </p>
      ) : null}
      {away.page ? (
        <p>
          <a href={away.page} target="_blank" rel="noreferrer">
            See it on the page of that manager
          </a>
        </p>
      ) : null}
    </section>
  );
}

export function Owner({ node, take }: { node: NodeAnswer; take: (node: NodeAnswer) => void }) {
  const asking = useAction();
  const [told, tell] = useState('');
  const owner = ownerOf(node);
  if (owner === undefined) return null;
  const ask = () =>
    void asking.run(async () => {
      tell('');
      const began = performance.now();
      take(await get<NodeAnswer>(`${nodeUrl(node.path)}?from=owner`));
      const took = performance.now() - began;
      tell(`${owner} answered after ${took < 1000 ? `${Math.round(took)} ms` : duration(took)}.`);
    });
  return (
    <section aria-label="Owner">
      <div class="section-head">
        <h3>Owner</h3>
        <button disabled={asking.busy} aria-busy={asking.busy} onClick={ask}>
          Ask its owner
        </button>
      </div>
      <p>
        <b>{owner}</b> watches this node; shown is what it told last.
      </p>
      <p class="soft" role="status">
        {told}
      </p>
      <ErrorText text={asking.error} />
    </section>
  );
}
