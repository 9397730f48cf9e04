// A link to another node: it opens that node's panel.

import { useApp } from '../app';
import { names } from '../path';

/** NodeLink writes a path as seen from a node above it; bare leaves out the marks between the names. */
export function NodeLink({ path, from, bare }: { path: string; from: string; bare?: boolean }) {
  const app = useApp();
  const inside = path.startsWith(from === '/' ? '/' : from + '/') ? path.slice(from === '/' ? 0 : from.length) : path;
  return (
    <button class={bare ? 'link' : 'link node'} onClick={() => app.showNode(path)} title={path}>
      <span>{names(inside).join(' / ') || 'The whole tree'}</span>
    </button>
  );
}
