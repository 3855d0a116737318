import { expect, it } from "vitest";
import { resolveOwnership, type ShownMask } from "../../tracker/ownership.js";
import { presets } from "../../tracker/presets.js";

const box = [0, 0, 4, 1] as const;
const mask = (prob: number | null, group: string | null = "a", bits = [1, 1, 1, 1]): ShownMask => ({
  claim: { group, prob },
  box,
  bits: Uint8Array.from(bits),
});
const kept = (masks: ShownMask[], unknown = presets.sam3.mask.unknownTrackerProb) =>
  resolveOwnership(masks, unknown).map((bits) => bits.join(""));

it("gives a pixel to whom the tracker is surest of, the first of equals", () => {
  expect(kept([mask(0.5), mask(0.6, "a", [0, 1, 1, 0])])).toEqual(["1001", "0110"]);
  expect(kept([mask(0.5), mask(0.5)])).toEqual(["1111", "0000"]);
  expect(kept([mask(0.5), mask(0.6, "b")])).toEqual(["1111", "1111"]);
  expect(kept([mask(0.5, null), mask(0.6, null)])).toEqual(["1111", "1111"]);
});

it("lets an object nobody knows a probability of lose everything unless it is alone (trace 11, quirk 13)", () => {
  expect(kept([mask(0.5), mask(null)])).toEqual(["1111", "0000"]);
  expect(kept([mask(0.5, "a", [1, 1, 0, 0]), mask(null)])).toEqual(["1100", "0000"]);
  expect(kept([mask(null)])).toEqual(["1111"]);
  const { unknownTrackerProb } = presets.masklet.mask;
  expect(kept([mask(0.5, "a", [1, 1, 0, 0]), mask(null)], unknownTrackerProb)).toEqual(["1100", "0011"]);
});
