import { describe, expect, it } from "vitest";
import type { FrameFeatures } from "../../../detector/graph.js";
import { maskBits, maskIou } from "../../../detector/mask-bits.js";
import type { Masklet } from "../../../tracker/masklet.js";
import type { PointPrompt } from "../../../tracker/model.js";
import { redraw } from "../../../tracker/motion/redraw.js";
import { trackedObservation } from "../../../tracker/observation.js";
import type { TrackerParts } from "../../../tracker/parts.js";
import { changePolicy } from "../../../tracker/policy.js";
import { presets } from "../../../tracker/presets.js";

const SIDE = 20;
const found = rows(4, 9);
const drawn = rows(5, 10);
const overlap = maskIou(maskBits(found), maskBits(drawn));

/** Whole rows of a square grid, `from` up to and including `to`. */
function rows(from: number, to: number): Float32Array {
  return Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    const row = Math.floor(pixel / SIDE);
    return row >= from && row <= to ? 4 : -4;
  });
}

/** Redraws a mask. @returns the resulting mask, and the prompts of the decoder */
async function redrawn(redrawnIou: number, mask = found, points = true) {
  const prompts: { prompt: PointPrompt; previous: Float32Array | null }[] = [];
  const segment = async (_: FrameFeatures, prompt: PointPrompt, previous: Float32Array | null) => {
    prompts.push({ prompt, previous });
    return { maskLogits: drawn, score: 5, iou: 0.9, pointer: new Float32Array() };
  };
  const policy = changePolicy(presets.compact, { mask: { redrawnIou } });
  const parts = { policy, geometry: { m: SIDE }, capabilities: { points }, model: { segment } };
  const prediction = { maskLogits: mask, score: 5, iou: 0.9, pointer: new Float32Array() };
  const observation = trackedObservation({} as Masklet, prediction, mask);
  await redraw(parts as unknown as TrackerParts, {} as FrameFeatures, [observation]);
  return { shown: observation.maskLogits, prompts };
}

describe("a detected mask", () => {
  it("is decoded again from its box, right and bottom exclusive, and its mask", async () => {
    const { shown, prompts } = await redrawn(0.5);
    expect(maskIou(maskBits(shown), maskBits(drawn))).toBe(1);
    const corners = [
      [0, 4 / SIDE],
      [1, 10 / SIDE],
    ];
    expect(prompts).toEqual([{ prompt: { points: corners, labels: [2, 3] }, previous: found }]);
  });

  it("is kept when the decoded mask overlaps it less than redrawnIou", async () => {
    expect((await redrawn(overlap)).shown).not.toBe(found);
    expect((await redrawn(overlap + 0.01)).shown).toBe(found);
  });

  it("is not decoded again at 0, when it is empty, or by a pack without point prompts", async () => {
    expect((await redrawn(0)).prompts).toEqual([]);
    expect((await redrawn(0.5, rows(SIDE, SIDE))).prompts).toEqual([]);
    expect((await redrawn(0.5, found, false)).prompts).toEqual([]);
  });
});
