// Packs tiles of a few sizes into a rectangle, in the order in which they are given: the
// first are at the top left. A treemap would show sizes better, but makes slivers of
// small areas among large ones; here even the smallest tile is a cell wide and high, so
// that its mark can be seen, and what finds no room is told apart.

/** Shape is the size of a tile in cells. */
export type Shape = readonly [width: number, height: number];

export interface Box {
  x: number; // pixels
  y: number;
  w: number;
  h: number;
}

export interface Packed {
  boxes: Box[]; // of the first tiles, by their number
  cellWidth: number;
  cellHeight: number;
  rest: Box | undefined; // where those are told that found no room
}

export interface Limits {
  least: number; // the smallest width and height of a cell, in pixels
  most: number; // the largest width of a cell
  highest: number; // the largest height of a cell
  rest: number; // height of what tells of the rest; 0: the rest is not told
}

/** Above this width a cell has room for a name beside its mark, and is wider than high. */
const nameWidth = 40;
const flat = 0.55;

/** Among how many numbers of columns the best is chosen, where there are so few tiles that it shows. */
const choices = 4;
const few = 200;

function heightOf(width: number, highest: number): number {
  return width < nameWidth ? width : Math.min(highest, Math.max(nameWidth, width * flat));
}

/** pack places the tiles in a rectangle, as large as they fit. */
export function pack(shapes: readonly Shape[], width: number, height: number, limits: Limits): Packed {
  const none: Packed = { boxes: [], cellWidth: 0, cellHeight: 0, rest: undefined };
  if (shapes.length === 0 || width < limits.least || height < limits.least) return none;
  let units = 0;
  let widest = 1;
  for (const [w, h] of shapes) {
    units += w * h;
    widest = Math.max(widest, w);
  }
  const most = Math.min(limits.most, width / widest);
  // The fewest columns with which all fit, or some more when less of the room stays empty.
  // Where cells are wide, they are flat.
  const first = Math.max(widest, Math.ceil(width / most), Math.floor(Math.sqrt((units * width * flat) / height) / 1.2));
  let best: Packed | undefined;
  let fullest = 0;
  for (let columns = first, found = 0, step = 1; width / columns >= limits.least && found < choices; columns += step, step = Math.max(1, Math.floor(columns / 25))) {
    const cellHeight = heightOf(width / columns, limits.highest);
    const rows = Math.floor(height / cellHeight);
    const at = units > columns * rows ? undefined : place(shapes, columns, rows);
    if (at === undefined) continue;
    found++;
    const packed = boxes(shapes, at, columns, width / columns, height, cellHeight, limits.highest);
    const full = (units * packed.cellWidth * packed.cellHeight) / (width * height);
    if (full > 1.05 * fullest) [best, fullest] = [packed, full];
    if (shapes.length > few) break;
  }
  if (best) return best;
  // Sizes cannot be told any more.
  const single = shapes.map((): Shape => [1, 1]);
  const columns = Math.floor(width / limits.least);
  let rows = Math.floor(height / limits.least);
  if (columns * rows >= shapes.length) {
    if (units > shapes.length) return pack(single, width, height, limits);
    return boxes(single, place(single, columns, rows)!, columns, width / columns, height, limits.least, limits.highest);
  }
  const left = Math.max(0, height - limits.rest);
  rows = Math.floor(left / limits.least);
  const some = single.slice(0, columns * rows);
  const packed = some.length > 0 ? boxes(some, place(some, columns, rows)!, columns, width / columns, left, limits.least, limits.highest) : none;
  if (limits.rest > 0) packed.rest = { x: 0, y: left, w: width, h: height - left };
  return packed;
}

/** boxes turns cells into pixels; where tiles are few, they fill the whole room. */
function boxes(shapes: readonly Shape[], at: Int32Array, columns: number, cellWidth: number, height: number, least: number, highest: number): Packed {
  let rows = 0;
  for (let i = 0; i < shapes.length; i++) rows = Math.max(rows, Math.floor(at[i]! / columns) + shapes[i]![1]);
  const full = shapes.length <= few;
  const cellHeight = Math.min(height / rows, full ? highest : Math.max(least, Math.min(1.2 * cellWidth, highest)));
  const grown = full ? grow(shapes, at, columns, rows) : shapes;
  const list = grown.map(
    ([w, h], i): Box => ({ x: (at[i]! % columns) * cellWidth, y: Math.floor(at[i]! / columns) * cellHeight, w: w * cellWidth, h: h * cellHeight }),
  );
  if (full) spread(list, shapes, at, columns, rows, cellWidth);
  return { boxes: list, cellWidth, cellHeight, rest: undefined };
}

