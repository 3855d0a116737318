/**
 * Removes the pieces of a tracked mask that are far from the object. A tracker that recognises an object by its look also marks
 * other things of this look, for example a second animal which the first has passed.
 */
import { distancesFrom } from "./distances.js";
import { OUTSIDE } from "./mask.js";
import { isNearlyHidden } from "./nearly-hidden.js";
import { areaInside, findPieces, type Piece, paintPieces } from "./pieces.js";

/** Ratio of the widest gap in a given mask by which the gap may grow. */
const GAP_GROWTH = 1.5;

/**
 * Removes the pieces that are farther from the main piece than `maxGap`. The main piece is the one with the largest area, where
 * pixels of the last mask count twice: a large piece elsewhere is rather the object than a small rest where it was.
 * @param maskLogits float32 [side, side]; not changed
 * @param last the mask of the object on a frame close to this one; float32 [side, side]
 * @param given masks of the object that a user or the detector gave. Objects that have several pieces there, for example behind
 *   a post, may have them as far apart here.
 * @param maxGap in square roots of the main piece's area
 * @returns the same array when nothing was removed
 */
export function removeStrayPieces(
  maskLogits: Float32Array,
  side: number,
  last: Float32Array,
  given: readonly Float32Array[],
  maxGap: number,
): Float32Array {
  const pieces = findPieces(maskLogits, side, true);
  if (pieces.length < 2) return maskLogits;
  if (pieces.every((piece) => areaInside(piece, last) === 0)) return maskLogits;
  const main = pieceWithMost(pieces, (piece) => piece.area + areaInside(piece, last));
  // The object may be found again in another piece.
  if (isNearlyHidden(main.area, given)) return maskLogits;
  const allowed = Math.max(maxGap, ...given.map((mask) => GAP_GROWTH * widestGap(mask, side)));
  const gaps = gapsFrom(main, pieces, side);
  return paintPieces(
    maskLogits,
    pieces.filter((_, index) => (gaps[index] as number) > allowed),
    OUTSIDE,
  );
}

/** The widest gap between the largest piece of a mask and another one, in square roots of its area; 0: one piece. */
function widestGap(maskLogits: Float32Array, side: number): number {
  const pieces = findPieces(maskLogits, side, true);
  if (pieces.length < 2) return 0;
  return Math.max(
    ...gapsFrom(
      pieceWithMost(pieces, ({ area }) => area),
      pieces,
      side,
    ),
  );
}

/** @returns the first of those with the highest value */
function pieceWithMost(pieces: readonly Piece[], rank: (piece: Piece) => number): Piece {
  const values = pieces.map(rank);
  return pieces[values.indexOf(Math.max(...values))] as Piece;
}

/** Distance of each piece from the main one, in square roots of the area of the main one. */
function gapsFrom(main: Piece, pieces: readonly Piece[], side: number): number[] {
  const distances = distancesFrom([main], side);
  return pieces.map(({ runs }) => {
    let nearest = Number.POSITIVE_INFINITY;
    for (const { start, end } of runs)
      for (let pixel = start; pixel < end; pixel++) nearest = Math.min(nearest, distances[pixel] as number);
    return nearest / Math.sqrt(main.area);
  });
}
