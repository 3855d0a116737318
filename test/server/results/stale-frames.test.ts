import { expect, test } from "vitest";
import { indicesOf } from "../../../server/frame-range.js";
import { createStaleFrames, type StaleFrames } from "../../../server/results/stale-frames.js";

const stretch = (objectId: number | null, first: number, last: number, from: number) => ({
  objectId,
  first,
  last,
  from,
});

/** Computes all jobs, and returns each with its frames in the order of travel. */
function computeAll(stale: StaleFrames) {
  const done: { objectIds: number[] | null; frames: number[] }[] = [];
  for (let job = stale.next(); job; job = stale.next()) {
    const frames = job.legs.flatMap((leg) => [...indicesOf(leg)]);
    for (const frame of frames) stale.computed(frame, job.objectIds);
    done.push({ objectIds: job.objectIds && [...job.objectIds], frames });
  }
  return done;
}

test("computes from the edit to both ends, objects of one edit together", () => {
  const stale = createStaleFrames();
  stale.add([stretch(3, 4, 8, 6), stretch(1, 4, 8, 6), stretch(2, 7, 9, 7)]);
  expect(computeAll(stale)).toEqual([
    { objectIds: [3, 1], frames: [6, 7, 8, 5, 4] },
    { objectIds: [2], frames: [7, 8, 9] },
  ]);
  expect(stale.next()).toBeUndefined();
});

test("a frame that is computed is not stale any more, for the computed objects", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 0, 9, 5), stretch(1, 0, 9, 5)]);
  stale.computed(5, new Set([0]));
  expect([stale.isStale(0, 5), stale.isStale(1, 5), stale.isStale(0, 4)]).toEqual([false, true, true]);
  stale.computed(4, null);
  expect(stale.isStale(1, 4)).toBe(false);
});

test("an interrupted job continues with the frames that are left", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 0, 9, 5)]);
  for (const frame of [5, 6]) stale.computed(frame, new Set([0]));
  const rest = computeAll(stale).flatMap(({ frames }) => frames);
  expect(rest).toEqual([4, 3, 2, 1, 0, 7, 8, 9]);
});

test("stretches of all objects come first, and cover those of single ones", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 2, 4, 3)]);
  stale.add([stretch(null, 0, 5, 2)]);
  expect(stale.isStale(77, 1)).toBe(true);
  expect(computeAll(stale)).toEqual([{ objectIds: null, frames: [2, 3, 4, 5, 1, 0] }]);
});

test("a later edit of the same object replaces the earlier one on the frames of both", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 0, 9, 0)]);
  stale.add([stretch(0, 4, 6, 5)]);
  const frames = computeAll(stale).flatMap((job) => job.frames);
  expect(frames.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("unites the stretches of an object when there are many", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 0, 1000, 0)]);
  for (let frame = 0; frame < 1000; frame += 2) stale.computed(frame, null);
  expect(stale.save().length).toBeLessThanOrEqual(64);
  for (let frame = 1; frame < 1000; frame += 2) expect(stale.isStale(0, frame)).toBe(true);
});

test("saves and restores; a removed object is not stale", () => {
  const stale = createStaleFrames();
  stale.add([stretch(0, 0, 9, 0), stretch(1, 0, 9, 0)]);
  const saved = stale.save();
  stale.removeObject(0);
  expect(stale.isStale(0, 3)).toBe(false);
  stale.clear();
  expect(stale.isStale(1, 3)).toBe(false);
  stale.restore(saved);
  expect([stale.isStale(0, 3), stale.isStale(1, 3)]).toEqual([true, true]);
});
