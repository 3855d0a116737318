/**
 * Fills small holes and removes small specks of a mask, by SAM 3's rule with 8-connected components.
 *
 * It runs for every object on every frame, so components are joined from horizontal runs instead of pixels: a mask of
 * 80 x 80 pixels has a few hundred runs.
 */

/**
 * @param logits float32 [height, width]; not changed
 * @param maxArea in pixels: holes up to this area are filled; specks up to this area and to half of the mask are removed
 * @returns the same array when there was nothing to clean
 */
export function fillHoles(logits: Float32Array, width: number, maxArea: number): Float32Array {
  if (maxArea <= 0) return logits;
  const filled = paint(logits, smallComponents(logits, width, false, maxArea), FILLED);
  let area = 0;
  for (let pixel = 0; pixel < filled.length; pixel++) if ((filled[pixel] as number) > 0) area++;
  const speckArea = Math.min(maxArea, Math.floor(area / 2));
  return paint(filled, smallComponents(filled, width, true, speckArea), REMOVED);
}

const FILLED = 0.1;
const REMOVED = -0.1;

/** Pixels `start` up to but not including `end`, all in one row. */
interface Run {
  start: number;
  end: number;
  /** Index of a run of the same component; its own index at the root. */
  parent: number;
}

function paint(logits: Float32Array, runs: readonly Run[], value: number): Float32Array {
  if (runs.length === 0) return logits;
  const painted = logits.slice();
  for (const { start, end } of runs) painted.fill(value, start, end);
  return painted;
}

/** The runs of all components, inside or outside, with at most `maxArea` pixels. */
function smallComponents(logits: Float32Array, width: number, inside: boolean, maxArea: number): Run[] {
  if (maxArea <= 0) return [];
  const runs = findRuns(logits, width, inside);
  const areas = new Int32Array(runs.length);
  runs.forEach(({ start, end }, index) => {
    const root = rootOf(runs, index);
    areas[root] = (areas[root] as number) + end - start;
  });
  return runs.filter((_, index) => (areas[rootOf(runs, index)] as number) <= maxArea);
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

function rootOf(runs: readonly Run[], index: number): number {
  let root = index;
  while ((runs[root] as Run).parent !== root) root = (runs[root] as Run).parent;
  (runs[index] as Run).parent = root;
  return root;
}
