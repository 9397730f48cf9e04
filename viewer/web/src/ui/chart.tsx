// A chart of a value over time: the average as a line, minimum and maximum as a band
// around it, levels as lines, and the statuses below. Without a value it shows the
// statuses alone. Drawn by uPlot; the words around it are for who cannot see it.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { show } from '../format';
import type { Line } from '../node/level';
import type { Band, Series } from '../node/series';
import { type StatusWord, statusWords } from '../wire';

export interface ChartProps {
  series: Series;
  version: number; // grows when the series changes in place
  numbers: boolean; // there is a value, not only statuses
  unit: string;
  lines: readonly Line[];
  height: number;
  utc: boolean;
  theme: string; // draws again in other colours
  label: string;
  /** What the pointer or the keys are at: unix ms and the index of the nearest point (-1: none). */
  onCursor: (at: number | undefined, point: number) => void;
  onZoom: (from: number, to: number) => void;
  onReset: () => void;
}

const bandHeight = 9; // px below the line
const aloneHeight = 30; // px where there is no line

interface Paint {
  text: string;
  soft: string;
  line: string;
  accent: string;
  status: Record<StatusWord, string>;
  border: Record<2 | 3, string>; // of levels, with contrast to the ground
}

/** paint reads the colours that the style gives the page now; canvases know no variables. */
function paint(host: HTMLElement): Paint {
  const probe = host.appendChild(document.createElement('i'));
  const read = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours: Paint = {
    text: read('--text'),
    soft: read('--soft'),
    line: read('--line'),
    accent: read('--accent'),
    border: { 2: read('--yellow-text'), 3: read('--red-text') },
    status: { white: read('--raised'), green: read('--green'), yellow: read('--yellow'), red: read('--red') },
  };
  probe.remove();
  return colours;
}

export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const now = useRef(props);
  now.current = props;
  const plot = useRef<uPlot | undefined>(undefined);
  const { numbers, utc, theme, height, unit } = props;

  useEffect(() => {
    const box = host.current!;
    const made = make(box, now);
    plot.current = made;
    const sizes = new ResizeObserver(() => {
      const width = Math.floor(box.clientWidth);
      if (width > 0 && width !== made.width) made.setSize({ width, height: now.current.height });
    });
    sizes.observe(box);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => {
      restyle(made, box);
      made.redraw(false, true);
    };
    dark.addEventListener('change', redraw);
    return () => {
      sizes.disconnect();
      dark.removeEventListener('change', redraw);
      made.destroy();
      plot.current = undefined;
    };
  }, [numbers, utc, theme, height, unit]);

  useEffect(() => plot.current?.setData(dataOf(props.series), true), [props.series, props.version]);
  useEffect(() => {
    if (plot.current) plot.current.setData(dataOf(now.current.series), true); // the levels take part in the range
  }, [JSON.stringify(props.lines)]);

  /** keys walk along the line, zoom and come back. */
  const keys = (event: KeyboardEvent) => {
    const u = plot.current;
    if (!u || event.ctrlKey || event.metaKey || event.altKey) return;
    const { series } = now.current;
    const span = series.to - series.from;
    const xs = u.data[0];
    const at = u.cursor.left !== undefined && u.cursor.left !== null && u.cursor.left >= 0 ? u.posToVal(u.cursor.left, 'x') : series.to / 1000;
    const here = u.cursor.idx ?? xs.length - 1;
    let to: number | undefined;
    const byPoint = now.current.numbers && xs.length > 0;
    const walk = (steps: number) => (byPoint ? xs[Math.max(0, Math.min(xs.length - 1, here + steps))]! : at + (steps * span) / 1000 / 100);
    switch (event.key) {
      case 'ArrowLeft':
        to = walk(-1);
        break;
      case 'ArrowRight':
        to = walk(1);
        break;
      case 'PageUp':
        to = walk(-10);
        break;
      case 'PageDown':
        to = walk(10);
        break;
      case 'Home':
        to = byPoint ? xs[0] : series.from / 1000;
        break;
      case 'End':
        to = byPoint ? xs.at(-1) : series.to / 1000;
        break;
      case '+':
      case '=':
        now.current.onZoom(at * 1000 - span / 4, at * 1000 + span / 4);
        break;
      case '-':
        now.current.onZoom(at * 1000 - span, at * 1000 + span);
        break;
      case 'Escape':
        if ((u.cursor.left ?? -1) < 0) return;
        u.setCursor({ left: -10, top: -10 });
        break;
      case '0':
        now.current.onReset();
        break;
      default:
        return;
    }
    event.preventDefault();
    if (to !== undefined) {
      const clamped = Math.max(series.from / 1000, Math.min(series.to / 1000, to));
      u.setCursor({ left: u.valToPos(clamped, 'x'), top: u.bbox.height / devicePixelRatio / 2 });
    }
  };

  return (
    <div
      ref={host}
      class="chart"
      role="application"
      aria-roledescription="chart"
      aria-label={`${props.label}. Arrow keys walk along it, plus and minus zoom, 0 shows all again.`}
      tabIndex={0}
      onKeyDown={keys}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
    />
  );
}

