import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Detection } from "../../../detector/detect.js";
import { coveredBy, maskBits, maskExtent, maskIou } from "../../../detector/mask-bits.js";
import { type ExpectedMask, expectMask } from "../../../tracker/motion/expected-mask.js";
import { type Motion, measure, startMotion } from "../../../tracker/motion/motion-model.js";
import { confineToObject, divideDetections } from "../../../tracker/motion/shared-masks.js";

const SIDE = 48;

/** float32 [SIDE, SIDE]; discs given as x, y, radius in pixels */
function discs(...all: (readonly [number, number, number])[]): Float32Array {
  return Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    const [x, y] = [(pixel % SIDE) + 0.5, Math.floor(pixel / SIDE) + 0.5];
    return Math.max(...all.map(([cx, cy, radius]) => 2 * (radius - Math.hypot(x - cx, y - cy))));
  });
}

const extentOf = (mask: Float32Array) => maskExtent(mask, SIDE) ?? expect.fail("an empty mask");

/** The motion of a disc that was seen on the frames before `until`, at constant velocity in pixels per frame. */
function seenDisc(
  [x, y, radius]: readonly [number, number, number],
  [vx, vy]: readonly [number, number],
  until: number,
  frames = 10,
): Motion {
  const at = (frame: number) => discs([x - vx * (until - frame), y - vy * (until - frame), radius]);
  let motion = startMotion(extentOf(at(until - frames)), until - frames);
  for (let frame = until - frames + 1; frame < until; frame++)
    motion = measure(motion, extentOf(at(frame)), frame, "whole", at(frame));
  return { ...motion, last: { area: maskBits(at(until - 1)).area, frameIndex: until - 1 } };
}

const expectDisc = (disc: readonly [number, number, number], velocity = [0, 0] as const): ExpectedMask =>
  expectMask(seenDisc(disc, velocity, 20), 20, SIDE) ?? expect.fail("no expected mask");

function detectionOf(maskLogits: Float32Array, concept = 0): Detection {
  const bits = maskBits(maskLogits);
  return { concepts: new Set([concept]), score: 0.9, maskLogits, bits, extent: extentOf(maskLogits) };
}

const iouWith = (bits: ExpectedMask["bits"], ...disc: [number, number, number]) =>
  maskIou(bits, maskBits(discs(disc)));

describe("the expected mask", () => {
  it("is the last whole mask at the predicted position", () => {
    const speed = fc.double({ min: -0.8, max: 0.8, noNaN: true });
    fc.assert(
      fc.property(speed, speed, fc.integer({ min: 0, max: 8 }), (vx, vy, ahead) => {
        const motion = seenDisc([24, 24, 6], [vx, vy], 20);
        const expected = expectMask(motion, 20 + ahead, SIDE);
        expect(expected && iouWith(expected.bits, 24 + vx * ahead, 24 + vy * ahead, 6)).toBeGreaterThan(0.8);
      }),
    );
  });

  it("does not include what a mask shows while another object touches the object", () => {
    const motion = seenDisc([24, 24, 6], [0, 0], 20);
    const touched = discs([24, 24, 6], [35, 24, 6]);
    const later = measure(motion, extentOf(touched), 20, "cut", touched);
    expect(later.outline).toBe(motion.outline);
    const part = discs([24, 24, 3]);
    expect(measure(motion, extentOf(part), 20, "whole", part).outline).toBe(motion.outline);
    expect(measure(motion, extentOf(touched), 20, "whole").outline).toBe(motion.outline);
  });

  it("is unknown for an object that was measured rarely or long ago", () => {
    expect(expectMask(null, 20, SIDE)).toBeNull();
    expect(expectMask(seenDisc([24, 24, 6], [0, 0], 20, 2), 20, SIDE)).toBeNull();
    expect(expectMask(seenDisc([24, 24, 6], [0, 0], 20), 60, SIDE)).toBeNull();
  });
});

