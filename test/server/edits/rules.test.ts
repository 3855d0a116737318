/** The pure parts of edits in the main process: stale sides, renumbering, marks, stored masks. */
import { describe, expect, test } from "vitest";
import { encodeMask, maskArea } from "../../../protocol/index.js";
import { staleSides } from "../../../server/edits/absence.js";
import { renumberFrames, renumbering, renumberStale } from "../../../server/edits/identities.js";
import { createMarks } from "../../../server/edits/marks.js";
import { commonMasks, findMask, masksToLock } from "../../../server/edits/stored-masks.js";
import { createResultsStore } from "../../../server/results/store.js";

describe("the stale frames of an absence", () => {
  const base = { objectId: 1, range: { first: 10, last: 14 }, absent: true, anchors: [], numFrames: 30 };

  test("are those behind the range when all prompts are before it", () => {
    expect(staleSides({ ...base, prompted: [0, 4] })).toEqual([
      { objectId: 1, first: 15, last: 29, from: 15 },
    ]);
  });

  test("are those before the range, computed backward, when all prompts are behind it", () => {
    expect(staleSides({ ...base, prompted: [20] })).toEqual([{ objectId: 1, first: 0, last: 9, from: 10 }]);
  });

  test("are both sides, up to the next anchors, when both have prompts", () => {
    expect(staleSides({ ...base, prompted: [4, 20] })).toEqual([
      { objectId: 1, first: 5, last: 9, from: 5 },
      { objectId: 1, first: 15, last: 19, from: 20 },
    ]);
  });

  test("end at locked frames", () => {
    expect(staleSides({ ...base, prompted: [0], anchors: [17] })).toEqual([
      { objectId: 1, first: 15, last: 16, from: 17 },
    ]);
  });

  test("include the range when the absence ends", () => {
    expect(staleSides({ ...base, absent: false, prompted: [4] })).toEqual([
      { objectId: 1, first: 5, last: 29, from: 10 },
    ]);
  });
});

describe("the renumbering of objects", () => {
  const swap = renumbering({ kind: "swap", objectId: 1, otherId: 2, frameIndex: 5 }, { removedIds: [] });
  const merge = renumbering(
    { kind: "merge", objectId: 1, otherIds: [2, 3], locks: [] },
    { removedIds: [2, 3] },
  );
  const split = renumbering(
    { kind: "split", objectId: 1, frameIndex: 5 },
    { removedIds: [], newObjectId: 7 },
  );
  const prompted = new Map([
    [1, [0, 8]],
    [2, [5, 2]],
  ]);

  test("moves prompted frames to the object that has them now", () => {
    const frames = (change: typeof swap) => Object.fromEntries(renumberFrames(prompted, change as never));
    expect(frames(swap)).toEqual({ 1: [0, 5], 2: [8, 2] });
    expect(frames(merge)).toEqual({ 1: [0, 8, 5, 2] });
    expect(frames(split)).toEqual({ 1: [0], 2: [5, 2], 7: [8] });
  });

  test("divides stale stretches at the frame of the edit", () => {
    const stale = [
      { objectId: 1, first: 3, last: 9, from: 4 },
      { objectId: null, first: 0, last: 9, from: 0 },
      { objectId: 2, first: 0, last: 4, from: 0 },
    ];
    expect(renumberStale(stale, swap as never)).toEqual([
      { objectId: 1, first: 3, last: 4, from: 4 },
      { objectId: 2, first: 5, last: 9, from: 4 },
      { objectId: null, first: 0, last: 9, from: 0 },
      { objectId: 2, first: 0, last: 4, from: 0 },
    ]);
  });

  test("does not apply to other edits", () => {
    expect(renumbering({ kind: "removeConcept", concept: "cat" }, { removedIds: [] })).toBeNull();
  });
});

describe("the marks of objects", () => {
  const facts = (objectId: number, locked: [number, number][], absent: [number, number][]) => ({
    objectId,
    concept: null,
    locked,
    absent,
  });

  test("are anchors: every locked frame, and the ends of absent ranges", () => {
    const marks = createMarks();
    marks.update([facts(1, [[3, 5]], [[8, 12]]), facts(2, [], [])]);
    expect([marks.anchorsOf(1), marks.anchorsOf(2)]).toEqual([[3, 4, 5, 8, 12], []]);
    marks.prompted(1, 10);
    expect(marks.of(1).absent).toEqual([[8, 9]]);
  });

  test("keep the names of existing objects, and go back with undo", () => {
    const marks = createMarks();
    marks.nameObject(1, "left");
    marks.nameObject(2, "right");
    const saved = marks.save();
    marks.update([facts(2, [], [])]);
    marks.nameConcept("cat", "pet");
    expect([marks.objectName(1), marks.objectName(2), marks.conceptNames()]).toEqual([
      null,
      "right",
      [{ concept: "cat", name: "pet" }],
    ]);
    marks.restore(saved);
    expect([marks.objectName(1), marks.conceptNames()]).toEqual(["left", []]);
  });
});

describe("stored masks", () => {
  const mask = (first: number, last: number) => {
    const bits = new Uint8Array(16).fill(1, first, last + 1);
    return encodeMask(bits, 16, 1);
  };
  const object = (objectId: number, first: number, last: number) => ({
    objectId,
    prob: 0.5 + objectId / 10,
    boxXywh: [first / 16, 0, (last + 1 - first) / 16, 1] as [number, number, number, number],
    mask: mask(first, last),
  });
  const store = createResultsStore({ maxBytes: 1e6, maxVersions: 1 });
  const stats = { tracked: 2, dropped: 0 };
  store.set({ frameIndex: 2, objects: [object(1, 0, 3)], stats } as never);
  store.set({ frameIndex: 3, objects: [object(1, 0, 3), object(2, 2, 7)], stats } as never);
  store.set({ frameIndex: 5, objects: [object(2, 8, 9)], stats } as never);

  test("are locked for one object or for all; the first frame without one is reported", () => {
    const framesOf = (id: number | undefined, first: number, last: number) =>
      masksToLock(store, id, { first, last }).map(({ objectId, frameIndex }) => [objectId, frameIndex]);
    expect(framesOf(undefined, 2, 3)).toEqual([
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    expect(framesOf(2, 3, 3)).toEqual([[2, 3]]);
    expect(() => framesOf(2, 2, 3)).toThrow("a stored mask of object 2 on each frame, got none on frame 2");
    expect(() => framesOf(undefined, 2, 5)).toThrow("a stored result of each frame, got none of frame 4");
  });

  test("are found from either end of a stretch", () => {
    const stretch = { first: 0, last: 9 };
    const at = (id: number, end: "first" | "last") => findMask(store, id, stretch, end)?.frameIndex;
    expect([at(1, "first"), at(1, "last"), at(2, "first"), at(2, "last"), at(3, "first")]).toEqual([
      2,
      3,
      3,
      5,
      undefined,
    ]);
  });

  test("are united where several objects have one", () => {
    const common = commonMasks(store, [1, 2]);
    expect([...common.keys()]).toEqual([3]);
    expect(maskArea(common.get(3)?.mask as never)).toBe(8);
    expect(common.get(3)).toMatchObject({ prob: 0.7, boxXywh: [0, 0, 0.5, 1] });
  });
});