/** dataOf gives uPlot columns: times, minimum, maximum, average. */
function dataOf(s: Series): uPlot.AlignedData {
  return [s.points.map((p) => p.time / 1000), s.points.map((p) => p.min), s.points.map((p) => p.max), s.points.map((p) => p.avg)];
}

const colours = new WeakMap<uPlot, Paint>();

function restyle(u: uPlot, box: HTMLElement): void {
  colours.set(u, paint(box));
}

function make(box: HTMLElement, now: { current: ChartProps }): uPlot {
  const { numbers, utc, height } = now.current;
  const own = (u: uPlot) => colours.get(u)!;
  const options: uPlot.Options = {
    width: Math.max(120, Math.floor(box.clientWidth)),
    height,
    padding: numbers ? [8, 18, 0, 0] : [4, 16, 0, 30],
    tzDate: (s) => (utc ? uPlot.tzDate(new Date(s * 1000), 'Etc/UTC') : new Date(s * 1000)),
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 6, fill: (u) => own(u).accent, stroke: (u) => own(u).accent, show: (_, k) => (numbers && k === 3 ? undefined! : false as never) },
      drag: { x: true, y: false, setScale: false },
    },
    scales: {
      x: { time: true, range: () => [now.current.series.from / 1000, now.current.series.to / 1000] },
      y: { range: (_, low, high) => rangeOf(now.current, low, high) },
    },
    axes: [
      {
        stroke: (u) => own(u).soft,
        font: '12px system-ui, sans-serif',
        grid: { show: false },
        ticks: { stroke: (u) => own(u).line, size: 5, width: 1 },
        size: 30,
        space: 78,
        values: (_, splits, __, ___, step) => labelsOf(splits, step, utc),
      },
      {
        show: numbers,
        stroke: (u) => own(u).soft,
        font: '12px system-ui, sans-serif',
        grid: { stroke: (u) => own(u).line, width: 1 },
        ticks: { show: false },
        gap: 6,
        size: (u, values) => axisSize(u, values),
        space: 34,
        values: (_, splits) => splits.map((v) => valueText(v, now.current.unit)),
      },
    ],
    series: [
      {},
      { show: numbers, width: 0, points: { show: false } },
      { show: numbers, width: 0, points: { show: false } },
      {
        show: numbers,
        width: 1.5,
        stroke: (u) => own(u).accent,
        spanGaps: false,
        points: { show: (u) => u.data[0].filter((_, k) => u.data[3]?.[k] !== null).length <= 40, size: 4, width: 0, fill: (u) => own(u).accent },
      },
    ],
    bands: numbers ? [{ series: [2, 1], fill: (u) => faint(own(u).accent, 0.22) }] : [],
    hooks: {
      drawClear: [(u) => numbers && zones(u, now.current.lines, own(u))],
      draw: [
        (u) => {
          if (numbers) borders(u, now.current.lines, own(u));
          bandsOf(u, now.current.series.bands, numbers ? bandHeight : aloneHeight, own(u));
        },
      ],
      setCursor: [
        (u) => {
          const left = u.cursor.left ?? -1;
          if (left < 0) now.current.onCursor(undefined, -1);
          else now.current.onCursor(u.posToVal(left, 'x') * 1000, numbers ? (u.cursor.idx ?? -1) : -1);
        },
      ],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < 5) return;
          const from = u.posToVal(left, 'x') * 1000;
          const to = u.posToVal(left + width, 'x') * 1000;
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          now.current.onZoom(from, to);
        },
      ],
      ready: [
        (u) => {
          u.over.addEventListener('dblclick', () => now.current.onReset());
          pinch(u, (from, to) => now.current.onZoom(from, to));
        },
      ],
    },
  };
  // The first drawing comes in a later turn, so the colours are there by then.
  const made = new uPlot(options, dataOf(now.current.series), (u, init) => {
    restyle(u, box);
    box.append(u.root);
    init();
  });
  return made;
}

