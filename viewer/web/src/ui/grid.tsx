// The tree as a WAI-ARIA treegrid over a window of rows.
//
// The keyboard is on a row or on one of its cells (roving tabindex): arrows up and
// down move between rows, right opens and then enters the cells, left leaves them,
// closes, and then goes to the parent. The row that the keyboard is on stays in the
// document when it is scrolled out, so that the browser's focus is never lost.

import { Component } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { age, show } from '../format';
import type { Branch } from '../peers/branches';
import type { Store } from '../store';
import { type Tree, none } from '../tree';
import { Green, White, Yellow, statusWords } from '../wire';
import { Counts, Icon, Mark } from './marks';
import { narrow } from './phone';

const around = 6; // rows drawn before and after the window
const cells = 4;
const flashMs = 1800;
const tickMs = 900;

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

export function Grid({ store, branches }: { store: Store; branches: readonly Branch[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { rows, tree, selected } = store;
  const now = performance.now();
  const shown = store.app.shown();
  const range = store.range();
  const scrollTop = store.scrollTo ?? store.scrollTop;

  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = () => {
      store.viewport = element.clientHeight;
      store.rowHeight = parseFloat(getComputedStyle(element).getPropertyValue('--row')) || 30;
      store.changed();
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [store]);

  useLayoutEffect(() => {
    const element = scroller.current!;
    if (store.scrollTo !== undefined) {
      element.scrollTop = store.scrollTo;
      store.scrollTop = element.scrollTop;
      store.scrollTo = undefined;
    }
    if (!store.grabFocus) return;
    store.grabFocus = false;
    const row = element.querySelector<HTMLElement>(`[data-node="${store.focus}"]`);
    const target = store.cell < 0 ? row : (row?.children[store.cell] as HTMLElement | undefined);
    target?.focus({ preventScroll: true });
  });

  // The size of the rows changes with the size of the window.
  useEffect(() => {
    const changed = () => {
      store.rowHeight = parseFloat(getComputedStyle(scroller.current!).getPropertyValue('--row')) || 30;
      store.changed();
    };
    narrow.addEventListener('change', changed);
    return () => narrow.removeEventListener('change', changed);
  }, [store]);

  const tabStop = stopOf(store);
  const joined = new Map(branches.map((b) => [tree.find(b.path), b]));
  const drawn: number[] = [];
  const [from, to] = range.window(scrollTop, around);
  for (let r = from; r < to; r++) drawn.push(r);
  const stopRow = rows.rowOf(tabStop);
  if (stopRow !== none && stopRow < from) drawn.unshift(stopRow);
  else if (stopRow >= to) drawn.push(stopRow);

  return (
    <div
      class="treegrid"
      role="treegrid"
      aria-label="Monitor tree"
      aria-rowcount={rows.length + 1}
      aria-colcount={cells}
      onKeyDown={(event) => onKey(event, store)}
    >
      <div class="head" role="rowgroup">
        <div class="row" role="row" aria-rowindex={1}>
          <span role="columnheader">Node</span>
          <span role="columnheader">Status</span>
          <span role="columnheader" class="for">
            For
          </span>
          <span role="columnheader">Value</span>
        </div>
      </div>
      <div
        class="scroller"
        role="rowgroup"
        ref={scroller}
        onScroll={(event) => {
          store.scrollTop = event.currentTarget.scrollTop;
          store.changed();
        }}
        onPointerMove={(event) => {
          if (event.pointerType === 'mouse') store.pointAt(nodeOf(event.target));
        }}
        onPointerLeave={() => store.pointAt(none)}
        onFocusIn={(event) => {
          const node = nodeOf(event.target);
          if (node === none) return;
          const at = event.target as Element;
          store.arrived(node, at.matches('[data-node]') ? -1 : [...at.parentElement!.children].indexOf(at));
        }}
        onClick={(event) => onClick(event, store)}
        onDblClick={(event) => {
          const node = nodeOf(event.target);
          if (node !== none && !narrow.matches && !acts(event.target)) store.toggle(node);
        }}
      >
        <div class="sizer" role="none" style={{ height: `${range.height}px` }}>
          {drawn.map((r) => {
            const n = rows.node[r]!;
            const branch = joined.get(n);
            const fresh = (at: number, ms: number) => (at > 0 && now - at < ms && !reducedMotion.matches ? at : 0);
            return (
              <Row
                key={n}
                store={store}
                tree={tree}
                node={n}
                stamp={tree.stamp[n]!}
                row={r}
                top={range.offset(r, scrollTop)}
                position={rows.position[r]!}
                siblings={rows.siblings[tree.parent[n]!]!}
                open={rows.canOpen(n) ? rows.isOpen(n) : undefined}
                way={rows.filtering && !rows.matches.isHit(n)}
                stop={n === tabStop ? store.cell : undefined}
                selected={n === selected}
                of={branch?.manager}
                lost={branch?.lost === undefined ? undefined : age(shown - branch.lost)}
                age={tree.since[n]! > 0 ? age(shown - tree.since[n]!) : ''}
                flash={fresh(tree.flashed[n]!, flashMs)}
                tick={fresh(tree.ticked[n]!, tickMs)}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  store: Store;
  tree: Tree;
  node: number;
  stamp: number; // of what the tree says of the node
  row: number;
  top: number; // pixels from the top of the sizer
  position: number; // among its siblings, from 1
  siblings: number;
  open: boolean | undefined; // undefined: there is nothing to open
  way: boolean; // to a match, not one itself
  stop: number | undefined; // the cell that the tab key stops at, -1 for the row; undefined: in another row
  selected: boolean;
  of: string | undefined; // the manager whose tree hangs here
  lost: string | undefined; // for how long its link has been lost
  age: string;
  flash: number; // page clock (ms) of the change of status that still flashes, or 0
  tick: number; // and of the change of value
}

/** Row is drawn again only when something of it changed: most do not while the others scroll. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((k) => next[k] !== this.props[k]);
  }

  override render(props: RowProps) {
    return drawRow(props);
  }
}

function drawRow({ store, tree, node: n, row, top, position, siblings, open, way, stop, selected, of, lost, age, flash, tick }: RowProps) {
  const status = tree.statusOf(n);
  const word = statusWords[status];
  const opens = open !== undefined;
  const level = store.rows.level[row]!;
  const tabbed = (cell: number) => (stop === cell ? 0 : -1);
  return (
    <div
      class={`row ${word}${tree.isGroup(n) ? ' group' : ''}${way ? ' way' : ''}`}
      role="row"
      data-node={n}
      style={{ transform: `translateY(${top}px)` }}
      tabIndex={tabbed(-1)}
      aria-rowindex={row + 2}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={siblings}
      aria-expanded={open}
      aria-selected={selected}
      aria-busy={open && tree.first[n] === none ? true : undefined}
    >
      <span class="name" role="rowheader" tabIndex={tabbed(0)} style={{ '--level': level - 1 }}>
        <span class={`twisty${open ? ' open' : ''}${opens ? '' : ' leaf'}`} data-act="toggle" aria-hidden="true">
          {opens ? <Icon name="chevron" /> : null}
        </span>
        <Mark status={status} />
        <span class="text">{tree.names[n]}</span>
        {of === undefined ? null : (
          <span class="note" title={`Here hangs the tree of the manager ${of}`}>
            {of === tree.names[n] ? 'joined' : `of ${of}`}
          </span>
        )}
        {lost === undefined ? null : <span class="note lost">link lost for {lost}</span>}
      </span>
      <span class="status" role="gridcell" tabIndex={tabbed(1)}>
        {word}
        {tree.flapping(n) ? <span class="note">flapping</span> : null}
        {tree.pending(n) ? (
          <span class="note" title="A hold time is running: the status may change soon">
            holding
          </span>
        ) : null}
        {tree.hidden(n) ? (
          <span class="note" title="Something below that you may not see contributes to this status">
            and hidden
          </span>
        ) : null}
      </span>
      <span class="for" role="gridcell" tabIndex={tabbed(2)}>
        {age}
      </span>
      <span class="value" role="gridcell" tabIndex={tabbed(3)}>
        <Value tree={tree} node={n} loading={open === true && tree.first[n] === none} tick={tick} />
      </span>
      {tree.isGroup(n) && status >= Yellow ? (
        <span class="cause" role="none" data-act="cause" aria-hidden="true" title={`Why it is ${word} (c)`}>
          <Icon name="cause" />
        </span>
      ) : null}
      <span class="more" role="none" data-act="details" aria-hidden="true">
        <Icon name="info" />
      </span>
      {flash ? <i key={flash} class="flash" aria-hidden="true" /> : null}
    </div>
  );
}

function Value({ tree, node, loading, tick }: { tree: Tree; node: number; loading: boolean; tick: number }) {
  if (tree.isGroup(node)) {
    return (
      <>
        <Counts of={(s) => tree.count(node, s)} />
        {loading ? <span class="loading">opening…</span> : null}
      </>
    );
  }
  const reason = tree.reason(node);
  const value = tree.shown(node);
  // Also a node of the past that is not white may have none: its texts are not kept.
  if (reason && (value === undefined || tree.statusOf(node) === White)) {
    return (
      <span class="reason" title={reason}>
        {reason}
      </span>
    );
  }
  if (value === undefined) return <span class="reason">no value</span>;
  if (typeof value === 'string') {
    return (
      <span class="words" title={value}>
        {value}
      </span>
    );
  }
  const shown = show(value, tree.units[node]);
  return (
    <>
      <span class="number">
        {shown.number}
        {tick && tree.statusOf(node) >= Green ? <i key={tick} class="tick" aria-hidden="true" /> : null}
      </span>
      <span class="unit">{shown.unit}</span>
    </>
  );
}

function nodeOf(target: EventTarget | null): number {
  const row = target instanceof Element ? target.closest<HTMLElement>('[data-node]') : null;
  return row ? Number(row.dataset.node) : none;
}

function acts(target: EventTarget | null): string | undefined {
  return target instanceof Element ? target.closest<HTMLElement>('[data-act]')?.dataset.act : undefined;
}

function onClick(event: MouseEvent, store: Store): void {
  const node = nodeOf(event.target);
  if (node === none) return;
  const act = acts(event.target);
  const opens = store.rows.canOpen(node);
  store.focusOn(node);
  if (act === 'toggle' && opens) store.toggle(node);
  else if (act === 'cause') void store.showCause(node);
  else if (narrow.matches && opens && act !== 'details') store.toggle(node); // a thumb opens branches; details have their own spot
  else store.select(node);
}

/** stopOf returns the node of the row that the tab key stops at, or none. */
function stopOf({ rows, focus }: Store): number {
  if (rows.rowOf(focus) !== none) return focus;
  return rows.length > 0 ? rows.node[0]! : none;
}

function onKey(event: KeyboardEvent, store: Store): void {
  const at = stopOf(store);
  if (event.altKey || event.metaKey || at === none) return;
  const { rows, tree } = store;
  const row = rows.rowOf(at);
  const move = (to: number) => {
    const node = rows.node[Math.max(0, Math.min(rows.length - 1, to))]!;
    store.focusOn(node, store.cell);
    if (store.app.route.node !== undefined && !narrow.matches) store.select(node); // an open panel follows
  };
  const page = Math.max(1, Math.floor(store.viewport / store.rowHeight) - 1);
  switch (event.key) {
    case 'ArrowDown':
      move(row + 1);
      break;
    case 'ArrowUp':
      move(row - 1);
      break;
    case 'PageDown':
      move(row + page);
      break;
    case 'PageUp':
      move(row - page);
      break;
    case 'Home':
      if (store.cell >= 0 && !event.ctrlKey) store.focusOn(at, 0);
      else move(0);
      break;
    case 'End':
      if (store.cell >= 0 && !event.ctrlKey) store.focusOn(at, cells - 1);
      else move(rows.length - 1);
      break;
    case 'ArrowRight':
      if (store.cell < 0 && rows.canOpen(at) && !rows.isOpen(at)) store.toggle(at, true);
      else store.focusOn(at, Math.min(cells - 1, store.cell + 1));
      break;
    case 'ArrowLeft':
      if (store.cell >= 0) store.focusOn(at, store.cell - 1);
      else if (rows.isOpen(at)) store.toggle(at, false);
      else if (tree.parent[at] !== tree.root) store.focusOn(tree.parent[at]!);
      break;
    case 'Enter':
      if (store.cell === 0 && rows.canOpen(at)) store.toggle(at);
      else store.select(at);
      break;
    case ' ':
      store.toggle(at);
      break;
    case '*':
      store.openSiblings(at);
      break;
    case 'c':
      if (event.ctrlKey) return; // copies
      if (!store.typing && tree.isGroup(at) && tree.statusOf(at) >= Yellow) void store.showCause(at);
      else store.typeAhead(event.key);
      break;
    case 'Escape':
      if (store.cell >= 0) store.focusOn(at);
      else if (store.app.route.node !== undefined) store.closePanel();
      else return;
      break;
    default:
      if (event.key.length !== 1 || event.ctrlKey || event.key === '/' || event.key === '?') return;
      store.typeAhead(event.key);
  }
  event.preventDefault();
  event.stopPropagation();
}
