// A list of any length: only the rows in the window are in the document, a click on the
// head of a column sorts by it, and the arrow keys move between rows.
//
// Nothing jumps under the pointer: while it moves over the rows, or keys are pressed in
// them, the rows stay where they are. What they say still changes, what went is drawn as
// gone, and what is new waits below; the order is put right once the hand rests.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { ScrollRange } from '../scroll';

/** Column is one column of a List. */
export interface Column<T> {
  name: string; // for sorting, and the class of its cells: "c-name"
  title: string;
  draw(item: T): ComponentChildren;
  order?(a: T, b: T): number; // absent: nobody can sort by it
  down?: boolean; // the first click sorts downwards
  width?: string; // as in grid-template-columns, minmax(0, 1fr) by default
  slim?: string | false; // on the phone; false: not there
}

/** Sort is the order of a list. */
export interface Sort {
  column: string;
  down: boolean;
}

export interface ListProps<T> {
  label: string; // for screen readers
  name: string; // class of the list
  items: readonly T[]; // in the order that holds when nobody sorts
  columns: readonly Column<T>[];
  keyOf(item: T): string;
  rowClass?(item: T): string;
  sort?: Sort; // as it is at first, or as the caller keeps it together with onSort
  onSort?(sort: Sort | undefined): void;
  onOpen?(item: T): void; // click, tap, Enter
  selected?: string | undefined; // key
  live?: boolean; // items come and go by themselves: hold them still under the pointer
  order?: string; // what somebody changed the order by: when it is another, the rows are put in order at once
  row?: number; // height in pixels, 32 by default
  slimRow?: number; // on the phone, 48 by default
  more?(): void; // the end is in the window: fetch more
  marks?: Marks<T>; // rows can be marked, to do something with many
  empty?: ComponentChildren;
}

/** Marks are the rows that somebody has chosen: by their boxes, with shift a stretch of
 * them, and by the space bar, shift with the arrows, and control with A. */
export interface Marks<T> {
  of: ReadonlySet<string>; // keys
  can(item: T): boolean;
  label(item: T): string; // of its box: "Choose /shop/web1/Up"
  onMark(keys: readonly string[], marked: boolean): void;
}

const around = 6; // rows drawn before and after the window
const holdMs = 2000; // how long the rows stay after a move or a key
const slimQuery = matchMedia('(max-width: 760px)');

/** Held is what the rows show while they are held still. */
interface Held<T> {
  keys: string[];
  items: Map<string, T>;
}

