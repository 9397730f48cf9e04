// The map: a canvas with a tile for each area, and over it what the keyboard and screen
// readers need: a list box of which the present tile is in the document.

import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { type Area, inOrder, inWords, restInWords } from './areas';
import { type Colours, coloursOf, drawTile } from './draw';
import { type Box, type Packed, type Shape, pack, shapesOf } from './pack';

const holdMs = 2000; // how long tiles stay after a move or a key
const restHeight = 34;
const coarse = matchMedia('(pointer: coarse)');
const dark = matchMedia('(prefers-color-scheme: dark)');

export interface MapProps {
  label: string;
  areas: readonly Area[]; // the worst first
  below(area: Area): readonly Area[]; // what is in an area, as far as it is known
  onOpen(area: Area): void;
  onRest(): void;
  onOut(): void;
  theme: string;
}

export function AreaMap({ label, areas, below, onOpen, onRest, onOut, theme }: MapProps) {
  const host = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ w: 0, h: 0 });
  const [active, setActive] = useState('');
  const [focused, setFocused] = useState(false);
  const [hover, setHover] = useState(-1);
  const [turn, again] = useReducer((n: number) => n + 1, 0);
  const held = useRef({ until: 0, keys: new Map<string, number>() });
  const colours = useRef<Colours | undefined>(undefined);

  useLayoutEffect(() => {
    const element = host.current!;
    const measure = () => setSize({ w: element.clientWidth, h: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const read = () => {
      colours.current = coloursOf(host.current!);
      again(undefined);
    };
    read();
    dark.addEventListener('change', read);
    return () => dark.removeEventListener('change', read);
  }, [theme]);

  // The tiles stay where they are while the hand moves over them; their marks do not.
  const shown = useMemo(() => {
    const still = performance.now() < held.current.until && areas.some((a) => held.current.keys.has(a.key));
    const list = still ? inOrder(areas, held.current.keys) : areas;
    held.current.keys = new Map(list.map((a, i) => [a.key, i]));
    return { list, still };
  }, [areas, turn]);
  useEffect(() => {
    if (!shown.still) return undefined;
    const timer = setTimeout(() => again(undefined), Math.max(50, held.current.until - performance.now() + 20));
    return () => clearTimeout(timer);
  }, [shown]);
  // Most changes are of colours: then the tiles stay where they are.
  const before = useRef<{ shapes: readonly Shape[]; size: typeof size; packed: Packed } | undefined>(undefined);
  const packed = useMemo(() => {
    const shapes = shapesOf(shown.list.map((a) => a.size));
    const last = before.current;
    if (last?.size === size && last.shapes.length === shapes.length && last.shapes.every((s, i) => s === shapes[i])) return last.packed;
    before.current = { shapes, size, packed: pack(shapes, size.w, size.h, { least: coarse.matches ? 24 : 9, most: Infinity, highest: Infinity, rest: restHeight }) };
    return before.current.packed;
  }, [shown, size]);
  const rest = shown.list.slice(packed.boxes.length);

  useEffect(() => {
    const element = canvas.current!;
    const c = colours.current;
    const scale = devicePixelRatio || 1;
    const [w, h] = [Math.round(size.w * scale), Math.round(size.h * scale)];
    if (element.width !== w || element.height !== h) {
      element.width = w;
      element.height = h;
    }
    const pen = element.getContext('2d');
    if (!pen || !c) return;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, size.w, size.h);
    packed.boxes.forEach((box, i) => drawTile(pen, shown.list[i]!, box, c, below));
  }, [packed, shown, size, turn, below]);

  const count = packed.boxes.length + (rest.length > 0 ? 1 : 0);
  const at = Math.max(0, active === restKey ? packed.boxes.length : shown.list.findIndex((a) => a.key === active));
  const boxOf = (i: number): Box | undefined => packed.boxes[i] ?? packed.rest;
  const open = (i: number) => {
    const area = i < packed.boxes.length ? shown.list[i] : undefined;
    if (area) onOpen(area);
    else if (i >= 0 && rest.length > 0) onRest();
  };
  const keyOf = (i: number) => (i < packed.boxes.length ? (shown.list[i]?.key ?? '') : restKey);
  const words = (i: number) => {
    const area = i < packed.boxes.length ? shown.list[i] : undefined;
    return area ? `${area.name}, ${inWords(area)}` : restInWords(rest);
  };
  const hold = () => (held.current.until = performance.now() + holdMs);
  const settle = () => {
    held.current.until = 0;
    if (shown.still) again(undefined);
  };
  const find = (event: MouseEvent): number => {
    const place = host.current!.getBoundingClientRect();
    return tileAt(packed, event.clientX - place.left, event.clientY - place.top);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const go = (i: number) => setActive(keyOf(i));
    switch (event.key) {
      case 'ArrowRight':
      case 'ArrowLeft':
      case 'ArrowUp':
      case 'ArrowDown':
        go(neighbour(packed, at, event.key));
        break;
      case 'Home':
        go(0);
        break;
      case 'End':
        go(count - 1);
        break;
      case 'Enter':
      case ' ':
        open(at);
        break;
      case 'Backspace':
      case 'Escape':
        onOut();
        break;
      default:
        return;
    }
    hold();
    event.preventDefault();
    event.stopPropagation();
  };
  const ring = count > 0 ? boxOf(at) : undefined;
  const tip = hover >= 0 && hover < count ? boxOf(hover) : undefined;
  return (
    <div
      ref={host}
      class={`map${focused ? ' focused' : ''}`}
      role="listbox"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={ring ? 'map-active' : undefined}
      data-areas={areas.length}
      data-shown={packed.boxes.length}
      data-cell={Math.floor(Math.min(packed.cellWidth, packed.cellHeight))}
      onKeyDown={onKey}
      onFocus={() => setFocused(host.current!.matches(':focus-visible'))}
      onBlur={() => {
        setFocused(false);
        settle();
      }}
      onPointerMove={(event) => {
        hold();
        if (event.pointerType === 'mouse') setHover(find(event));
      }}
      onPointerLeave={() => {
        setHover(-1);
        settle();
      }}
      onClick={(event) => {
        const i = find(event);
        if (i < 0) return;
        setActive(keyOf(i));
        open(i);
      }}
    >
      <canvas ref={canvas} aria-hidden="true" />
      {packed.rest && rest.length > 0 ? (
        <div class="map-rest" aria-hidden="true" style={px(packed.rest)}>
          and {restInWords(rest)}
        </div>
      ) : null}
      {ring ? (
        <div id="map-active" class="map-ring" role="option" aria-selected={true} aria-posinset={at + 1} aria-setsize={count} style={px(ring)}>
          <span class="hidden">{words(at)}</span>
        </div>
      ) : (
        <div id="map-active" class="hidden" role="option" aria-selected={false}>
          Nothing
        </div>
      )}
      {tip ? (
        <div
          class="map-tip"
          aria-hidden="true"
          style={{
            left: `${Math.max(4, Math.min(tip.x, size.w - 260))}px`,
            ...(tip.y + tip.h > size.h - 44 ? { bottom: `${size.h - tip.y + 4}px` } : { top: `${tip.y + tip.h + 4}px` }),
          }}
        >
          {words(hover)}
        </div>
      ) : null}
    </div>
  );
}

