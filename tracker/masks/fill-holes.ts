/**
 * Fills small holes and removes small specks of a mask, by SAM 3's rule with 8-connected components.
 */
import { findPieces, type Piece, paintPieces } from "./pieces.js";

/**
 * @param logits float32 [height, width]; not changed
 * @param maxArea in pixels: holes up to this area are filled; specks up to this area and to half of the mask are removed
 * @returns the same array when there was nothing to clean
 */
export function fillHoles(logits: Float32Array, width: number, maxArea: number): Float32Array {
  if (maxArea <= 0) return logits;
  const filled = paintPieces(logits, smallPieces(logits, width, false, maxArea), FILLED);
  let area = 0;
  for (let pixel = 0; pixel < filled.length; pixel++) if ((filled[pixel] as number) > 0) area++;
  const speckArea = Math.min(maxArea, Math.floor(area / 2));
  return paintPieces(filled, smallPieces(filled, width, true, speckArea), REMOVED);
}

const FILLED = 0.1;
const REMOVED = -0.1;

/** All pieces, inside or outside, with at most `maxArea` pixels. */
function smallPieces(logits: Float32Array, width: number, inside: boolean, maxArea: number): Piece[] {
  return maxArea <= 0 ? [] : findPieces(logits, width, inside).filter(({ area }) => area <= maxArea);
}
