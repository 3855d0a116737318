import fc from "fast-check";
import { expect, test } from "vitest";
import { runsOf } from "../../server/replay-frames.js";

test("splits indices into runs of neighbours, forward and backward", () => {
  expect(runsOf([0, 0, 1, 2, 9, 8, 7, 7])).toEqual([
    { startFrame: 0, count: 1, direction: "forward" },
    { startFrame: 0, count: 3, direction: "forward" },
    { startFrame: 9, count: 3, direction: "backward" },
    { startFrame: 7, count: 1, direction: "forward" },
  ]);
  expect(runsOf([])).toEqual([]);
});

test("covers the indices in their order", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6)), (indices) => {
      const covered = runsOf(indices).flatMap(({ startFrame, count, direction }) =>
        Array.from({ length: count }, (_, place) => startFrame + (direction === "forward" ? place : -place)),
      );
      expect(covered).toEqual(indices);
    }),
  );
});