/** pinch zooms by two fingers: the times that they took hold of are under them when they let go. */
function pinch(u: uPlot, zoom: (from: number, to: number) => void): void {
  const fingers = new Map<number, { time: number; x: number }>(); // unix seconds, pixels
  const x = (event: PointerEvent) => event.clientX - u.over.getBoundingClientRect().left;
  u.over.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch') fingers.set(event.pointerId, { time: u.posToVal(x(event), 'x'), x: x(event) });
  });
  u.over.addEventListener('pointermove', (event) => {
    const finger = fingers.get(event.pointerId);
    if (finger) finger.x = x(event);
  });
  u.over.addEventListener('pointercancel', (event) => fingers.delete(event.pointerId));
  u.over.addEventListener('pointerup', (event) => {
    const [a, b] = [...fingers.values()];
    fingers.delete(event.pointerId);
    if (!a || !b || Math.abs(b.x - a.x) < 10 || a.time === b.time) return;
    fingers.clear();
    const perPixel = (b.time - a.time) / (b.x - a.x);
    if (perPixel <= 0) return;
    const from = a.time - a.x * perPixel;
    zoom(from * 1000, (from + u.over.clientWidth * perPixel) * 1000);
  });
}

/** rangeOf is what the axis of values spans: the readings, the levels that are not far from them, and some air. */
function rangeOf({ lines, series }: ChartProps, low: number | null, high: number | null): [number, number] {
  let lo = Infinity;
  let hi = -Infinity;
  for (const p of series.points) {
    if (p.min !== null) lo = Math.min(lo, p.min);
    if (p.max !== null) hi = Math.max(hi, p.max);
  }
  if (lo > hi) [lo, hi] = [low ?? 0, high ?? 0];
  const values = lines.flatMap((l) => l.level.borders);
  // A level shows as long as it leaves the line a third of the height.
  const span = Math.max(hi - lo, Math.abs(hi) * 0.1, 1e-9);
  for (const v of [...values].sort((a, b) => Math.abs(a - (lo + hi) / 2) - Math.abs(b - (lo + hi) / 2))) {
    if (v >= lo && v <= hi) continue;
    if (Math.max(hi, v) - Math.min(lo, v) <= Math.max(6 * span, Math.abs(hi) * 2.5)) [lo, hi] = [Math.min(lo, v), Math.max(hi, v)];
  }
  if (lo === hi) {
    const by = Math.abs(lo) * 0.1 || 1;
    return lo >= 0 ? [Math.max(0, lo - by), hi + by] : [lo - by, hi + by];
  }
  const air = (hi - lo) * 0.08;
  // Values that are not negative keep their zero, and the band below the line its place.
  const bottom = lo >= 0 && lo < 0.35 * hi ? 0 : lo - air;
  const full = hi + air - bottom;
  return [bottom - full * 0.08, hi + air];
}

function valueText(v: number, unit: string): string {
  if (Math.abs(v) < 1e-12) return '0';
  const shown = show(v, unit);
  return shown.unit && shown.unit.length <= 4 ? `${shown.number}\u202f${shown.unit}` : shown.number;
}

function axisSize(u: uPlot, values: string[] | null): number {
  const longest = Math.max(3, ...(values ?? []).map((v) => v.length));
  u.ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  return Math.ceil(u.ctx.measureText('0'.repeat(longest)).width / devicePixelRatio) + 12;
}

const styles = {
  seconds: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  minutes: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  days: { month: 'short', day: 'numeric' },
  months: { year: 'numeric', month: 'short' },
} as const;

/** labelsOf writes times as short as their distance allows; midnight is a date. */
function labelsOf(splits: number[], step: number, utc: boolean): string[] {
  const zone = utc ? { timeZone: 'UTC' } : {};
  const as = (s: number, style: keyof typeof styles) => new Intl.DateTimeFormat(undefined, { ...styles[style], ...zone }).format(s * 1000);
  const midnight = (s: number) => {
    const d = new Date(s * 1000);
    return utc ? d.getUTCHours() + d.getUTCMinutes() + d.getUTCSeconds() === 0 : d.getHours() + d.getMinutes() + d.getSeconds() === 0;
  };
  return splits.map((s) => {
    if (step >= 28 * 86_400) return as(s, 'months');
    if (step >= 86_400 || (step >= 3600 && midnight(s))) return as(s, 'days');
    return as(s, step < 60 ? 'seconds' : 'minutes');
  });
}

/** faint is a colour that lets through what is behind it. */
function faint(colour: string, alpha: number): string {
  return `color-mix(in srgb, ${colour} ${Math.round(alpha * 100)}%, transparent)`;
}