/** grow lets tiles take the free cells to their right and below, but for those of the last row, which spread. */
function grow(shapes: readonly Shape[], at: Int32Array, columns: number, rows: number): Shape[] {
  const taken = new Uint8Array(columns * rows);
  shapes.forEach(([w, h], i) => {
    for (let y = 0; y < h; y++) taken.fill(1, at[i]! + y * columns, at[i]! + y * columns + w);
  });
  const all = (from: number, step: number, n: number): boolean => {
    for (let k = 0; k < n; k++) if (taken[from + k * step] !== 0) return false;
    for (let k = 0; k < n; k++) taken[from + k * step] = 1;
    return true;
  };
  return shapes.map(([width, height], i): Shape => {
    const cell = at[i]!;
    const [x, y] = [cell % columns, Math.floor(cell / columns)];
    let [w, h] = [width, height];
    if (y + h < rows || h > 1) while (x + w < columns && all(cell + w, columns, h)) w++;
    while (y + h < rows && all(cell + h * columns, 1, w)) h++;
    return [w, h];
  });
}

/** spread widens the tiles of the last row when nothing but them is in it. */
function spread(list: Box[], shapes: readonly Shape[], at: Int32Array, columns: number, rows: number, cellWidth: number): void {
  const inLast = shapes.map((_, i) => i).filter((i) => at[i]! >= (rows - 1) * columns);
  const cells = inLast.reduce((n, i) => n + shapes[i]![0], 0);
  const top = list[inLast[0] ?? 0]!.y;
  if (cells === 0 || list.some((b, i) => !inLast.includes(i) && b.y + b.h > top + 0.5)) return;
  let x = 0;
  for (const i of inLast) {
    const w = (list[i]!.w = (shapes[i]![0] * columns * cellWidth) / cells);
    list[i]!.x = x;
    x += w;
  }
}

/** place returns the first cell of each tile, or undefined when they do not fit. Each takes the first place that has room for it. */
function place(shapes: readonly Shape[], columns: number, rows: number): Int32Array | undefined {
  const cells = columns * rows;
  const taken = new Uint8Array(cells);
  const at = new Int32Array(shapes.length);
  const next = new Map<number, number>(); // where to look for a size first: room only shrinks
  for (let i = 0; i < shapes.length; i++) {
    const [w, h] = shapes[i]!;
    const size = 64 * w + h;
    let c = next.get(size) ?? 0;
    while (c < cells && !free(taken, c, w, h, columns, rows)) c++;
    if (c >= cells) return undefined;
    for (let y = 0; y < h; y++) taken.fill(1, c + y * columns, c + y * columns + w);
    at[i] = c;
    next.set(size, c + w);
  }
  return at;
}

function free(taken: Uint8Array, cell: number, w: number, h: number, columns: number, rows: number): boolean {
  if (taken[cell] === 1 || (cell % columns) + w > columns || Math.floor(cell / columns) + h > rows) return false;
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) if (taken[cell + y * columns + x] === 1) return false;
  }
  return true;
}

const steps: readonly (readonly [upTo: number, shape: Shape])[] = [
  [1.5, [1, 1]],
  [3, [2, 1]],
  [6, [2, 2]],
  [12, [3, 2]],
  [Infinity, [4, 3]],
];

/** shapesOf gives each area a size by its number of attributes, against the middle one. */
export function shapesOf(sizes: readonly number[]): Shape[] {
  const sorted = [...sizes].sort((a, b) => a - b);
  const middle = Math.max(1, sorted[(sorted.length - 1) >> 1] ?? 1);
  return sizes.map((size) => steps.find(([upTo]) => size / middle < upTo)![1]);
}
