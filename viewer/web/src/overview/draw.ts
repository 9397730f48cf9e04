// Draws the tiles of the map on a canvas: ten thousand of them in some milliseconds.

import { figures } from '../format';
import { Green, Red, type Status, White, Yellow, statusWords } from '../wire';
import type { Area } from './areas';
import { type Box, pack, shapesOf } from './pack';

export interface Colours {
  mark: Record<Status, string>;
  ground: Record<Status, string>;
  edge: Record<Status, string>;
  paper: string;
  text: string;
  soft: string;
  font: string;
  stamps: Map<string, HTMLCanvasElement>; // marks that are drawn already, by status and size
}

/** coloursOf reads the colours of the theme that an element is shown in. */
export function coloursOf(element: HTMLElement): Colours {
  const probe = element.appendChild(document.createElement('i'));
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours: Colours = {
    mark: { [White]: read('white'), [Green]: read('green'), [Yellow]: read('yellow'), [Red]: read('red') },
    ground: { [White]: read('paper'), [Green]: read('hover'), [Yellow]: read('yellow-ground'), [Red]: read('red-ground') },
    edge: { [White]: read('soft'), [Green]: read('line'), [Yellow]: read('yellow'), [Red]: read('red') },
    paper: read('paper'),
    text: read('text'),
    soft: read('soft'),
    font: getComputedStyle(element).fontFamily,
    stamps: new Map(),
  };
  probe.remove();
  return colours;
}

type Pen = CanvasRenderingContext2D;

/** drawMark draws the mark of a status, the same as in ui/marks.tsx, in a square. */
export function drawMark(pen: Pen, status: Status, x: number, y: number, size: number, c: Colours): void {
  const u = size / 16;
  pen.beginPath();
  if (status === Green) pen.arc(x + 8 * u, y + 8 * u, 6.2 * u, 0, 2 * Math.PI);
  else if (status === Red) pen.rect(x + 2 * u, y + 2 * u, 12 * u, 12 * u);
  else if (status === Yellow) {
    pen.moveTo(x + 8 * u, y + 1.8 * u);
    pen.lineTo(x + 15 * u, y + 14 * u);
    pen.lineTo(x + u, y + 14 * u);
    pen.closePath();
  } else {
    pen.moveTo(x + 8 * u, y + 1.2 * u);
    pen.lineTo(x + 14.8 * u, y + 8 * u);
    pen.lineTo(x + 8 * u, y + 14.8 * u);
    pen.lineTo(x + 1.2 * u, y + 8 * u);
    pen.closePath();
  }
  pen.fillStyle = c.mark[status];
  pen.fill();
  pen.lineWidth = Math.min(1.5, Math.max(0.6, size / 14));
  pen.strokeStyle = c.text;
  pen.stroke();
}

/** stampMark is drawMark for thousands of marks of one size: a copy costs less than a drawing. */
function stampMark(pen: Pen, status: Status, x: number, y: number, size: number, c: Colours): void {
  const scale = devicePixelRatio || 1;
  const pixels = Math.ceil((size + 2) * scale);
  const key = `${status} ${size} ${scale}`;
  let stamp = c.stamps.get(key);
  if (stamp === undefined) {
    stamp = document.createElement('canvas');
    stamp.width = stamp.height = pixels;
    const own = stamp.getContext('2d');
    if (!own) return;
    own.scale(scale, scale);
    drawMark(own, status, 1, 1, size, c);
    if (c.stamps.size > 64) c.stamps.clear(); // sizes of windows that were
    c.stamps.set(key, stamp);
  }
  const snap = (v: number) => Math.round((v - 1) * scale) / scale; // else it is blurred
  pen.drawImage(stamp, snap(x), snap(y), pixels / scale, pixels / scale);
}

/** fit cuts a text so that it is no wider than some pixels. */
function fit(pen: Pen, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let [from, to] = [0, text.length];
  while (from < to) {
    const middle = (from + to + 1) >> 1;
    if (pen.measureText(text.slice(0, middle) + '…').width <= width) from = middle;
    else to = middle - 1;
  }
  return from > 1 ? text.slice(0, from) + '…' : '';
}

/** What a tile has room for. */
const nameFrom = { w: 58, h: 20 };
const wordFrom = { w: 84, h: 42 };
const insideFrom = { w: 120, h: 84 };
const largeFrom = { w: 170, h: 90 };
const hugeFrom = { w: 260, h: 150 };

