import fc from "fast-check";
import { expect, it } from "vitest";
import { resolveOwnership, type ShownMask } from "../../../tracker/masks/ownership.js";
import { presets } from "../../../tracker/presets.js";

const box = [0, 0, 4, 1] as const;
const mask = (prob: number | null, group: string | null = "a", bits = [1, 1, 1, 1]): ShownMask => ({
  claim: { group, prob },
  box,
  bits: Uint8Array.from(bits),
});
const kept = (masks: ShownMask[], unknown = presets.sam3.sam3Parity.unknownTrackerProb) =>
  resolveOwnership(masks, unknown).map((bits) => bits.join(""));

it("assigns a pixel to the object with the highest probability, the first on ties", () => {
  expect(kept([mask(0.5), mask(0.6, "a", [0, 1, 1, 0])])).toEqual(["1001", "0110"]);
  expect(kept([mask(0.5), mask(0.5)])).toEqual(["1111", "0000"]);
  expect(kept([mask(0.5), mask(0.6, "b")])).toEqual(["1111", "1111"]);
  expect(kept([mask(0.5, null), mask(0.6, null)])).toEqual(["1111", "1111"]);
});

it("assigns no pixel to an object without a probability, unless it is the only object (trace 11, quirk 13)", () => {
  expect(kept([mask(0.5), mask(null)])).toEqual(["1111", "0000"]);
  expect(kept([mask(0.5, "a", [1, 1, 0, 0]), mask(null)])).toEqual(["1100", "0000"]);
  expect(kept([mask(null)])).toEqual(["1111"]);
  const { unknownTrackerProb } = presets.masklet.sam3Parity;
  expect(kept([mask(0.5, "a", [1, 1, 0, 0]), mask(null)], unknownTrackerProb)).toEqual(["1100", "0011"]);
});

it("assigns each pixel to the most probable object of its group, for any boxes", () => {
  const side = 6;
  const someMask = fc
    .record({
      x0: fc.integer({ min: 0, max: 4 }),
      y0: fc.integer({ min: 0, max: 4 }),
      width: fc.integer({ min: 1, max: side }),
      height: fc.integer({ min: 1, max: side }),
      prob: fc.constantFrom(0, 0.2, 0.5, 0.9),
      group: fc.constantFrom("a", "b", null),
      seed: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: side * side, maxLength: side * side }),
    })
    .map(({ x0, y0, width, height, prob, group, seed }): ShownMask => {
      const [x1, y1] = [Math.min(side, x0 + width), Math.min(side, y0 + height)];
      const bits = Uint8Array.from(seed.slice(0, (x1 - x0) * (y1 - y0)));
      return { claim: { group, prob }, box: [x0, y0, x1, y1], bits };
    });
  const at = ({ box: [x0, y0, x1, y1] }: ShownMask, bits: Uint8Array, x: number, y: number) =>
    x >= x0 && x < x1 && y >= y0 && y < y1 && bits[(y - y0) * (x1 - x0) + x - x0] === 1;

  fc.assert(
    fc.property(fc.array(someMask, { minLength: 2, maxLength: 7 }), (masks) => {
      const before = masks.map(({ bits }) => bits.slice());
      const after = resolveOwnership(masks, 0);
      expect(masks.map(({ bits }) => bits)).toEqual(before);
      const everywhere = (pixel: (x: number, y: number) => boolean) =>
        Array.from({ length: side * side }, (_, place) => pixel(place % side, Math.floor(place / side)));
      const owned = masks.map((mask, index) =>
        everywhere((x, y) => {
          const beaten = masks.some(
            (other, j) =>
              other.claim.group !== null &&
              other.claim.group === mask.claim.group &&
              at(other, other.bits, x, y) &&
              (Number(other.claim.prob) > Number(mask.claim.prob) ||
                (other.claim.prob === mask.claim.prob && j < index)),
          );
          return at(mask, mask.bits, x, y) && mask.claim.prob !== 0 && !beaten;
        }),
      );
      const got = masks.map((mask, index) =>
        everywhere((x, y) => at(mask, after[index] as Uint8Array, x, y)),
      );
      expect(got).toEqual(owned);
    }),
  );
});
