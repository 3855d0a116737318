/** Set operations on masks as runs. Their time depends on the number of runs, not of pixels. */
import { type CocoRle, maskArea, rleOfTurns, turnsOf } from "../../protocol/index.js";

/** @throws RangeError when the sizes differ */
function combine(a: CocoRle, b: CocoRle, keeps: (inA: boolean, inB: boolean) => boolean): CocoRle {
  if (a.size[0] !== b.size[0] || a.size[1] !== b.size[1]) {
    throw new RangeError(`expected masks of one size, got ${a.size.join("x")} and ${b.size.join("x")}`);
  }
  const [first, second] = [turnsOf(a), turnsOf(b)];
  const turns: number[] = [];
  let isInside = false;
  for (let i = 0, j = 0; i < first.length || j < second.length; ) {
    const at = Math.min(first[i] ?? Number.POSITIVE_INFINITY, second[j] ?? Number.POSITIVE_INFINITY);
    if (first[i] === at) i++;
    if (second[j] === at) j++;
    // An odd number of turns lies behind: the position is inside.
    const next = keeps(i % 2 === 1, j % 2 === 1);
    if (next !== isInside) turns.push(at);
    isInside = next;
  }
  return rleOfTurns(Int32Array.from(turns), a.size);
}

/** The pixels of `mask` that are not in `other`. */
export const subtractMask = (mask: CocoRle, other: CocoRle): CocoRle =>
  combine(mask, other, (inMask, inOther) => inMask && !inOther);

/** Pixels in both masks over pixels in at least one; 1 for two empty masks. */
export function maskIou(a: CocoRle, b: CocoRle): number {
  const both = maskArea(combine(a, b, (inA, inB) => inA && inB));
  const any = maskArea(a) + maskArea(b) - both;
  return any === 0 ? 1 : both / any;
}

/** Gives each pixel to the last mask that contains it. Masks without a pixel of their own are left out. */
export function withoutOverlaps<T extends { mask: CocoRle }>(masks: readonly T[]): T[] {
  return masks.flatMap((one, at) => {
    const mask = masks.slice(at + 1).reduce((rest, later) => subtractMask(rest, later.mask), one.mask);
    return maskArea(mask) > 0 ? [{ ...one, mask }] : [];
  });
}

/** The parts of a mask whose pixels are connected by their sides, in the order of their first pixels. */
export function connectedParts(mask: CocoRle): CocoRle[] {
  const [height] = mask.size;
  const runs = columnRuns(mask);
  /** A run of the same part before this one, or the run itself. */
  const parents = runs.map((_, at) => at);
  const rootOf = (at: number): number => {
    let root = at;
    while (parents[root] !== root) {
      parents[root] = parents[parents[root] as number] as number;
      root = parents[root] as number;
    }
    return root;
  };
  for (let left = 0, right = 0; right < runs.length; ) {
    const [a, b] = [runs[left] as ColumnRun, runs[right] as ColumnRun];
    if (a.column < b.column - 1) left++;
    else if (a.column >= b.column) right++;
    else {
      if (a.top < b.bottom && b.top < a.bottom) {
        const roots = [rootOf(left), rootOf(right)];
        parents[Math.max(...roots)] = Math.min(...roots);
      }
      if (a.bottom <= b.bottom) left++;
      else right++;
    }
  }
  const parts = new Map<number, number[]>();
  for (const [at, { column, top, bottom }] of runs.entries()) {
    const root = rootOf(at);
    const turns = parts.get(root) ?? [];
    parts.set(root, turns);
    if (turns.at(-1) === column * height + top) turns.pop();
    else turns.push(column * height + top);
    turns.push(column * height + bottom);
  }
  return [...parts.values()].map((turns) => rleOfTurns(Int32Array.from(turns), mask.size));
}

/** Rows from `top` to before `bottom`. */
interface ColumnRun {
  column: number;
  top: number;
  bottom: number;
}

function columnRuns(mask: CocoRle): ColumnRun[] {
  const [height] = mask.size;
  const turns = turnsOf(mask);
  const runs: ColumnRun[] = [];
  for (let index = 0; index < turns.length; index += 2) {
    const end = turns[index + 1] as number;
    for (let at = turns[index] as number; at < end; ) {
      const column = Math.floor(at / height);
      const stop = Math.min(end, (column + 1) * height);
      runs.push({ column, top: at - column * height, bottom: stop - column * height });
      at = stop;
    }
  }
  return runs;
}
