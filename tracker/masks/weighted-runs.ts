/**
 * Sums of weights over the pixels of a mask, from its runs: what resizing a mask to a small grid needs. The time depends on the
 * number of runs and on the width of the mask, not on its pixels.
 */
import { type CocoRle, turnsOf } from "../../protocol/rle.js";

/** Masks with more pixels are resized by their runs; the sums differ from those over pixels in the last digits. */
export const LARGE_MASK_PIXELS = 4 * 2 ** 20;

export const isLarge = ({ size: [height, width] }: CocoRle): boolean => height * width > LARGE_MASK_PIXELS;

/** The weights of the pixels of a line for one cell of the grid: those from `first` on. */
export interface CellWeights {
  first: number;
  weights: ArrayLike<number>;
}

/**
 * For each cell of the grid the sum of `across * down` over the pixels of the mask.
 * @param across for each column of the grid, the weights of the columns of the mask
 * @param down for each row of the grid, the weights of the rows of the mask; `first` does not decrease
 * @returns [down.length, across.length]
 */
export function weightedSums(
  mask: CocoRle,
  across: readonly CellWeights[],
  down: readonly CellWeights[],
): Float64Array {
  const [height, width] = mask.size;
  const [side, rows] = [across.length, down.length];
  const sums = new Float64Array(rows * side);
  const runningDown = down.map(({ weights }) => runningSums(weights));
  const cells = cellsByPixel(across, width);
  const column = new Float64Array(rows);
  let x = 0;
  let isEmpty = true;

  function addColumn(): void {
    if (isEmpty) return;
    for (const [cell, weight] of cells[x] as (typeof cells)[0])
      for (let row = 0; row < rows; row++)
        sums[row * side + cell] = (sums[row * side + cell] as number) + weight * (column[row] as number);
    column.fill(0);
    isEmpty = true;
  }

  /** The pixels `from` to before `to` of the column. */
  function addRun(from: number, to: number): void {
    isEmpty = false;
    for (let row = firstRowOf(down, from); row < rows; row++) {
      const { first } = down[row] as CellWeights;
      if (first >= to) break;
      const running = runningDown[row] as Float64Array;
      const last = running.length - 1;
      const begin = Math.min(last, Math.max(0, from - first));
      column[row] =
        (column[row] as number) +
        (running[Math.min(last, to - first)] as number) -
        (running[begin] as number);
    }
  }

  const turns = turnsOf(mask);
  for (let index = 1; index < turns.length; index += 2) {
    let start = turns[index - 1] as number;
    const end = turns[index] as number;
    while (start < end) {
      const next = Math.floor(start / height);
      if (next !== x) addColumn();
      x = next;
      const stop = Math.min(end, (x + 1) * height);
      addRun(start - x * height, stop - x * height);
      start = stop;
    }
  }
  addColumn();
  return sums;
}

/** The first row of the grid with a weight for the pixel or for one after it. */
function firstRowOf(down: readonly CellWeights[], pixel: number): number {
  let [low, high] = [0, down.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { first, weights } = down[middle] as CellWeights;
    if (first + weights.length <= pixel) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** 0, then the sums of the first weight, of the first two, and so on. */
function runningSums(weights: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(weights.length + 1);
  for (let at = 0; at < weights.length; at++) sums[at + 1] = (sums[at] as number) + (weights[at] as number);
  return sums;
}

function cellsByPixel(across: readonly CellWeights[], width: number): [cell: number, weight: number][][] {
  const cells: [number, number][][] = Array.from({ length: width }, () => []);
  for (const [cell, { first, weights }] of across.entries())
    for (let at = 0; at < weights.length; at++) cells[first + at]?.push([cell, weights[at] as number]);
  return cells;
}
