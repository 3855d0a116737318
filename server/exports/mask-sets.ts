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
