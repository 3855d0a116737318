import { describe, expect, it } from "vitest";
import type { MaskExtent } from "../../detector/mask-bits.js";
import { type Knot, type Strand, untangle } from "../../tracker/knots.js";
import type { Motion } from "../../tracker/motion.js";
import { presets } from "../../tracker/presets.js";

/** Stood at `x` on frame 0 and moves by `v` per frame. */
function moving(x: number, v: number): Motion {
  return { centre: [x, 0.5], size: [0.1, 0.1], velocity: [v, 0], frameIndex: 0, measured: 9 };
}

function at(x: number): MaskExtent {
  return { box: [x - 0.05, 0.45, x + 0.05, 0.55], centre: [x, 0.5] };
}

function strand(id: number, motion: Motion, x: number | null, more: Partial<Strand> = {}): Strand {
  return { id, age: 50, group: 0, motion, extent: x === null ? null : at(x), unsure: false, ...more };
}

const alike = () => 0;
const eastward = moving(0.3, 0.02);
const westward = moving(0.7, -0.02);
/** Both cross the middle on frame 10. */
const tied: Knot = {
  anchors: new Map([
    [0, eastward],
    [1, westward],
  ]),
  since: 8,
  uncertain: true,
};

describe("look-alikes in each other's way", () => {
  it("are tied when they touch, with the motion they arrived with", () => {
    const { knots } = untangle(
      [],
      [strand(0, eastward, 0.46), strand(1, westward, 0.54)],
      8,
      presets.compact,
      alike,
    );
    expect(knots).toEqual([{ ...tied, uncertain: false }]);
  });

  it("stay tied while one is hidden, and that makes the knot uncertain", () => {
    const strands = [strand(0, eastward, 0.5), strand(1, westward, null)];
    const { knots, swaps } = untangle([{ ...tied, uncertain: false }], strands, 10, presets.compact, alike);
    expect([knots, swaps.size]).toEqual([[tied], 0]);
  });

  it("are swapped when they come apart on the wrong sides", () => {
    const strands = [strand(0, eastward, 0.4), strand(1, westward, 0.6)];
    const { knots, swaps, anchors } = untangle([tied], strands, 15, presets.compact, alike);
    expect(knots).toEqual([]);
    expect([...swaps]).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(anchors.get(0)).toBe(eastward);
  });

  it("are left as they are on the right sides, or when nobody was ever in doubt", () => {
    const right = [strand(0, eastward, 0.6), strand(1, westward, 0.4)];
    expect(untangle([tied], right, 15, presets.compact, alike)).toMatchObject({
      knots: [],
      swaps: new Map(),
    });
    const wrong = [strand(0, eastward, 0.4), strand(1, westward, 0.6)];
    expect(untangle([{ ...tied, uncertain: false }], wrong, 15, presets.compact, alike).swaps.size).toBe(0);
  });

  it("are left as they are when their looks say that they turned back", () => {
    const strands = [strand(0, eastward, 0.42), strand(1, westward, 0.58)];
    const looks = (id: number, seen: number) => (id === seen ? 1 : -1);
    expect(untangle([tied], strands, 13, presets.compact, alike).swaps.size).toBe(2);
    expect(untangle([tied], strands, 13, presets.compact, looks).swaps.size).toBe(0);
  });

  it("notice that the one in sight is really the hidden one", () => {
    const strands = [strand(0, eastward, 0.35), strand(1, westward, null)];
    const { swaps } = untangle([tied], strands, 17, presets.compact, alike);
    expect([...swaps]).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it("take back what was given to somebody new in between", () => {
    const anchors = new Map([...tied.anchors, [2, moving(0.6, 0)] as const]);
    const strands = [
      strand(0, eastward, null),
      strand(1, westward, 0.4),
      strand(2, moving(0.6, 0), 0.6, { age: 2 }),
    ];
    const { swaps, ghosts } = untangle([{ ...tied, anchors }], strands, 15, presets.compact, alike);
    expect([swaps.get(0), ghosts]).toEqual([2, [2]]);
  });

  it("are no longer judged by a motion that is too long ago", () => {
    const strands = [strand(0, eastward, 0.2), strand(1, westward, 0.8)];
    const { knots, swaps } = untangle(
      [tied],
      strands,
      presets.compact.motion.coastFrames + 1,
      presets.compact,
      alike,
    );
    expect([knots, swaps.size]).toEqual([[], 0]);
  });

  it("are tied only to their own kind", () => {
    const strands = [strand(0, eastward, 0.48), strand(1, westward, 0.52, { group: 1 })];
    expect(untangle([], strands, 9, presets.compact, alike).knots).toEqual([]);
  });
});
