import { expect, test } from "vitest";
import { createEditLog } from "../../../server/results/edit-log.js";
import { createResultsStore } from "../../../server/results/store.js";

function session(maxEdits = 100) {
  const results = createResultsStore({ maxBytes: 1e6, maxVersions: maxEdits });
  const names = {
    value: "none",
    save: () => names.value,
    restore(value: string) {
      names.value = value;
    },
  };
  const rollbacks: string[] = [];
  let failure: Error | undefined;
  const log = createEditLog({
    results,
    parts: [names],
    maxEdits,
    async rollback(to) {
      if (failure) throw failure;
      rollbacks.push(to);
    },
  });
  const mask = (counts: string) => ({ size: [1, 1] as [number, number], counts });
  function edit(name: string, affected = [{ objectId: 0, first: 0, last: 9 }]) {
    log.record({ name, affected });
    names.value = name;
    const object = {
      objectId: 0,
      prob: 1,
      boxXywh: [0, 0, 1, 1] as [number, number, number, number],
      mask: mask(name),
    };
    results.set({ frameIndex: 0, objects: [object], stats: { tracked: 1, dropped: 0 } });
  }
  const state = () => [names.value, results.object(0, 0)?.mask.counts];
  const failWith = (error: Error | undefined) => {
    failure = error;
  };
  return { log, edit, state, rollbacks, failWith };
}

test("undoes and redoes parts, results and the engine together", async () => {
  const { log, edit, state, rollbacks } = session();
  edit("first");
  edit("second");
  expect(await log.undo()).toEqual({ name: "second", affected: [{ objectId: 0, first: 0, last: 9 }] });
  expect(state()).toEqual(["first", "first"]);
  expect(await log.undo()).toMatchObject({ name: "first" });
  expect(state()).toEqual(["none", undefined]);
  expect([log.canUndo, log.canRedo]).toEqual([false, true]);
  expect(await log.undo()).toBeUndefined();
  expect(await log.redo()).toMatchObject({ name: "first" });
  expect(await log.redo()).toMatchObject({ name: "second" });
  expect(state()).toEqual(["second", "second"]);
  expect(await log.redo()).toBeUndefined();
  expect(rollbacks).toEqual(["before", "before", "after", "after"]);
});

test("an undone edit contains the changes of results that its answer did not contain", async () => {
  const { log, edit } = session();
  edit("first", [{ objectId: 0, first: 3, last: 9 }]);
  expect((await log.undo())?.affected).toEqual([
    { objectId: 0, first: 3, last: 9 },
    { objectId: 0, first: 0, last: 0 },
  ]);
  edit("second", [{ objectId: 0, first: 0, last: 0 }]);
  expect((await log.undo())?.affected).toEqual([{ objectId: 0, first: 0, last: 0 }]);
  expect((await log.redo())?.affected).toEqual([{ objectId: 0, first: 0, last: 0 }]);
});

test("a new edit discards what was undone", async () => {
  const { log, edit, state } = session();
  edit("first");
  await log.undo();
  edit("other");
  expect(log.canRedo).toBe(false);
  await log.undo();
  expect(state()).toEqual(["none", undefined]);
});

test("keeps the last edits only", async () => {
  const { log, edit, state } = session(3);
  for (const name of ["a", "b", "c", "d", "e"]) edit(name);
  for (let count = 0; count < 3; count++) await log.undo();
  expect(log.canUndo).toBe(false);
  expect(state()).toEqual(["b", "b"]);
});

test("changes nothing when the engine rejects", async () => {
  const { log, edit, state, failWith } = session();
  edit("first");
  failWith(new Error("lost"));
  await expect(log.undo()).rejects.toThrow("lost");
  expect(state()).toEqual(["first", "first"]);
  failWith(undefined);
  expect(await log.undo()).toMatchObject({ name: "first" });
});

test("forgets all edits", async () => {
  const { log, edit } = session();
  edit("first");
  edit("second");
  await log.undo();
  log.clear();
  expect([log.canUndo, log.canRedo]).toEqual([false, false]);
  expect(await log.undo()).toBeUndefined();
});
