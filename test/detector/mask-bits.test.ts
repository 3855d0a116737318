import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coveredBy, maskBits, maskExtent, maskIou, sharedArea } from "../../detector/mask-bits.js";

const side = 7;
const logits = fc
  .array(fc.constantFrom(-3, -0.5, 0, 0.5, 3), { minLength: side * side, maxLength: side * side })
  .map((values) => Float32Array.from(values));

describe("mask bits", () => {
  it("give the same areas and overlaps as counting pixel by pixel", () => {
    fc.assert(
      fc.property(logits, logits, (a, b) => {
        const count = (test: (i: number) => boolean) => [...a.keys()].filter(test).length;
        const inA = (i: number) => (a[i] as number) > 0;
        const inB = (i: number) => (b[i] as number) > 0;
        const both = count((i) => inA(i) && inB(i));
        const either = count((i) => inA(i) || inB(i));
        const [bitsA, bitsB] = [maskBits(a), maskBits(b)];
        expect(bitsA.area).toBe(count(inA));
        expect(sharedArea(bitsA, bitsB)).toBe(both);
        expect(maskIou(bitsA, bitsB)).toBeCloseTo(either === 0 ? 0 : both / either);
        expect(coveredBy(bitsA, bitsB)).toBeCloseTo(bitsA.area === 0 ? 0 : both / bitsA.area);
      }),
    );
  });

  it("have a tight box with exclusive right and bottom edges, and the mean of their pixels as centre", () => {
    const mask = new Float32Array(16).fill(-1);
    for (const pixel of [5, 6, 9]) mask[pixel] = 1;
    const extent = maskExtent(mask, 4);
    expect(extent?.box).toEqual([0.25, 0.25, 0.75, 0.75]);
    expect(extent?.centre[0]).toBeCloseTo((1.5 + 2.5 + 1.5) / 3 / 4);
    expect(extent?.centre[1]).toBeCloseTo((1.5 + 1.5 + 2.5) / 3 / 4);
  });

  it("have no extent when no pixel is inside; a logit of exactly 0 is outside", () => {
    expect(maskExtent(new Float32Array(16), 4)).toBeNull();
  });
});
