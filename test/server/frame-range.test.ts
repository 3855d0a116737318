import fc from "fast-check";
import { expect, test } from "vitest";
import { planLegs, type RangeRequest } from "../../server/frame-range.js";

function framesOf(request: RangeRequest): number[] {
  return planLegs(request).flatMap(({ reverse, first, last }) => {
    const count = Math.abs(last - first) + 1;
    return Array.from({ length: count }, (_, i) => (reverse ? first - i : first + i));
  });
}

/** SAM 3's ranges as its documentation defines them, computed frame by frame. */
function expected({ direction, startFrame: s, maxFrames, numFrames: n }: RangeRequest): number[] {
  const m = maxFrames ?? n;
  const forward = [];
  for (let f = s; f <= Math.min(s + m, n - 1); f++) forward.push(f);
  const backward = [];
  for (let f = s - 1; f >= Math.max(s - m, 0); f--) backward.push(f);
  if (direction === "both") return [...forward, ...backward];
  return direction === "forward" ? forward : backward;
}

const requests = fc
  .record({
    direction: fc.constantFrom("forward", "backward", "both" as const),
    numFrames: fc.integer({ min: 1, max: 60 }),
    startFrame: fc.nat(),
    maxFrames: fc.option(fc.nat(80), { nil: undefined }),
  })
  .map((request) => ({ ...request, startFrame: request.startFrame % request.numFrames }) as RangeRequest);

test("visits SAM 3's frames in SAM 3's order", () => {
  fc.assert(
    fc.property(requests, (request) => {
      expect(framesOf(request)).toEqual(expected(request));
    }),
  );
});

test("visits every frame exactly once in direction both without a limit", () => {
  fc.assert(
    fc.property(requests, ({ startFrame, numFrames }) => {
      const frames = framesOf({ direction: "both", startFrame, maxFrames: undefined, numFrames });
      expect(frames.sort((a, b) => a - b)).toEqual(Array.from({ length: numFrames }, (_, i) => i));
    }),
  );
});

test("includes the start frame forward, and excludes it backward", () => {
  const request = { startFrame: 5, maxFrames: 3, numFrames: 20 };
  expect(framesOf({ ...request, direction: "forward" })).toEqual([5, 6, 7, 8]);
  expect(framesOf({ ...request, direction: "backward" })).toEqual([4, 3, 2]);
});

test("plans no backward leg from the first frame", () => {
  expect(planLegs({ direction: "backward", startFrame: 0, maxFrames: undefined, numFrames: 9 })).toEqual([]);
});
