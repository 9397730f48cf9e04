// Which rows are in the window, and where they stand.
//
// Browsers bound the height of an element (Firefox at about 17.9 million pixels), so
// beyond maxHeight the scroll range is scaled: one pixel of the scroll bar then stands
// for more than one pixel of rows, while rows keep their height.

export const maxHeight = 12_000_000;

export class ScrollRange {
  readonly full: number; // pixels of all rows
  readonly height: number; // pixels of the scrolled element

  constructor(
    readonly rows: number,
    readonly rowHeight: number,
    readonly viewport: number,
  ) {
    this.full = rows * rowHeight;
    this.height = Math.min(this.full, maxHeight);
  }

  private get ratio(): number {
    const range = this.height - this.viewport;
    return range > 0 ? (this.full - this.viewport) / range : 1;
  }

  /** top returns the pixel of all rows that is at the top of the window. */
  top(scrollTop: number): number {
    return Math.max(0, Math.min(scrollTop * this.ratio, this.full - this.viewport));
  }

  /** scrollTopFor is the inverse of top. */
  scrollTopFor(top: number): number {
    return Math.max(0, Math.min(top, this.full - this.viewport)) / this.ratio;
  }

  /** offset returns where a row stands in the scrolled element. */
  offset(row: number, scrollTop: number): number {
    return row * this.rowHeight - this.top(scrollTop) + Math.min(scrollTop, Math.max(0, this.height - this.viewport));
  }

  /** window returns the rows [from, to) to draw, with some before and after. */
  window(scrollTop: number, around: number): [number, number] {
    const top = this.top(scrollTop);
    const from = Math.max(0, Math.floor(top / this.rowHeight) - around);
    const to = Math.min(this.rows, Math.ceil((top + this.viewport) / this.rowHeight) + around);
    return [from, to];
  }

  /** reveal returns the scrollTop at which a row is wholly in the window, moving as little as can be. */
  reveal(row: number, scrollTop: number): number {
    const top = this.top(scrollTop);
    const start = row * this.rowHeight;
    if (start < top) return this.scrollTopFor(start);
    if (start + this.rowHeight > top + this.viewport) return this.scrollTopFor(start + this.rowHeight - this.viewport);
    return scrollTop;
  }
}
