import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addFrame,
  addFrames,
  commonFrames,
  type FrameSet,
  frameSetOf,
  framesWithin,
  hasFrame,
  removeFrames,
} from "../../tracker/frame-set.js";

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

  it("adds, removes and intersects intervals as sets of their frames", () => {
    const indices = Array.from({ length: 50 }, (_, index) => index);
    const listOf = (set: FrameSet) => indices.filter((index) => hasFrame(set, index));
    fc.assert(
      fc.property(
        fc.array(fc.nat(40)),
        fc.array(fc.nat(40)),
        fc.nat(40),
        fc.nat(5),
        (some, others, first, more) => {
          const [set, other] = [setOf(some), setOf(others)];
          const last = first + more;
          const isInside = (index: number) => index >= first && index <= last;
          const ascending = indices.filter((index) => some.includes(index));
          expect(frameSetOf(ascending)).toEqual(set);
          const added = addFrames(set, [first, last]);
          expect(added).toEqual(setOf([...some, ...indices.filter(isInside)]));
          expect(removeFrames(set, [first, last])).toEqual(
            setOf(ascending.filter((index) => !isInside(index))),
          );
          expect(listOf(framesWithin(set, [first, last]))).toEqual(ascending.filter(isInside));
          expect(commonFrames(set, other)).toEqual(
            setOf(ascending.filter((index) => others.includes(index))),
          );
        },
      ),
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
