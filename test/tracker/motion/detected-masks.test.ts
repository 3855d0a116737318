/** What the detection of a tracked object decides: whether it corrects the mask, and whether the mask shows the whole object. */
import { describe, expect, it } from "vitest";
import { maskBits, maskExtent } from "../../../detector/mask-bits.js";
import { createMemoryBank } from "../../../memory/bank.js";
import { createMasklet } from "../../../tracker/masklet.js";
import { startMotion } from "../../../tracker/motion/motion-model.js";
import { recondition } from "../../../tracker/motion/recondition.js";
import { updateMotion } from "../../../tracker/motion/update-motion.js";
import { type Observation, trackedObservation } from "../../../tracker/observation.js";
import type { TrackerParts } from "../../../tracker/parts.js";
import { presets } from "../../../tracker/presets.js";

const SIDE = 20;
const parts = { policy: presets.compact, geometry: { m: SIDE } } as TrackerParts;

/** The first rows of a square grid. */
const rows = (count: number) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => (pixel < count * SIDE ? 4 : -4));

/** A tracked mask of ten rows and its detection on frame 9. */
function observed(agreement: number, isPart = false): Observation {
  const [mask, detected] = [rows(10), rows(8)];
  const extent = maskExtent(mask, SIDE) ?? expect.fail("an empty mask");
  const bank = createMemoryBank({ recent: 6, pointers: 15, conditioning: 8, reconditioned: 3 });
  const motion = startMotion(extent, 8);
  const birth = { id: 0, conceptKey: 0, prob: 0.9, bornFrame: 0, bank, motion, confirmed: true };
  const prediction = { maskLogits: mask, score: 5, iou: 0.9, pointer: new Float32Array() };
  const detection = {
    concepts: new Set([0]),
    score: 0.9,
    maskLogits: detected,
    bits: maskBits(detected),
    extent,
    ...(isPart && { isPart: true as const }),
  };
  const observation = trackedObservation(createMasklet(birth, presets.compact.life), prediction, mask);
  return Object.assign(observation, { detection, agreement });
}

describe("a confident detection", () => {
  it("corrects a mask that it contradicts, and keeps one that resembles it", () => {
    const [poor, similar] = [observed(0.64), observed(0.66)];
    expect(recondition(parts, 9, [poor])).toEqual([poor]);
    expect(poor.bits.area).toBe(8 * SIDE);
    expect(recondition(parts, 9, [similar])).toEqual([]);
    expect(similar.bits.area).toBe(10 * SIDE);
  });

  it("shows that a mask is of the whole object, unless it is only a part of a detection", () => {
    const outlineOf = (observation: Observation) => {
      updateMotion(parts, 9, [observation]);
      return observation.masklet.motion?.outline?.maskLogits ?? null;
    };
    expect(outlineOf(observed(0.71))).toEqual(rows(10));
    expect(outlineOf(observed(0.69))).toBeNull();
    expect(outlineOf(observed(0.9, true))).toBeNull();
    expect(outlineOf(Object.assign(observed(0.9), { detection: null }))).toBeNull();
  });
});
