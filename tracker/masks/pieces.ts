/**
 * Connected pieces of a mask, or of the pixels outside of it. Pixels are connected when they touch, also at corners. A pixel is
 * inside when its logit is above 0.
 *
 * Pieces are found for every object on every frame, so they consist of horizontal runs instead of pixels: a mask of 80 x 80
 * pixels has a few hundred runs.
 */

/** Pixels `start` up to but not including `end`, all in one row. */
interface Run {
  start: number;
  end: number;
  /** Index of a run of the same component; its own index at the root. */
  parent: number;
}

/** Pixels that are connected. */
export interface Piece {
  runs: Run[];
  /** Number of pixels. */
  area: number;
}

/**
 * Finds the pieces of a mask.
 * @param logits float32 [height, width]
 * @param inside pieces of the pixels with a logit above 0, or of the others
 * @returns in the order of their first pixels
 */
export function findPieces(logits: Float32Array, width: number, inside: boolean): Piece[] {
  const runs = findRuns(logits, width, inside);
  const pieces = new Map<number, Piece>();
  runs.forEach((run, index) => {
    const root = rootOf(runs, index);
    const piece = pieces.get(root);
    const length = run.end - run.start;
    if (!piece) pieces.set(root, { runs: [run], area: length });
    else {
      piece.runs.push(run);
      piece.area += length;
    }
  });
  return [...pieces.values()];
}

/** Number of pixels of a piece inside a mask of the same size. */
export function areaInside({ runs }: Piece, maskLogits: Float32Array): number {
  let area = 0;
  for (const { start, end } of runs)
    for (let pixel = start; pixel < end; pixel++) if ((maskLogits[pixel] as number) > 0) area++;
  return area;
}

/** Sets the pixels of pieces. @returns the same array when there is none; otherwise a copy */
export function paintPieces(logits: Float32Array, pieces: readonly Piece[], value: number): Float32Array {
  if (pieces.length === 0) return logits;
  const painted = logits.slice();
  for (const { runs } of pieces) for (const { start, end } of runs) painted.fill(value, start, end);
  return painted;
}

function findRuns(logits: Float32Array, width: number, inside: boolean): Run[] {
  const runs: Run[] = [];
  let above = 0;
  for (let rowStart = 0; rowStart < logits.length; rowStart += width) {
    const first = runs.length;
    const end = rowStart + width;
    for (let pixel = rowStart; pixel < end; ) {
      if ((logits[pixel] as number) > 0 !== inside) {
        pixel++;
        continue;
      }
      const start = pixel;
      while (pixel < end && (logits[pixel] as number) > 0 === inside) pixel++;
      runs.push({ start, end: pixel, parent: runs.length });
    }
    joinRows(runs, above, first, width);
    above = first;
  }
  return runs;
}

/** Joins the runs of a row, from index `first`, with the touching runs of the previous row, from index `above`. */
function joinRows(runs: Run[], above: number, first: number, width: number): void {
  let upper = above;
  for (let lower = first; lower < runs.length; lower++) {
    const { start, end } = runs[lower] as Run;
    while (upper < first && (runs[upper] as Run).end + width < start) upper++;
    // 8-connected: a run touches runs up to one pixel past its ends.
    for (let other = upper; other < first && (runs[other] as Run).start + width <= end; other++) {
      const [a, b] = [rootOf(runs, lower), rootOf(runs, other)];
      (runs[Math.max(a, b)] as Run).parent = Math.min(a, b);
    }
  }
}

/** The index of the run that represents the component of a run. */
function rootOf(runs: readonly Run[], index: number): number {
  let root = index;
  while ((runs[root] as Run).parent !== root) root = (runs[root] as Run).parent;
  (runs[index] as Run).parent = root;
  return root;
}

/**
 * The share of a mask that its largest piece covers, 0..1; 1 for an empty mask.
 * @param maskLogits float32 [side, side]
 */
export function largestPieceShare(maskLogits: Float32Array, side: number): number {
  const areas = findPieces(maskLogits, side, true).map(({ area }) => area);
  const total = areas.reduce((sum, area) => sum + area, 0);
  return total === 0 ? 1 : Math.max(...areas) / total;
}

/**
 * The piece at a point, or at the pixels around it: a click on a thin piece may miss it on a coarse grid.
 * @param pieces of a mask [side, side]
 * @param point relative to the mask, 0..1
 */
export function pieceAt(
  pieces: readonly Piece[],
  side: number,
  [x, y]: readonly [x: number, y: number],
): Piece | undefined {
  const cell = (relative: number) => Math.min(side - 1, Math.floor(relative * side));
  const at = cell(y) * side + cell(x);
  for (const pixel of [at, ...around(at, side)]) {
    const piece = pieces.find(({ runs }) => runs.some(({ start, end }) => start <= pixel && pixel < end));
    if (piece) return piece;
  }
  return undefined;
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