const restKey = '\u0000rest';

function px(b: Box): Record<string, string> {
  return { left: `${b.x}px`, top: `${b.y}px`, width: `${b.w}px`, height: `${b.h}px` };
}

function holds(b: Box, x: number, y: number): boolean {
  return x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h;
}

/** tileAt returns the tile at a point; the rest counts as the last. */
function tileAt(p: Packed, x: number, y: number): number {
  const i = p.boxes.findIndex((b) => holds(b, x, y));
  return i < 0 && p.rest && holds(p.rest, x, y) ? p.boxes.length : i;
}

/** neighbour returns the tile that is next in a direction. */
function neighbour(p: Packed, from: number, key: string): number {
  const all = p.rest ? [...p.boxes, p.rest] : p.boxes;
  const a = all[from];
  if (!a) return 0;
  const across = key === 'ArrowLeft' || key === 'ArrowRight';
  const sign = key === 'ArrowRight' || key === 'ArrowDown' ? 1 : -1;
  let best = from;
  let least = Infinity;
  for (let i = 0; i < all.length; i++) {
    const b = all[i]!;
    const [gap, aside] = across
      ? [sign > 0 ? b.x - (a.x + a.w) : a.x - (b.x + b.w), Math.abs(b.y - a.y)]
      : [sign > 0 ? b.y - (a.y + a.h) : a.y - (b.y + b.h), Math.max(0, b.x - (a.x + a.w / 2), a.x - (b.x + b.w / 2))];
    if (i === from || gap < -0.5) continue;
    const far = gap + 3 * aside;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
