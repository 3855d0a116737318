import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addFrame, type FrameSet, hasFrame } from "../../tracker/frame-set.js";

const setOf = (frames: readonly number[]) => frames.reduce<FrameSet>(addFrame, []);

describe("a frame set", () => {
  it("contains the frames that were added, and no others", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40)), (frames) => {
        const set = setOf(frames);
        for (let index = 0; index <= 41; index++) expect(hasFrame(set, index)).toBe(frames.includes(index));
      }),
    );
  });

  it("keeps its intervals in order, with gaps between them", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40)), (frames) => {
        const ends = setOf(frames).flat();
        expect(ends).toEqual([...ends].sort((a, b) => a - b));
        for (let at = 1; at + 1 < ends.length; at += 2)
          expect((ends[at + 1] as number) - (ends[at] as number)).toBeGreaterThan(1);
      }),
    );
  });

  it("keeps one interval for a pass in either direction", () => {
    const frames = Array.from({ length: 1000 }, (_, index) => index);
    expect(setOf(frames)).toEqual([[0, 999]]);
    expect(setOf(frames.reverse())).toEqual([[0, 999]]);
  });

  it("joins the intervals on both sides of a frame", () => {
    expect(setOf([1, 3, 7, 2])).toEqual([
      [1, 3],
      [7, 7],
    ]);
  });
});
