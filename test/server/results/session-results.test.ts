import { expect, test } from "vitest";
import { createSessionResults } from "../../../server/results/session-results.js";
import type { StoredFrame } from "../../../server/results/stored-frame.js";

const object = (objectId: number, counts: string): StoredFrame["objects"][number] => ({
  objectId,
  prob: 1,
  boxXywh: [0, 0, 1, 1],
  mask: { size: [1, 1], counts },
});
const frameOf = (...objects: StoredFrame["objects"][number][]) => ({
  frameIndex: 3,
  objects,
  unseen: [],
  stats: { tracked: objects.length, dropped: 0 },
});
const create = () =>
  createSessionResults({ numFrames: () => 10, maxBytes: 1e6, rollback: () => Promise.resolve() });
const click = (objectId: number) => ({ objectId, replace: false, removedIds: [] });
const masksOf = ({ objects }: StoredFrame) =>
  objects.map(({ objectId, mask }) => `${objectId}:${mask.counts}`);

test("a prompt on one object returns the others as they are stored, and new ones as the engine has them", () => {
  const results = create();
  results.tracked(frameOf(object(1, "tracked"), object(4, "tracked")), null);
  const output = frameOf(object(1, "again"), object(2, "prompted"), object(3, "again"));
  expect(masksOf(results.prompted(output, click(2)).frame)).toEqual([
    "1:tracked",
    "2:prompted",
    "3:again",
    "4:tracked",
  ]);
  expect(masksOf(results.store.get(3) as StoredFrame)).toEqual(["1:tracked", "2:prompted", "4:tracked"]);
});

test("a prompt on one object returns the others from the engine where the stored results are stale", () => {
  const results = create();
  results.tracked(frameOf(object(1, "tracked"), object(2, "tracked")), null);
  results.prompted({ ...frameOf(object(1, "prompted")), frameIndex: 5 }, click(1));
  const { frame } = results.prompted(frameOf(object(1, "again"), object(2, "prompted")), click(2));
  expect(masksOf(frame)).toEqual(["1:again", "2:prompted"]);
});

test("a prompt on one object returns the stale results of the others where the engine left them out", () => {
  const results = create();
  results.tracked(frameOf(object(1, "tracked"), object(2, "tracked")), null);
  results.prompted({ ...frameOf(object(1, "prompted")), frameIndex: 5 }, click(1));
  const { frame } = results.prompted(frameOf(object(2, "prompted")), click(2));
  expect(masksOf(frame)).toEqual(["1:tracked", "2:prompted"]);
});
