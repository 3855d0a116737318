/** Masks of the user, at the size of the video, as masks on a square grid. */
import { type CocoRle, decodeMask, encodeMask, maskBox } from "../../protocol/rle.js";
import { isLarge, weightedSums } from "./weighted-runs.js";

/** Logits of an input mask: `SCALE * coverage + BIAS`, as in SAM 2 and SAM 3. */
const SCALE = 20;
const BIAS = -10;

/**
 * The share of each cell that a mask covers: bilinear interpolation with antialiasing, as in PyTorch's
 * `interpolate(..., mode="bilinear", antialias=True)`. A mask that covers no cell by half covers completely the cells that it
 * covers most, so that a mask with a pixel is never lost.
 * @param side of the grid
 * @returns float32 [side, side], 0..1
 * @throws RangeError for a text that is no RLE of the mask's size
 */
export function coverageOf(mask: CocoRle, side: number): Float32Array {
  const covered = isLarge(mask) ? largeCoverage(mask, side) : coverageByPixels(mask, side);
  const most = covered.reduce((a, b) => Math.max(a, b), 0);
  if (most === 0 || most > 0.5) return covered;
  return covered.map((share) => (share > most / 2 ? 1 : share));
}

function largeCoverage(mask: CocoRle, side: number): Float32Array {
  const [height, width] = mask.size;
  return Float32Array.from(weightedSums(mask, tapsFor(width, side), tapsFor(height, side)));
}

function coverageByPixels(mask: CocoRle, side: number): Float32Array {
  const { width, height, data } = decodeMask(mask);
  const [, top, , rows] = maskBox(mask);
  const across = tapsFor(width, side);
  const down = tapsFor(height, side);
  // Rows first, and only those of the mask: float32 [rows, side].
  const narrow = new Float32Array(rows * side);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < side; x++) {
      const { first, weights } = across[x] as Taps;
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++)
        sum += (data[(top + row) * width + first + tap] as number) * (weights[tap] as number);
      narrow[row * side + x] = sum;
    }
  }
  const covered = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    const { first, weights } = down[y] as Taps;
    for (let tap = 0; tap < weights.length; tap++) {
      const row = first + tap - top;
      if (row < 0 || row >= rows) continue;
      const weight = weights[tap] as number;
      for (let x = 0; x < side; x++)
        covered[y * side + x] =
          (covered[y * side + x] as number) + weight * (narrow[row * side + x] as number);
    }
  }
  return covered;
}

/** @param coverage 0..1 @returns logits, above 0 where more than half is covered */
export function coverageLogits(coverage: Float32Array): Float32Array {
  return coverage.map((share) => SCALE * share + BIAS);
}

/** The pixels above 0 of mask logits, float32 [side, side], as run lengths. */
export function gridRuns(maskLogits: Float32Array, side: number): CocoRle {
  return encodeMask(
    Uint8Array.from(maskLogits, (logit) => (logit > 0 ? 1 : 0)),
    side,
    side,
  );
}

interface Taps {
  first: number;
  weights: Float64Array;
}

/** For each target position, the source positions that contribute to it, and their weights: a triangle filter. */
function tapsFor(length: number, target: number): Taps[] {
  const scale = length / target;
  const support = Math.max(scale, 1);
  return Array.from({ length: target }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const end = Math.min(length, Math.floor(centre + support + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_unused, tap) =>
      Math.max(0, 1 - Math.abs((first + tap + 0.5 - centre) / support)),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
