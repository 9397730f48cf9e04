// The panel of a node.

import { useApp } from '../app';
import { useLive } from '../live';
import { statusWords } from '../wire';
import { Icon, Mark } from '../ui/marks';
import { names } from '../path';
import { show } from '../format';

export function NodePanel({ path }: { path: string }) {
  const app = useApp();
  const { tree, loaded, refusal } = useLive({ path, depth: 0 });
  const n = tree.root;
  const value = show(n < 0 ? undefined : tree.shown(n), tree.units[n]);
  return (
    <>
      <header>
        {n >= 0 ? <Mark status={tree.statusOf(n)} size={20} /> : null}
        <h2>{names(path).at(-1) ?? 'The whole tree'}</h2>
        <button class="plain" onClick={() => app.showNode(undefined)} aria-label="Close details">
          <Icon name="close" />
        </button>
      </header>
      <div class="body">{refusal || (loaded && n >= 0 ? `${statusWords[tree.statusOf(n)]} ${value.number} ${value.unit}` : '')}</div>
    </>
  );
}