export function List<T>(props: ListProps<T>) {
  const { items, columns, keyOf } = props;
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const [own, setOwn] = useState<Sort | undefined>(props.sort);
  const sort = props.onSort ? props.sort : own;
  const scroller = useRef<HTMLDivElement>(null);
  const at = useRef({ top: 0, height: 600, focus: '', grab: false, until: 0, moved: false, anchor: '' });
  const shown = useRef<Held<T>>({ keys: [], items: new Map() });
  const slim = slimQuery.matches;
  const rowHeight = slim ? (props.slimRow ?? 48) : (props.row ?? 32);

  // The order of the rows is found anew when the items are others, or the order is.
  const held = useRef({ items: undefined as readonly T[] | undefined, sort, order: props.order, gone: new Set<string>(), waiting: 0 });
  const last = held.current;
  const keysBefore = shown.current.keys;
  const resorted = last.sort !== sort || last.order !== props.order;
  const still = props.live === true && !resorted && performance.now() < at.current.until;
  if (resorted || items !== last.items || (!still && last.gone.size + last.waiting > 0)) {
    const now = new Map<string, T>();
    for (const item of items) now.set(keyOf(item), item);
    const gone = new Set<string>();
    let waiting = 0;
    if (still) {
      const { keys, items: before } = shown.current;
      const known = new Set(keys);
      for (const key of keys) {
        if (now.has(key)) continue;
        gone.add(key);
        now.set(key, before.get(key)!);
      }
      for (const key of [...now.keys()]) {
        if (!known.has(key)) keys.push(key);
      }
      waiting = keys.length - known.size + last.waiting;
      shown.current = { keys, items: now };
    } else {
      let list = items;
      const by = sort && columns.find((c) => c.name === sort.column)?.order;
      if (by) list = [...items].sort((a, b) => (sort.down ? by(b, a) : by(a, b)));
      shown.current = { keys: list.map(keyOf), items: now };
    }
    held.current = { items, sort, order: props.order, gone, waiting };
  }
  const { gone, waiting } = held.current;
  const now = shown.current.items;
  const { keys } = shown.current;
  const unsettled = gone.size + waiting > 0;

  const range = new ScrollRange(keys.length, rowHeight, at.current.height);
  // Whoever has scrolled down goes on reading where he is when rows come above.
  if (keys !== keysBefore && at.current.top > 0 && !resorted) {
    const before = new ScrollRange(keysBefore.length, rowHeight, at.current.height);
    const by = shift(keysBefore, keys, before.window(at.current.top, 0));
    if (by !== 0) {
      at.current.top = range.scrollTopFor(before.top(at.current.top) + by * rowHeight);
      at.current.moved = true;
    }
  }
  const [from, to] = range.window(at.current.top, around);
  const focusRow = keys.indexOf(at.current.focus);
  const stop = focusRow >= 0 ? focusRow : 0;
  const drawn: number[] = [];
  for (let r = from; r < to; r++) drawn.push(r);
  // The row that the keyboard is on stays in the document, so that the focus is not lost.
  if (keys.length > 0 && stop < from) drawn.unshift(stop);
  else if (stop >= to && stop < keys.length) drawn.push(stop);

  useLayoutEffect(() => {
    const element = scroller.current!;
    const measure = () => {
      at.current.height = element.clientHeight;
      draw(undefined);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    slimQuery.addEventListener('change', measure);
    measure();
    return () => {
      observer.disconnect();
      slimQuery.removeEventListener('change', measure);
    };
  }, []);

  useLayoutEffect(() => {
    if (at.current.moved) {
      at.current.moved = false;
      scroller.current!.scrollTop = at.current.top;
    }
    if (!at.current.grab) return;
    at.current.grab = false;
    scroller.current!.querySelector<HTMLElement>(`[data-row="${stop}"]`)?.focus({ preventScroll: true });
  });

  // Once the hand rests, the rows are put in order.
  useEffect(() => {
    if (!unsettled) return;
    const timer = setTimeout(() => draw(undefined), Math.max(50, at.current.until - performance.now() + 20));
    return () => clearTimeout(timer);
  });

  const more = props.more;
  const nearEnd = keys.length > 0 && to >= keys.length;
  useEffect(() => {
    if (nearEnd) more?.();
  }, [nearEnd, keys.length, more]);

  const hold = () => {
    if (props.live) at.current.until = performance.now() + holdMs;
  };
  const move = (row: number) => {
    const r = Math.max(0, Math.min(keys.length - 1, row));
    const element = scroller.current!;
    at.current.focus = keys[r] ?? '';
    at.current.grab = true;
    element.scrollTop = range.reveal(r, element.scrollTop);
    at.current.top = element.scrollTop;
    draw(undefined);
  };
  const { marks } = props;
  const markable = (list: readonly string[]) => list.filter((key) => now.has(key) && !gone.has(key) && marks!.can(now.get(key)!));
  /** mark changes a row, or all from the one that was changed last. */
  const mark = (key: string, stretch: boolean, marked = !marks!.of.has(key)) => {
    const [a, b] = [keys.indexOf(at.current.anchor), keys.indexOf(key)];
    marks!.onMark(markable(stretch && a >= 0 ? keys.slice(Math.min(a, b), Math.max(a, b) + 1) : [key]), marked);
    if (!stretch || a < 0) at.current.anchor = key;
  };
  const markByKey = (event: KeyboardEvent, row: HTMLElement): boolean => {
    const key = keys[Number(row.dataset.row)]!;
    if (event.key === ' ' && event.target === row) mark(key, event.shiftKey);
    else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) marks!.onMark(markable(keys), true);
    else if (event.shiftKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      const next = Math.max(0, Math.min(keys.length - 1, Number(row.dataset.row) + (event.key === 'ArrowDown' ? 1 : -1)));
      if (!keys.includes(at.current.anchor) || !marks!.of.has(key)) at.current.anchor = key;
      mark(keys[next]!, true, true);
      move(next);
    } else return false;
    return true;
  };
  const onKey = (event: KeyboardEvent) => {
    const row = (event.target as Element).closest?.<HTMLElement>('[data-row]');
    if (marks && row && markByKey(event, row)) {
      hold();
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(at.current.height / rowHeight) - 1);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -keys.length, End: keys.length };
    const step = steps[event.key];
    if (step !== undefined) move(Number(row.dataset.row) + step);
    else if (event.key === 'Enter' && event.target === row && props.onOpen) {
      const item = now.get(keys[Number(row.dataset.row)]!);
      if (item) props.onOpen(item);
    } else return;
    hold();
    event.preventDefault();
    event.stopPropagation();
  };
  const click = (event: MouseEvent) => {
    const row = (event.target as Element).closest<HTMLElement>('[data-row]');
    if (!row || (event.target as Element).closest('a, button, input, select')) return;
    const key = keys[Number(row.dataset.row)]!;
    at.current.focus = key;
    const item = now.get(key);
    // A thumb that misses the box means it.
    if (item && marks?.can(item) && (event.target as Element).closest('.c-mark')) mark(key, event.shiftKey);
    else if (item) props.onOpen?.(item);
    draw(undefined);
  };
  const sortBy = (c: Column<T>) => {
    const first = c.down ?? false;
    let next: Sort | undefined = { column: c.name, down: first };
    if (sort?.column === c.name) next = sort.down === first ? { column: c.name, down: !first } : undefined;
    if (props.onSort) props.onSort(next);
    else setOwn(next);
  };

  const marking: Column<T> | undefined = marks && {
    name: 'mark',
    title: '',
    width: '22px',
    slim: '30px',
    draw: (item) =>
      marks.can(item) ? (
        <input
          type="checkbox"
          aria-label={marks.label(item)}
          checked={marks.of.has(keyOf(item))}
          tabIndex={-1}
          onClick={(event) => {
            event.stopPropagation();
            // What the box shows is what the list says: a click is not done until that is drawn.
            event.preventDefault();
            const key = keyOf(item);
            setTimeout(() => mark(key, event.shiftKey, !marks.of.has(key)));
          }}
        />
      ) : null,
  };
  const there = [...(marking ? [marking] : []), ...columns.filter((c) => !(slim && c.slim === false))];
  const widths = there.map((c) => (slim && c.slim) || c.width || 'minmax(0, 1fr)').join(' ');
  return (
    <div
      class={`sheet ${props.name}${props.onOpen ? ' opens' : ''}`}
      role="grid"
      aria-label={props.label}
      aria-rowcount={keys.length + 1}
      aria-colcount={there.length}
      style={{ '--sheet-columns': widths, '--sheet-row': `${rowHeight}px` }}
      onKeyDown={onKey}
    >
      <div class="sheet-head" role="rowgroup">
        <div class="sheet-row" role="row" aria-rowindex={1}>
          {there.map((c) => {
            const sorted = sort?.column === c.name ? (sort.down ? 'descending' : 'ascending') : undefined;
            return (
              <span key={c.name} class={`c-${c.name}`} role="columnheader" aria-sort={c.order ? (sorted ?? 'none') : undefined}>
                {c === marking ? (
                  <input
                    type="checkbox"
                    aria-label="Choose all that are listed"
                    disabled={keys.length === 0}
                    checked={keys.length > 0 && markable(keys).length > 0 && markable(keys).every((key) => marks!.of.has(key))}
                    onChange={(event) => marks!.onMark(markable(keys), event.currentTarget.checked)}
                  />
                ) : c.order ? (
                  <button class={`sorter${sorted ? ' ' + sorted : ''}`} onClick={() => sortBy(c)}>
                    {c.title}
                  </button>
                ) : (
                  c.title
                )}
              </span>
            );
          })}
        </div>
      </div>
      <div
        class="sheet-body"
        role="rowgroup"
        ref={scroller}
        tabIndex={keys.length === 0 ? 0 : -1}
        onScroll={(event) => {
          at.current.top = event.currentTarget.scrollTop;
          draw(undefined);
        }}
        onPointerMove={(event) => {
          if (event.pointerType === 'mouse') hold();
        }}
        onPointerDown={hold}
        onPointerLeave={() => {
          at.current.until = 0;
          if (unsettled) draw(undefined);
        }}
        onClick={click}
      >
        {keys.length === 0 ? (
          <div class="sheet-empty" role="row">
            <div role="gridcell">{props.empty ?? 'Nothing.'}</div>
          </div>
        ) : (
          <div class="sheet-sizer" role="none" style={{ height: `${range.height}px` }}>
            {drawn.map((r) => {
              const key = keys[r]!;
              const item = now.get(key)!;
              return (
                <div
                  key={key}
                  class={`sheet-row${gone.has(key) ? ' gone' : ''} ${props.rowClass?.(item) ?? ''}`}
                  role="row"
                  data-row={r}
                  aria-rowindex={r + 2}
                  aria-selected={props.onOpen ? key === props.selected : undefined}
                  tabIndex={r === stop ? 0 : -1}
                  style={{ transform: `translateY(${range.offset(r, at.current.top)}px)` }}
                  onFocus={() => (at.current.focus = key)}
                >
                  {there.map((c) => (
                    <span key={c.name} class={`c-${c.name}`} role="gridcell">
                      {c.draw(item)}
                    </span>
                  ))}
                </div>
              );
            })}
          </div>
        )}
      </div>
    </div>
  );
}

/** shift says by how many rows most of those in a window have moved. */
function shift(before: readonly string[], after: readonly string[], [from, to]: readonly [number, number]): number {
  const rows = new Map(after.map((key, row) => [key, row]));
  const by: number[] = [];
  for (let r = from; r < to; r++) {
    const now = rows.get(before[r]!);
    if (now !== undefined) by.push(now - r);
  }
  return by.sort((a, b) => a - b)[by.length >> 1] ?? 0;
}
