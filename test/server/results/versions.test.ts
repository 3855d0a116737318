import { expect, test } from "vitest";
import { createVersions } from "../../../server/results/versions.js";

test("counts the bytes of its values: none remain once all values and versions are dropped", () => {
  const versions = createVersions<string>({ maxVersions: 4, bytesOf: (text) => text.length });
  let undone = 0;
  for (let round = 0; round < 500; round++) {
    if (round % 11 === 3) {
      versions.checkpoint();
      undone = 0;
    }
    if (round % 17 === 5 && versions.undoDepth > 0) {
      versions.undo();
      undone++;
    }
    if (round % 34 === 6 && undone > 0) {
      versions.redo();
      undone--;
    }
    if (round % 41 === 7) versions.evict(round % 13);
    if (round % 97 === 8) versions.thinOldest();
    versions.set((round * 7) % 13, "x".repeat(1 + ((round * 37) % 500)));
    expect(versions.bytes).toBeGreaterThan(0);
  }
  expect(versions.undoDepth).toBeGreaterThan(0);
  while (versions.dropOldest());
  for (const key of [...versions.current.keys()]) versions.evict(key);
  expect(versions.bytes).toBe(0);
});

test("a thinned version deletes its keys at undo", () => {
  const versions = createVersions<string>({ maxVersions: 4, bytesOf: (text) => text.length });
  versions.set(1, "old");
  versions.set(2, "kept");
  versions.checkpoint();
  versions.set(1, "new");
  expect(versions.thinOldest()).toBe(true);
  expect(versions.thinOldest()).toBe(false);
  versions.undo();
  expect([...versions.current]).toEqual([[2, "kept"]]);
  versions.redo();
  expect([...versions.current]).toEqual([
    [2, "kept"],
    [1, "new"],
  ]);
});
