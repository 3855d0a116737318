/**
 * Masks from their logits straight to runs: those of large pictures, and all whose bitmap is not needed. A picture of 100
 * megapixels has a few ten thousand runs: without its bitmap, the time and the memory depend on the width of the mask and the
 * size of the logits, not on the pixels.
 *
 * Between two rows of logits, the values of a column change linearly, so their sign changes at most once. The pixels around a
 * change are computed in float32 as ONNX Runtime computes them: the mask is that of the pack's `render` graph, bit by bit.
 *
 * Source: the operator Resize of onnxruntime, mode `linear`, coordinates `half_pixel`
 * (microsoft/onnxruntime:onnxruntime/core/providers/cpu/tensor/upsample.cc).
 */
import { type CocoRle, rleOfTurns } from "../../protocol/rle.js";

export interface LargeMask {
  mask: CocoRle;
  /** Number of pixels inside. */
  area: number;
  /** Left, top, right, bottom in pixels; right and bottom exclusive; all 0 for an empty mask. */
  box: readonly [number, number, number, number];
}

/**
 * The pixels whose logit is above 0, once the logits are enlarged to the size of the picture.
 * @param logits float32 [side, side], finite
 */
export function renderLarge(
  logits: Float32Array,
  side: number,
  { width, height }: { width: number; height: number },
): LargeMask {
  const across = samplesOf(side, width);
  const down = samplesOf(side, height);
  const firstRows = firstRowsOf(down, side);
  const column = new Column(logits, side, across, down);
  const turns = new Turns(height);
  const insides = insidesOf(logits, side);
  for (let x = 0; x < width; x++) {
    const [left, right] = [across.low[x] as number, across.high[x] as number];
    // Nothing is inside between logits that are not above 0. The pixels above a row of logits lie between it and the row before.
    const first = Math.max(0, Math.min(insides.first[left] as number, insides.first[right] as number) - 1);
    const last = Math.max(insides.last[left] as number, insides.last[right] as number);
    if (first > last) continue;
    column.moveTo(x, first, last + 1);
    turns.startColumn(x);
    for (let row = first; row <= last; row++) {
      const [from, to] = [firstRows[row] as number, firstRows[row + 1] as number];
      if (from < to) column.visit(row, from, to, turns);
    }
    turns.set(firstRows[last + 1] as number, false);
    turns.endColumn();
  }
  const { area, box } = turns;
  return { mask: rleOfTurns(turns.positions(), [height, width]), area, box };
}

/** For each column of logits, the first and the last row above 0; in columns without one, the first comes after the last. */
function insidesOf(logits: Float32Array, side: number): { first: Int32Array; last: Int32Array } {
  const first = new Int32Array(side).fill(side + 1);
  const last = new Int32Array(side).fill(-1);
  for (let row = 0, at = 0; row < side; row++) {
    for (let column = 0; column < side; column++, at++) {
      if (!((logits[at] as number) > 0)) continue;
      if ((first[column] as number) > row) first[column] = row;
      last[column] = row;
    }
  }
  return { first, last };
}

/** For each pixel of an axis: the two logits around it, and their weights. All numbers are float32, as in the runtime. */
interface Samples {
  low: Int32Array;
  high: Int32Array;
  /** Weights of `low` and of `high`. */
  near: Float32Array;
  far: Float32Array;
}

function samplesOf(side: number, target: number): Samples {
  const samples = {
    low: new Int32Array(target),
    high: new Int32Array(target),
    near: new Float32Array(target),
    far: new Float32Array(target),
  };
  const scale = Math.fround(target / side);
  for (let pixel = 0; pixel < target; pixel++) {
    const centre = Math.fround(Math.fround(Math.fround(pixel + 0.5) / scale) - 0.5);
    const at = scale === 1 ? pixel : Math.max(0, Math.min(centre, side - 1));
    const low = Math.min(Math.floor(at), side - 1);
    const high = Math.min(low + 1, side - 1);
    samples.low[pixel] = low;
    samples.high[pixel] = high;
    samples.near[pixel] = low === high ? 0.5 : high - at;
    samples.far[pixel] = low === high ? 0.5 : at - low;
  }
  return samples;
}

/** The first pixel whose lower logit is that of the row, for each row; then the number of pixels. */
function firstRowsOf({ low }: Samples, side: number): Int32Array {
  const first = new Int32Array(side + 1).fill(low.length);
  for (let pixel = low.length - 1; pixel >= 0; pixel--) first[low[pixel] as number] = pixel;
  // Rows without a pixel, in pictures with fewer rows than the logits.
  for (let row = side - 1; row >= 0; row--)
    first[row] = Math.min(first[row] as number, first[row + 1] as number);
  return first;
}

/** Sums of four products in float32 differ by less than this share of the sum of their magnitudes. */
const ROUNDING = 1e-6;

const { fround } = Math;

class Column {
  private x = 0;
  /** The values of the column at each row of logits, and the sum of the magnitudes that they are made from. */
  private readonly values: Float64Array;
  private readonly magnitudes: Float64Array;

