/** Distances from a mask. */
import type { Piece } from "./pieces.js";

/** Distance in pixels between two pixels that touch at a corner. */
const DIAGONAL = Math.SQRT2;

/**
 * Distance of every pixel from the nearest pixel of pieces, in steps to neighbouring pixels: at most 8 % more than the straight
 * distance.
 * Source: Borgefors, Distance transformations in digital images, 1986.
 * @returns float32 [side, side], in pixels; infinite without pieces
 */
export function distancesFrom(pieces: readonly Piece[], side: number): Float32Array {
  const distances = new Float32Array(side * side).fill(Number.POSITIVE_INFINITY);
  for (const { runs } of pieces) for (const { start, end } of runs) distances.fill(0, start, end);
  const lower = (x: number, y: number, dx: number, dy: number, step: number) => {
    const [u, v] = [x + dx, y + dy];
    if (u < 0 || u >= side || v < 0 || v >= side) return;
    const pixel = y * side + x;
    distances[pixel] = Math.min(distances[pixel] as number, (distances[v * side + u] as number) + step);
  };
  const visit = (x: number, y: number, backward: 1 | -1) => {
    lower(x, y, -backward, 0, 1);
    for (const dx of [-1, 0, 1]) lower(x, y, dx, -backward, dx === 0 ? 1 : DIAGONAL);
  };
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) visit(x, y, 1);
  for (let y = side - 1; y >= 0; y--) for (let x = side - 1; x >= 0; x--) visit(x, y, -1);
  return distances;
}
