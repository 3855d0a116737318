import { describe, expect, it } from "vitest";
import type { MaskExtent } from "../../../detector/mask-bits.js";
import { type Crossing, type Participant, resolveCrossings } from "../../../tracker/motion/crossings.js";
import { COAST_FRAMES, type Motion } from "../../../tracker/motion/motion-model.js";

/** The motion of an object at `x` on frame 0 with the velocity `v` per frame. */
function moving(x: number, v: number): Motion {
  return {
    centre: [x, 0.5],
    size: [0.1, 0.1],
    velocity: [v, 0],
    frameIndex: 0,
    measured: 9,
    outline: null,
    last: null,
  };
}

function at(x: number): MaskExtent {
  return { box: [x - 0.05, 0.45, x + 0.05, 0.55], centre: [x, 0.5] };
}

function participant(
  id: number,
  motion: Motion,
  x: number | null,
  more: Partial<Participant> = {},
): Participant {
  return { id, age: 50, group: 0, motion, extent: x === null ? null : at(x), unsure: false, ...more };
}

const alike = () => 0;
const eastward = moving(0.3, 0.02);
const westward = moving(0.7, -0.02);
/** Both cross the middle on frame 10. */
const tied: Crossing = {
  anchors: new Map([
    [0, eastward],
    [1, westward],
  ]),
  since: 8,
  uncertain: true,
};

describe("crossings of look-alikes", () => {
  it("begin on contact, with the motion before it as anchors", () => {
    const { crossings } = resolveCrossings(
      [],
      [participant(0, eastward, 0.46), participant(1, westward, 0.54)],
      8,
      alike,
    );
    expect(crossings).toEqual([{ ...tied, uncertain: false }]);
  });

  it("continue while one object is hidden, and become uncertain", () => {
    const participants = [participant(0, eastward, 0.5), participant(1, westward, null)];
    const { crossings, swaps } = resolveCrossings([{ ...tied, uncertain: false }], participants, 10, alike);
    expect([crossings, swaps.size]).toEqual([[tied], 0]);
  });

  it("swap objects that separate on the wrong sides", () => {
    const participants = [participant(0, eastward, 0.4), participant(1, westward, 0.6)];
    const { crossings, swaps, anchors } = resolveCrossings([tied], participants, 15, alike);
    expect(crossings).toEqual([]);
    expect([...swaps]).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(anchors.get(0)).toBe(eastward);
  });

  it("swap nothing on the right sides, or without uncertainty", () => {
    const right = [participant(0, eastward, 0.6), participant(1, westward, 0.4)];
    expect(resolveCrossings([tied], right, 15, alike)).toMatchObject({
      crossings: [],
      swaps: new Map(),
    });
    const wrong = [participant(0, eastward, 0.4), participant(1, westward, 0.6)];
    expect(resolveCrossings([{ ...tied, uncertain: false }], wrong, 15, alike).swaps.size).toBe(0);
  });

  it("swap nothing when the appearance shows that the objects turned back", () => {
    const participants = [participant(0, eastward, 0.42), participant(1, westward, 0.58)];
    const bySameId = (id: number, seen: number) => (id === seen ? 1 : -1);
    expect(resolveCrossings([tied], participants, 13, alike).swaps.size).toBe(2);
    expect(resolveCrossings([tied], participants, 13, bySameId).swaps.size).toBe(0);
  });

  it("find that the visible object is the one that was hidden", () => {
    const participants = [participant(0, eastward, 0.35), participant(1, westward, null)];
    const { swaps } = resolveCrossings([tied], participants, 17, alike);
    expect([...swaps]).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it("undo the creation of a duplicate during the crossing", () => {
    const anchors = new Map([...tied.anchors, [2, moving(0.6, 0)] as const]);
    const participants = [
      participant(0, eastward, null),
      participant(1, westward, 0.4),
      participant(2, moving(0.6, 0), 0.6, { age: 2 }),
    ];
    const { swaps, duplicates } = resolveCrossings([{ ...tied, anchors }], participants, 15, alike);
    expect([swaps.get(0), duplicates]).toEqual([2, [2]]);
  });

  it("ignore anchors that are too old", () => {
    const participants = [participant(0, eastward, 0.2), participant(1, westward, 0.8)];
    const { crossings, swaps } = resolveCrossings([tied], participants, COAST_FRAMES + 1, alike);
    expect([crossings, swaps.size]).toEqual([[], 0]);
  });

  it("involve only objects of one concept", () => {
    const participants = [participant(0, eastward, 0.48), participant(1, westward, 0.52, { group: 1 })];
    expect(resolveCrossings([], participants, 9, alike).crossings).toEqual([]);
  });
});
