import { describe, expect, it } from "vitest";
import { explainFailure } from "../../clients/web/edits/explain.js";
import { createHistory } from "../../clients/web/edits/history.js";
import {
  numStaleFrames,
  removeComputed,
  staleFramesOf,
  staleOf,
} from "../../clients/web/edits/stale-frames.js";
import {
  applyViewState,
  changeViews,
  createViewStore,
  viewState,
} from "../../clients/web/edits/view-state.js";

/** Counts edits as the server does. */
function fakeServer(edits = 0) {
  let undone = 0;
  let failure: Error | undefined;
  const calls: string[] = [];
  const answer = () => ({ can_undo: edits > 0, can_redo: undone > 0 });
  return {
    calls,
    failNext(error: Error) {
      failure = error;
    },
    edit() {
      edits++;
      undone = 0;
    },
    async undo() {
      if (failure) {
        const error = failure;
        failure = undefined;
        throw error;
      }
      if (edits === 0) throw new Error("nothing_to_undo");
      calls.push("undo");
      edits--;
      undone++;
      return answer();
    },
    async redo() {
      if (undone === 0) throw new Error("nothing_to_undo");
      calls.push("redo");
      undone--;
      edits++;
      return answer();
    },
  };
}

describe("history", () => {
  it("undoes edits of the page and of the server in one order", async () => {
    const server = fakeServer();
    const history = createHistory(server);
    const log: string[] = [];
    const edit = (title: string) => ({
      title,
      undo: () => void log.push(`undo ${title}`),
      redo: () => void log.push(`redo ${title}`),
    });
    server.edit();
    history.addServerEdit("click");
    history.addPageEdit(edit("colour"));
    server.edit();
    history.addServerEdit("lock");
    expect(history.state.value).toEqual({ undoTitle: "lock", redoTitle: undefined });

    expect(await history.undo()).toBe("lock");
    expect(await history.undo()).toBe("colour");
    expect(await history.undo()).toBe("click");
    expect(await history.undo()).toBeUndefined();
    expect(log).toEqual(["undo colour"]);
    expect(server.calls).toEqual(["undo", "undo"]);

    expect(await history.redo()).toBe("click");
    expect(await history.redo()).toBe("colour");
    expect(history.state.value).toEqual({ undoTitle: "colour", redoTitle: "lock" });
  });

  it("discards undone edits with a new edit of either kind", async () => {
    const server = fakeServer();
    const history = createHistory(server);
    server.edit();
    history.addServerEdit("click");
    await history.undo();
    history.addPageEdit({ title: "hide", undo() {}, redo() {} });
    expect(await history.redo()).toBeUndefined();
    expect(server.calls).toEqual(["undo"]);
  });

  it("undoes edits from before a reload", async () => {
    const history = createHistory(fakeServer(2));
    history.setServerState({ canUndo: true, canRedo: false });
    expect(history.state.value.undoTitle).toBe("an earlier edit");
    await history.undo();
    await history.undo();
    expect(history.state.value).toEqual({ undoTitle: undefined, redoTitle: "an earlier edit" });
    expect(await history.undo()).toBeUndefined();
  });

  it("carries out again what was undone before a reload", async () => {
    const server = fakeServer(1);
    await server.undo();
    const history = createHistory(server);
    history.setServerState({ canUndo: false, canRedo: true });
    expect(await history.redo()).toBe("an earlier edit");
    expect(history.state.value).toEqual({ undoTitle: "an earlier edit", redoTitle: undefined });
  });

  it("undoes several requests of one edit together, and keeps the rest after an error", async () => {
    const server = fakeServer();
    const history = createHistory(server);
    for (let edits = 0; edits < 3; edits++) server.edit();
    history.addServerEdit("remove 3 objects", 3);
    server.failNext(new Error("connection_lost"));
    await expect(history.undo()).rejects.toThrow("connection_lost");
    expect(history.state.value.undoTitle).toBe("remove 3 objects");
    await history.undo();
    expect(server.calls).toHaveLength(3);
    await history.redo();
    expect(server.calls).toHaveLength(6);
  });

  it("carries out two quick calls one after the other", async () => {
    const server = fakeServer();
    const history = createHistory(server);
    server.edit();
    history.addServerEdit("first");
    server.edit();
    history.addServerEdit("second");
    expect(await Promise.all([history.undo(), history.undo()])).toEqual(["second", "first"]);
  });
});

describe("stale frames", () => {
  const range = (obj_id: number | null, first_frame_index: number, last_frame_index: number) => ({
    obj_id,
    first_frame_index,
    last_frame_index,
  });

  it("are those of the server, without what was computed since", () => {
    let stale = staleFramesOf({ stale_frames: [range(1, 10, 14), range(1, 15, 19), range(null, 15, 24)] });
    expect(staleOf(stale, 1)).toEqual([{ first: 10, last: 24 }]);
    expect(staleOf(stale, 2)).toEqual([{ first: 15, last: 24 }]);
    expect(numStaleFrames(stale)).toBe(15);
    stale = removeComputed(stale, { first: 12, last: 24 });
    expect(staleOf(stale, 1)).toEqual([{ first: 10, last: 11 }]);
    expect(staleOf(stale, 2)).toEqual([]);
    expect(numStaleFrames(removeComputed(stale, { first: 0, last: 30 }))).toBe(0);
  });
});

describe("view state", () => {
  it("survives a way through JSON", () => {
    const store = createViewStore();
    store.views.value = changeViews(store.views.value, [1, 4], { colour: "#ff8800", group: "cars" });
    store.views.value = changeViews(store.views.value, [4], { hidden: true, group: "" });
    const reloaded = createViewStore();
    applyViewState(reloaded, JSON.parse(JSON.stringify(viewState(store))));
    expect([...reloaded.views.value]).toEqual([
      [1, { colour: "#ff8800", group: "cars" }],
      [4, { colour: "#ff8800", hidden: true }],
    ]);
  });

  it.each([null, undefined, 3, { objects: null }, { objects: { x: {}, "1": 4, "-2": { hidden: true } } }])(
    "ignores %j",
    (state) => {
      const store = createViewStore();
      applyViewState(store, state);
      expect(store.views.value.size).toBe(0);
    },
  );
});

it("explains a failed edit: the cause, what is kept, and what to do", () => {
  const error = Object.assign(new Error("frame 4 has no stored mask of object 2"), {
    code: "mask_not_found",
  });
  expect(explainFailure("Lock frames 3 to 9", error)).toEqual({
    title: "Lock frames 3 to 9: failed",
    detail:
      "Frame 4 has no stored mask of object 2. Nothing was changed. " +
      "Run the tracker over these frames first: only computed masks can be locked, split or exchanged.",
  });
});
