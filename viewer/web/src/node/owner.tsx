// Of a node that another manager watches: whose it is, and asking the owner itself in place
// of what is kept here.

import { useState } from 'preact/hooks';
import { get, nodeUrl } from '../api';
import { duration } from '../format';
import { ErrorText, useAction } from '../ui/form';
import type { NodeAnswer } from './reader';

/** ownerOf is the name of the manager whose the node is; undefined: it is of this one. */
export function ownerOf(node: Pick<NodeAnswer, 'labels' | 'properties'>): string | undefined {
  const id = node.properties?.find((p) => p.name === 'manager_id')?.value;
  return id === undefined ? undefined : (node.labels?.manager ?? id);
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
