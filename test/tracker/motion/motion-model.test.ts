import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MaskExtent } from "../../../detector/mask-bits.js";
import {
  COAST_FRAMES,
  emergenceAgreement,
  inContact,
  type Motion,
  measure,
  motionAgreement,
  predict,
  startMotion,
} from "../../../tracker/motion/motion-model.js";

function extent(x: number, y: number, width = 0.2, height = 0.2): MaskExtent {
  return { box: [x - width / 2, y - height / 2, x + width / 2, y + height / 2], centre: [x, y] };
}

/** The motion of an object that moves by `velocity` per frame, with a whole mask on each frame. */
function travelled(velocity: readonly [number, number], frames: number): Motion {
  let motion = startMotion(extent(0.5, 0.5), 0);
  for (let frame = 1; frame <= frames; frame++) {
    motion = measure(motion, extent(0.5 + velocity[0] * frame, 0.5 + velocity[1] * frame), frame, "whole");
  }
  return motion;
}

describe("motion", () => {
  it("measures a constant velocity and extrapolates it", () => {
    const speed = fc.double({ min: -0.05, max: 0.05, noNaN: true });
    fc.assert(
      fc.property(speed, speed, fc.integer({ min: 1, max: 20 }), (vx, vy, ahead) => {
        const [cx, cy] = predict(travelled([vx, vy], 12), 12 + ahead);
        expect(cx).toBeCloseTo(0.5 + vx * (12 + ahead), 2);
        expect(cy).toBeCloseTo(0.5 + vy * (12 + ahead), 2);
      }),
    );
  });

  it("works the same when frames are visited backwards", () => {
    let motion = startMotion(extent(0.5, 0.5), 20);
    for (let frame = 19; frame >= 10; frame--) {
      motion = measure(motion, extent(0.5 + 0.01 * (20 - frame), 0.5), frame, "whole");
    }
    expect(predict(motion, 5)[0]).toBeCloseTo(0.65, 2);
  });

  it("stops where it has been extrapolated for too long, and starts again there", () => {
    const motion = travelled([0.01, 0], 10);
    const limit = 10 + COAST_FRAMES;
    expect(predict(motion, limit + 50)).toEqual(predict(motion, limit));
    expect(measure(motion, extent(0.1, 0.1), limit + 1, "unreliable")).toEqual(
      startMotion(extent(0.1, 0.1), limit + 1),
    );
  });

  it("ignores a mask that another object cuts, and uses it while it is whole", () => {
    const motion = travelled([0.01, 0], 10);
    expect(measure(motion, extent(0.55, 0.5, 0.08), 11, "cut")).toBe(motion);
    expect(measure(motion, extent(0.62, 0.5), 11, "cut").centre[0]).toBeGreaterThan(0.61);
    expect(measure(motion, extent(0.62, 0.5), 11, "unreliable")).toBe(motion);
  });

  it("keeps its velocity when part of a mask disappears behind an unknown occluder", () => {
    const motion = travelled([0.01, 0], 10);
    const partly = measure(motion, extent(0.58, 0.5, 0.1), 11, "whole");
    expect(partly.velocity).toEqual(motion.velocity);
  });

  it("agrees fully at the predicted position, and not from a distance of one object size", () => {
    const motion = travelled([0, 0], 5);
    expect(motionAgreement(motion, extent(0.5, 0.5), 6)).toBeCloseTo(1);
    expect(motionAgreement(motion, extent(0.8, 0.5), 6)).toBe(0);
    expect(motionAgreement(motion, extent(0.5, 0.5, 0.1, 0.1), 6)).toBeLessThan(0.7);
  });

  it("searches farther the longer the object has not been seen", () => {
    const motion = travelled([0, 0], 5);
    const aside = extent(0.7, 0.5);
    expect(motionAgreement(motion, aside, 20)).toBeGreaterThan(motionAgreement(motion, aside, 6));
  });

  it("accepts a part of the object where it should reappear, but no larger mask", () => {
    const motion = travelled([0, 0], 5);
    expect(emergenceAgreement(motion, extent(0.58, 0.5, 0.04), 6)).toBeCloseTo(1);
    expect(emergenceAgreement(motion, extent(0.75, 0.5, 0.04), 6)).toBe(0);
    expect(emergenceAgreement(motion, extent(0.5, 0.5, 0.4), 6)).toBe(0);
  });

  it("is in contact with another object when their grown boxes meet", () => {
    expect(inContact([0.5, 0.5, 0.2, 0.2], [0.715, 0.5, 0.2, 0.2])).toBe(true);
    expect(inContact([0.5, 0.5, 0.2, 0.2], [0.73, 0.5, 0.2, 0.2])).toBe(false);
  });
});