describe("a detection of several objects", () => {
  const [left, right] = [expectDisc([18, 24, 6]), expectDisc([27, 24, 6])];
  const objects = [left, right].map((expected) => ({ conceptKey: 0, expected }));

  it("is divided into one detection per object", () => {
    const merged = detectionOf(discs([18, 24, 6], [27, 24, 6]));
    const parts = divideDetections([merged], objects, SIDE);
    expect(parts.map(({ score, isPart }) => [score, isPart])).toEqual([
      [0.9, true],
      [0.9, true],
    ]);
    expect(iouWith(parts[0]?.bits as ExpectedMask["bits"], 18, 24, 6)).toBeGreaterThan(0.85);
    expect(iouWith(parts[1]?.bits as ExpectedMask["bits"], 27, 24, 6)).toBeGreaterThan(0.85);
  });

  it("assigns no pixel twice and adds none", () => {
    const place = fc.double({ min: 14, max: 34, noNaN: true });
    const radius = fc.double({ min: 3, max: 8, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(place, place, radius), { minLength: 2, maxLength: 3 }), (all) => {
        const merged = detectionOf(discs(...all));
        const expected = all.map((disc) => ({ conceptKey: 0, expected: expectDisc(disc) }));
        const parts = divideDetections([merged], expected, SIDE);
        expect([1, all.length]).toContain(parts.length);
        for (const part of parts) {
          expect(coveredBy(part.bits, merged.bits)).toBe(1);
          for (const other of parts) if (other !== part) expect(maskIou(part.bits, other.bits)).toBe(0);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("stays whole when one of them is hidden behind the other", () => {
    const hidden = [expectDisc([24, 24, 6]), expectDisc([25, 24, 6])];
    const detections = [detectionOf(discs([24, 24, 6], [25, 24, 6]))];
    const of = hidden.map((expected) => ({ conceptKey: 0, expected }));
    expect(divideDetections(detections, of, SIDE)).toEqual(detections);
  });

  it("stays whole when one is inside the other, as a head is inside a person", () => {
    const nested = [expectDisc([24, 24, 9]), expectDisc([24, 18, 3])];
    const detections = [detectionOf(discs([24, 24, 9]))];
    const of = nested.map((expected) => ({ conceptKey: 0, expected }));
    expect(divideDetections(detections, of, SIDE)).toEqual(detections);
  });

  it("stays whole when it is of another concept, or when only one object is there", () => {
    const merged = discs([18, 24, 6], [27, 24, 6]);
    expect(divideDetections([detectionOf(merged, 1)], objects, SIDE)).toHaveLength(1);
    const one = detectionOf(discs([18, 24, 6]));
    expect(divideDetections([one], objects, SIDE)).toEqual([one]);
  });

  it("is not divided for an object that has its own detection", () => {
    const [merged, own] = [detectionOf(discs([18, 24, 6], [27, 24, 6])), detectionOf(discs([27, 24, 6]))];
    const parts = divideDetections([merged, own], objects, SIDE);
    expect(parts).toHaveLength(2);
    expect(iouWith(parts[0]?.bits as ExpectedMask["bits"], 18, 24, 6)).toBeGreaterThan(0.85);
    expect(parts[1]).toBe(own);
  });

  it("is cut when an object has suddenly grown into something else", () => {
    const grown = detectionOf(discs([18, 24, 6], [29, 24, 6]));
    const [part] = divideDetections([grown], objects.slice(0, 1), SIDE);
    expect(iouWith(part?.bits as ExpectedMask["bits"], 18, 24, 6)).toBeGreaterThan(0.85);
    const slightly = detectionOf(discs([18, 24, 6.8]));
    expect(divideDetections([slightly], objects.slice(0, 1), SIDE)).toEqual([slightly]);
  });
});

describe("a tracked mask", () => {
  const own = expectDisc([18, 24, 6]);
  const other = expectDisc([27, 24, 6]);
  const confined = (mask: Float32Array, others: readonly ExpectedMask[]) =>
    confineToObject({ maskLogits: mask, bits: maskBits(mask) }, own, others, SIDE);

  it("is confined to its object when it spreads to a look-alike", () => {
    const spread = confined(discs([18, 24, 6], [27, 24, 6]), [other]);
    expect(iouWith(maskBits(spread), 18, 24, 6)).toBeGreaterThan(0.85);
  });

  it("stays the same when it shows one object, here or elsewhere", () => {
    for (const mask of [discs([18, 24, 6]), discs([27, 24, 6]), discs([18, 24, 3])])
      expect(confined(mask, [other])).toBe(mask);
  });
});
