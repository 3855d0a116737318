/** Masks of the user at the size of the video, as logits on the mask grid of the model. */
import { type CocoRle, decodeMask } from "../../protocol/rle.js";
import { type CellWeights, isLarge, weightedSums } from "./weighted-runs.js";

/** Logit of a cell that is completely inside the mask; a cell that is completely outside has its negative. */
const SURE = 10;

/**
 * A cell is inside when the mask covers at least half of it. When it covers no cell by half, the cells it covers most are
 * inside, so that a small object keeps a memory.
 * @param m side of the mask grid
 * @returns float32 [m, m] logits
 */
export function gridMask(mask: CocoRle, m: number): Float32Array {
  const shares = coveredShares(mask, m);
  const highest = shares.reduce((a, b) => Math.max(a, b), 0);
  const threshold = highest === 0 ? 1 : Math.min(0.5, highest);
  // The factor keeps a cell at the threshold inside.
  return shares.map((share) =>
    share >= threshold ? SURE * Math.max(2 * share - 1, 0.1) : SURE * Math.min(2 * share - 1, -0.1),
  );
}

/** @returns float32 [m, m]: the share of each cell that the mask covers, 0..1 */
function coveredShares(mask: CocoRle, m: number): Float32Array {
  if (isLarge(mask)) {
    const [height, width] = mask.size;
    return Float32Array.from(weightedSums(mask, cellsOf(width, m), cellsOf(height, m)));
  }
  const { width, height, data } = decodeMask(mask);
  const shares = new Float32Array(m * m);
  const across = overlaps(width, m);
  const down = overlaps(height, m);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] === 0) continue;
      for (const [row, tall] of down[y] as Overlap[])
        for (const [column, wide] of across[x] as Overlap[]) {
          const cell = row * m + column;
          shares[cell] = (shares[cell] as number) + tall * wide;
        }
    }
  }
  return shares;
}

/** A cell, and the share of its side that a pixel covers. */
type Overlap = readonly [cell: number, share: number];

/** For each pixel of a line, the cells that it overlaps. */
function overlaps(pixels: number, cells: number): Overlap[][] {
  return Array.from({ length: pixels }, (_, pixel) => {
    const [start, end] = [(pixel * cells) / pixels, ((pixel + 1) * cells) / pixels];
    const found: Overlap[] = [];
    for (let cell = Math.floor(start); cell < Math.min(cells, Math.ceil(end)); cell++) {
      const share = Math.min(end, cell + 1) - Math.max(start, cell);
      if (share > 0) found.push([cell, share]);
    }
    return found;
  });
}

/** For each cell, the pixels that overlap it. */
function cellsOf(pixels: number, cells: number): CellWeights[] {
  const found = Array.from({ length: cells }, () => ({ first: 0, weights: [] as number[] }));
  for (const [pixel, overlapping] of overlaps(pixels, cells).entries())
    for (const [cell, share] of overlapping) {
      const one = found[cell] as (typeof found)[0];
      if (one.weights.length === 0) one.first = pixel;
      one.weights.push(share);
    }
  return found;
}
