/** Connected pieces of a mask: pixels inside that touch each other, also at corners. A pixel is inside when its logit is above 0. */

/**
 * The share of a mask that its largest piece covers, 0..1; 1 for an empty mask.
 * @param maskLogits float32 [side, side]
 */
export function largestPieceShare(maskLogits: Float32Array, side: number): number {
  const takePiece = createFill(maskLogits, side);
  let [total, largest] = [0, 0];
  for (let start = 0; start < maskLogits.length; start++) {
    const { length } = takePiece(start);
    total += length;
    largest = Math.max(largest, length);
  }
  return total === 0 ? 1 : largest / total;
}

/**
 * The pixels of the piece at a point, or at the pixels around it: a click on a thin piece may miss it on a coarse grid.
 * @param maskLogits float32 [side, side]
 * @param point relative to the mask, 0..1
 * @returns empty when there is no piece
 */
export function pieceAt(
  maskLogits: Float32Array,
  side: number,
  [x, y]: readonly [x: number, y: number],
): readonly number[] {
  const takePiece = createFill(maskLogits, side);
  const cell = (relative: number) => Math.min(side - 1, Math.floor(relative * side));
  const at = cell(y) * side + cell(x);
  for (const pixel of [at, ...around(at, side)]) {
    const piece = takePiece(pixel);
    if (piece.length > 0) return piece;
  }
  return [];
}

/** @returns the pixels of the piece at a pixel; none outside of the mask, and none of a piece that was returned before */
function createFill(maskLogits: Float32Array, side: number): (start: number) => number[] {
  const isVisited = new Uint8Array(maskLogits.length);
  return (start) => {
    const piece: number[] = [];
    const visit = (pixel: number) => {
      if (isVisited[pixel] || (maskLogits[pixel] as number) <= 0) return;
      isVisited[pixel] = 1;
      piece.push(pixel);
    };
    visit(start);
    for (let next = 0; next < piece.length; next++) {
      for (const pixel of around(piece[next] as number, side)) visit(pixel);
    }
    return piece;
  };
}

/** The pixels that touch a pixel. */
export function around(pixel: number, side: number): number[] {
  const x = pixel % side;
  const y = (pixel - x) / side;
  const pixels: number[] = [];
  for (let row = Math.max(0, y - 1); row <= Math.min(side - 1, y + 1); row++)
    for (let column = Math.max(0, x - 1); column <= Math.min(side - 1, x + 1); column++)
      if (row !== y || column !== x) pixels.push(row * side + column);
  return pixels;
}