/** spans are the values of a level, from the lower end of the chart to the upper. */
function spans(l: Line, low: number, high: number): [number, number][] {
  const [a, b] = l.level.borders as [number, number | undefined];
  switch (l.level.form) {
    case 'above':
      return [[a, high]];
    case 'below':
      return [[low, a]];
    case 'outside':
      return [[low, a], [b!, high]];
    case 'inside':
      return [[a, b!]];
  }
}

/** zones colours what is beyond the levels. */
function zones(u: uPlot, lines: readonly Line[], p: Paint): void {
  const { left, top, width, height } = u.bbox;
  const low = u.scales.y!.min ?? 0;
  const high = u.scales.y!.max ?? 1;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  for (const line of lines) {
    u.ctx.fillStyle = faint(p.status[statusWords[line.status]], 0.13);
    for (const [from, to] of spans(line, low, high)) {
      const y = u.valToPos(to, 'y', true);
      u.ctx.fillRect(left, y, width, u.valToPos(from, 'y', true) - y);
    }
  }
  u.ctx.restore();
}

/** borders draws where levels are entered, and dotted where they are left. */
function borders(u: uPlot, lines: readonly Line[], p: Paint): void {
  const { left, top, width, height } = u.bbox;
  const { ctx } = u;
  const px = devicePixelRatio;
  ctx.save();
  const named: number[] = []; // heights of names, so that those of close lines stand side by side
  for (const line of lines) {
    const draw = (value: number, dash: number[], name: string, below: boolean) => {
      const y = Math.round(u.valToPos(value, 'y', true));
      if (!(y >= top && y <= top + height)) return;
      ctx.beginPath();
      ctx.setLineDash(dash.map((d) => d * px));
      ctx.lineWidth = 1.5 * px;
      ctx.strokeStyle = p.border[line.status];
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      if (!name) return;
      ctx.setLineDash([]);
      ctx.font = `600 ${11 * px}px system-ui, sans-serif`;
      ctx.fillStyle = p.text;
      ctx.textAlign = 'right';
      // The name stands on the side of the line that has the status, if there is room.
      const under = below ? top + height - y > 16 * px : y - top < 16 * px;
      ctx.textBaseline = under ? 'top' : 'bottom';
      const middle = y + (under ? 9 : -8) * px;
      const beside = named.filter((n) => Math.abs(n - middle) < 12 * px).length;
      named.push(middle);
      ctx.fillText(name, left + width - (3 + 44 * beside) * px, y + (under ? 3 : -2) * px);
    };
    line.level.borders.forEach((b, k) => {
      const { form } = line.level;
      draw(b, [6, 3], statusWords[line.status], form === 'below' || (form === 'outside' && k === 0) || (form === 'inside' && k === 1));
      const off = line.level.off[k]!;
      if (off !== b) draw(off, [1, 4], '', false);
    });
  }
  ctx.restore();
}

/** bandsOf draws which status was when, at the bottom. */
function bandsOf(u: uPlot, bands: readonly Band[], size: number, p: Paint): void {
  const { left, top, width, height } = u.bbox;
  const { ctx } = u;
  const px = devicePixelRatio;
  const h = Math.min(size * px, height);
  const y = top + height - h;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y, width, h);
  ctx.clip();
  // Where many changes share a pixel, the worst shows: the better are drawn first.
  for (const status of [1, 0, 2, 3] as const) {
    ctx.fillStyle = p.status[statusWords[status]];
    for (const b of bands) {
      if (b.status !== status) continue;
      const from = u.valToPos(b.from / 1000, 'x', true);
      const to = u.valToPos(b.to / 1000, 'x', true);
      if (to < left || from > left + width) continue;
      ctx.fillRect(from, y, Math.max(px, to - from), h);
      if (status === 0) hatch(ctx, Math.max(from, left), Math.min(to, left + width), y, h, px, p.soft);
    }
  }
  ctx.restore();
  ctx.strokeStyle = p.soft;
  ctx.lineWidth = px;
  ctx.strokeRect(left + px / 2, y + px / 2, width - px, h - px);
}

/** hatch tells white from the ground that it lies on. */
function hatch(ctx: CanvasRenderingContext2D, from: number, to: number, y: number, h: number, px: number, colour: string): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, y, to - from, h);
  ctx.clip();
  ctx.beginPath();
  ctx.strokeStyle = colour;
  ctx.lineWidth = px;
  for (let x = from - h - ((from - h) % (7 * px)); x < to; x += 7 * px) {
    ctx.moveTo(x, y + h);
    ctx.lineTo(x + h, y);
  }
  ctx.stroke();
  ctx.restore();
}
