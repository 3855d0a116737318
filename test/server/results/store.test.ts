import { expect, test } from "vitest";
import { createResultsStore } from "../../../server/results/store.js";
import type { StoredFrame } from "../../../server/results/stored-frame.js";

const box: [number, number, number, number] = [0, 0, 1, 1];
const object = (objectId: number, counts = "x") => ({
  objectId,
  prob: 1,
  boxXywh: box,
  mask: { size: [4, 4] as [number, number], counts },
});
const frame = (frameIndex: number, ...objects: ReturnType<typeof object>[]): StoredFrame => ({
  frameIndex,
  objects,
  stats: { tracked: objects.length, dropped: 0 },
});
const roomy = { maxBytes: 1e6, maxVersions: 3 };
const masksOf = (stored: StoredFrame | undefined) =>
  stored?.objects.map(({ objectId, mask }) => `${objectId}:${mask.counts}`);

test("stores frames, and returns objects of them", () => {
  const store = createResultsStore(roomy);
  store.set(frame(5, object(0, "a"), object(1, "b")));
  store.set(frame(2, object(0, "c")));
  expect(store.frames()).toEqual([2, 5]);
  expect(store.frames({ first: 3, last: 9 })).toEqual([5]);
  expect(store.object(5, 1)?.mask.counts).toBe("b");
  expect(store.object(5, 7)).toBeUndefined();
  expect(store.object(3, 0)).toBeUndefined();
  expect(store.size).toBe(2);
});

test("merges some objects of a frame with the stored ones, also objects that lost their mask", () => {
  const store = createResultsStore(roomy);
  store.set(frame(0, object(0, "a"), object(2, "b"), object(3, "c")));
  const merged = store.merge(
    frame(0, object(1, "new"), object(2, "new"), object(9, "ignored")),
    new Set([1, 2, 3]),
  );
  expect(masksOf(merged)).toEqual(["0:a", "1:new", "2:new"]);
  expect(store.get(0)).toBe(merged);
});

test("rewrites the stored frames of a stretch; frames that a reader holds do not change", () => {
  const store = createResultsStore(roomy);
  for (const index of [0, 1, 2, 3]) store.set(frame(index, object(4, `m${index}`)));
  const held = store.get(2);
  const changed = store.rewrite({ first: 1, last: 2 }, (stored) => ({
    ...stored,
    objects: [...stored.objects, ...stored.objects.map((each) => ({ ...each, objectId: 0 }))],
  }));
  expect(changed).toBe(2);
  expect([0, 1, 2, 3].map((index) => masksOf(store.get(index)))).toEqual([
    ["4:m0"],
    ["0:m1", "4:m1"],
    ["0:m2", "4:m2"],
    ["4:m3"],
  ]);
  expect(masksOf(held)).toEqual(["4:m2"]);
  expect(store.rewrite({ first: 0, last: 9 }, (stored) => stored)).toBe(0);
});

test("restores what changed since a checkpoint, and redoes it", () => {
  const store = createResultsStore(roomy);
  store.set(frame(0, object(0, "old")));
  store.checkpoint();
  store.set(frame(0, object(0, "new")));
  store.set(frame(0, object(0, "newer")));
  store.set(frame(1, object(0, "added")));
  store.checkpoint();
  store.set(frame(1, object(0, "changed")));

  store.undo();
  expect(masksOf(store.get(1))).toEqual(["0:added"]);
  store.undo();
  expect(masksOf(store.get(0))).toEqual(["0:old"]);
  expect(store.frames()).toEqual([0]);
  expect(() => store.undo()).toThrow("There is nothing to undo.");

  store.redo();
  store.redo();
  expect([0, 1].map((index) => masksOf(store.get(index)))).toEqual([["0:newer"], ["0:changed"]]);
  expect(() => store.redo()).toThrow("There is nothing to redo.");
});

test("discards undone versions at the next checkpoint, and keeps a limited number of versions", () => {
  const store = createResultsStore(roomy);
  for (const counts of ["a", "b", "c", "d", "e"]) {
    store.checkpoint();
    store.set(frame(0, object(0, counts)));
  }
  expect(store.undoDepth).toBe(3);
  store.undo();
  store.checkpoint();
  expect(() => store.redo()).toThrow(RangeError);
  expect(masksOf(store.get(0))).toEqual(["0:d"]);
});

test("drops the frames farthest from the latest one when it is full", () => {
  const store = createResultsStore({ maxBytes: 10_000, maxVersions: 3 });
  const counts = "x".repeat(400);
  for (let index = 100; index < 200; index++) {
    store.set(frame(index, object(0, counts)));
    expect(store.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(store.frames().at(-1)).toBe(199);
  expect(store.frames()).toEqual(Array.from({ length: store.size }, (_, index) => 200 - store.size + index));
  expect(store.size).toBeGreaterThan(5);
  store.set(frame(0, object(0, counts)));
  expect(store.get(0)).toBeDefined();
});

test("when full, gives up earlier results before current ones: undo leaves their frames without a result", () => {
  const store = createResultsStore({ maxBytes: 10_000, maxVersions: 3 });
  const counts = "x".repeat(400);
  for (let index = 0; index < 8; index++) store.set(frame(index, object(0, counts)));
  store.checkpoint();
  for (let index = 0; index < 8; index++) store.set(frame(index, object(0, counts)));
  expect(store.size).toBe(8);
  expect(store.undoDepth).toBe(1);
  store.undo();
  expect(store.size).toBeLessThan(8);
});