const stackedTo = 84;
const stackedFrom = 36;

const within = (box: Box, least: { w: number; h: number }): boolean => box.w >= least.w && box.h >= least.h;

export function drawTile(pen: Pen, area: Area, box: Box, c: Colours, below: (area: Area) => readonly Area[]): void {
  const { status } = area;
  if (!within(box, nameFrom)) {
    const size = Math.floor(Math.min(box.w, box.h, 26));
    const gap = size > 14 ? 3 : 1;
    stampMark(pen, status, box.x + (box.w - size) / 2 + gap / 2, box.y + (box.h - size) / 2 + gap / 2, size - gap, c);
    return;
  }
  const [x, y, w, h] = [box.x + 1.5, box.y + 1.5, box.w - 3, box.h - 3];
  pen.beginPath();
  pen.roundRect(x, y, w, h, Math.min(7, h / 4));
  pen.fillStyle = c.ground[status];
  pen.fill();
  pen.lineWidth = status === Red || status === Yellow ? 2 : 1;
  pen.strokeStyle = c.edge[status];
  pen.stroke();

  if (box.w < stackedTo && box.h >= stackedFrom) {
    // The name stands below the mark.
    drawMark(pen, status, x + w / 2 - 7, y + h / 2 - 15, 14, c);
    pen.textBaseline = 'middle';
    pen.textAlign = 'center';
    pen.fillStyle = c.text;
    pen.font = `${status === Green ? 400 : 650} 11px ${c.font}`;
    pen.fillText(fit(pen, area.name, w - 6), x + w / 2, y + h / 2 + 9);
    pen.textAlign = 'start';
    return;
  }
  const tall = within(box, wordFrom);
  const inside = area.group && within(box, insideFrom) ? below(area) : [];
  const [size, name, word] = within(box, hugeFrom) ? [24, 18, 15] : within(box, largeFrom) ? [20, 15, 13] : tall ? [16, 13, 12] : [13, 13, 12];
  const top = inside.length > 0 ? y + 8 : tall ? y + h / 2 - size - 2 : y + h / 2 - size / 2;
  const left = x + 9;
  drawMark(pen, status, left, top, size, c);
  pen.textBaseline = 'middle';
  pen.fillStyle = c.text;
  pen.font = `${status === Green ? 500 : 650} ${name}px ${c.font}`;
  pen.fillText(fit(pen, area.name, w - size - 24), left + size + 7, top + size / 2 + 0.5);
  if (!tall) return;
  pen.font = `${word}px ${c.font}`;
  pen.fillStyle = c.soft;
  const line = top + size + word;
  pen.fillText(fit(pen, short(area), w - 18), left, line);
  if (inside.length > 0) drawInside(pen, inside, { x: x + 7, y: line + word, w: w - 14, h: y + h - line - word - 6 }, c, below);
}

/** short says how an area is in few words. */
function short(a: Area): string {
  const word = statusWords[a.status];
  if (!a.group) return a.value ? `${word} · ${a.value}` : word;
  const parts = ([Red, Yellow, White] as const).filter((s) => a.counts[s] > 0).map((s) => `${figures(a.counts[s])} ${statusWords[s]}`);
  return parts.length > 0 ? `${parts.join(', ')} of ${figures(a.size)}` : `${word} · ${figures(a.size)}`;
}

/** drawInside shows what is in a large tile as tiles of its own. */
function drawInside(pen: Pen, areas: readonly Area[], box: Box, c: Colours, below: (area: Area) => readonly Area[]): void {
  if (box.h < 12) return;
  const packed = pack(shapesOf(areas.map((a) => a.size)), box.w, box.h, { least: 9, most: Infinity, highest: Infinity, rest: 16 });
  packed.boxes.forEach((b, i) => drawTile(pen, areas[i]!, { x: box.x + b.x, y: box.y + b.y, w: b.w, h: b.h }, c, below));
  if (!packed.rest) return;
  pen.font = `12px ${c.font}`;
  pen.fillStyle = c.soft;
  pen.fillText(fit(pen, `and ${figures(areas.length - packed.boxes.length)} more`, box.w), box.x, box.y + packed.rest.y + 9);
}
