import { expect, test } from "vitest";
import { planRecall } from "../../../server/results/recall-plan.js";
import { createStaleFrames } from "../../../server/results/stale-frames.js";
import { createResultsStore } from "../../../server/results/store.js";

const mask = { size: [1, 1] as [number, number], counts: "01" };
const boxXywh: [number, number, number, number] = [0, 0, 1, 1];

/** @param seen ids on frames 0, 1, 2 … */
function sessionWith(seen: number[][]) {
  const store = createResultsStore({ maxBytes: 1e6, maxVersions: 1 });
  for (const [frameIndex, ids] of seen.entries()) {
    const objects = ids.map((objectId) => ({ objectId, prob: 1, boxXywh, mask }));
    store.set({ frameIndex, objects, stats: { tracked: 2, dropped: 0 } });
  }
  const stale = createStaleFrames();
  const plan = (objectIds: number[], first: number, reverse = false, known: number[] = []) =>
    planRecall(
      { objects: objectIds.map((objectId) => ({ objectId, known })), masksPerObject: 3, maxDistance: 5 },
      { first, reverse },
      store,
      stale,
    ).map(({ frameIndex, masks }) => [frameIndex, ...masks.map(({ objectId }) => objectId)]);
  return { plan, stale };
}

test("selects the masks nearest to the start, in the order of travel", () => {
  const { plan } = sessionWith(Array.from({ length: 12 }, () => [0, 1]));
  expect(plan([0, 1], 8)).toEqual([
    [5, 0, 1],
    [6, 0, 1],
    [7, 0, 1],
  ]);
  expect(plan([1], 8, true)).toEqual([
    [11, 1],
    [10, 1],
    [9, 1],
  ]);
  expect(plan([0], 0)).toEqual([]);
  expect(plan([7], 8)).toEqual([]);
});

test("goes back further for an object that was hidden, up to the distance that the model uses", () => {
  const seen = [[0, 1], [0, 1], [0, 1], [0, 1], [0], [0], [0]];
  const { plan } = sessionWith(seen);
  expect(plan([1], 7)).toEqual([
    [2, 1],
    [3, 1],
  ]);
});

test("leaves out masks that an edit made stale", () => {
  const { plan, stale } = sessionWith(Array.from({ length: 12 }, () => [0, 1]));
  stale.add([{ objectId: 1, first: 6, last: 11, from: 9 }]);
  expect(plan([0, 1], 8)).toEqual([
    [3, 1],
    [4, 1],
    [5, 0, 1],
    [6, 0],
    [7, 0],
  ]);
});

test("leaves out masks that the tracker knows; they count as found", () => {
  const { plan } = sessionWith(Array.from({ length: 12 }, () => [0, 1]));
  expect(plan([0], 8, false, [6])).toEqual([
    [5, 0],
    [7, 0],
  ]);
  expect(plan([0], 8, false, [5, 6, 7])).toEqual([]);
});