  constructor(
    private readonly logits: Float32Array,
    private readonly side: number,
    private readonly across: Samples,
    private readonly down: Samples,
  ) {
    this.values = new Float64Array(side + 1);
    this.magnitudes = new Float64Array(side + 1);
  }

  /** @param from and `to`: the rows of logits that are visited, and the one after them */
  moveTo(x: number, from: number, to: number): void {
    this.x = x;
    const { logits, side, across, values, magnitudes } = this;
    const [near, far] = [across.near[x] as number, across.far[x] as number];
    let left = from * side + (across.low[x] as number);
    let right = from * side + (across.high[x] as number);
    for (let row = from; row <= Math.min(to, side - 1); row++, left += side, right += side) {
      const a = near * (logits[left] as number);
      const b = far * (logits[right] as number);
      values[row] = a + b;
      magnitudes[row] = Math.abs(a) + Math.abs(b);
    }
    values[side] = values[side - 1] as number;
    magnitudes[side] = magnitudes[side - 1] as number;
  }

  /** Adds the turns among the pixels `from` to before `to`, which lie between two rows of logits. */
  visit(row: number, from: number, to: number, turns: Turns): void {
    const above = this.values[row] as number;
    const below = this.values[row + 1] as number;
    const doubt = ROUNDING * ((this.magnitudes[row] as number) + (this.magnitudes[row + 1] as number));
    // Not above 0 for zeros, and for what is no number.
    const isClear =
      !(doubt > 0) || (Math.abs(above) > doubt && Math.abs(below) > doubt && above > 0 === below > 0);
    if (isClear) {
      turns.set(from, doubt > 0 && above > 0);
      return;
    }
    // The pixels whose value may be rounded to either side of 0.
    const change = below - above;
    const middle = -above / change;
    const spread = Math.abs(doubt / change);
    const hasChange = Number.isFinite(middle) && Number.isFinite(spread);
    const first = hasChange ? Math.max(from, this.pixelAt(row + middle - spread) - 2) : from;
    const end = hasChange ? Math.min(to, this.pixelAt(row + middle + spread) + 3) : to;
    if (first > from) turns.set(from, above > 0);
    for (let y = first; y < end; y++) turns.set(y, this.isInside(y));
    if (end < to) turns.set(Math.max(from, end), below > 0);
  }

  /** The pixel at a position among the rows of logits. */
  private pixelAt(position: number): number {
    const scale = this.down.low.length / this.side;
    return Math.floor((position + 0.5) * scale - 0.5);
  }

  private isInside(y: number): boolean {
    const { logits, side, across, down, x } = this;
    const [left, right] = [across.low[x] as number, across.high[x] as number];
    const [top, bottom] = [(down.low[y] as number) * side, (down.high[y] as number) * side];
    const [near, far] = [across.near[x] as number, across.far[x] as number];
    const [upper, lower] = [down.near[y] as number, down.far[y] as number];
    const product = (a: number, b: number, index: number) =>
      fround(fround(a * b) * (logits[index] as number));
    let sum = fround(product(near, upper, top + left) + product(far, upper, top + right));
    sum = fround(sum + product(near, lower, bottom + left));
    return fround(sum + product(far, lower, bottom + right)) > 0;
  }
}

/** The positions at which a mask begins and ends, column by column. */
class Turns {
  area = 0;
  private list = new Int32Array(1024);
  private length = 0;
  private start = 0;
  private isInside = false;
  private x = 0;
  private first = 0;
  private edges = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0] as [
    number,
    number,
    number,
    number,
  ];

  constructor(private readonly height: number) {}

  startColumn(x: number): void {
    this.x = x;
    this.start = x * this.height;
    this.isInside = false;
  }

  /** From this row on, the pixels are inside or not. */
  set(row: number, isInside: boolean): void {
    if (isInside === this.isInside) return;
    this.isInside = isInside;
    if (isInside) this.first = row;
    else this.close(row);
    this.add(this.start + row);
  }

  endColumn(): void {
    this.set(this.height, false);
  }

  get box(): LargeMask["box"] {
    return this.area === 0 ? [0, 0, 0, 0] : this.edges;
  }

  positions(): Int32Array {
    return this.list.subarray(0, this.length);
  }

  private close(row: number): void {
    const [x0, y0, x1, y1] = this.edges;
    this.area += row - this.first;
    this.edges = [
      Math.min(x0, this.x),
      Math.min(y0, this.first),
      Math.max(x1, this.x + 1),
      Math.max(y1, row),
    ];
  }

  /** A run that ends at the bottom and continues at the top of the next column is one. */
  private add(position: number): void {
    if (this.length > 0 && this.list[this.length - 1] === position) {
      this.length -= 1;
      return;
    }
    if (this.length === this.list.length) {
      const larger = new Int32Array(2 * this.length);
      larger.set(this.list);
      this.list = larger;
    }
    this.list[this.length++] = position;
  }
}
