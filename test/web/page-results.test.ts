/** What the page keeps of results: bounded masks, states of all frames, and what it reads again after an edit. */
import { describe, expect, it } from "vitest";
import type { Change } from "../../clients/web/results/changes.js";
import { groupChanges } from "../../clients/web/results/changes.js";
import { bytesOf, type FrameResult } from "../../clients/web/results/frame-result.js";
import { createResultStore } from "../../clients/web/results/result-store.js";
import { addMark, type PromptMark, readMarks } from "../../clients/web/session/prompts.js";
import { FLAG, STATE } from "../../clients/web/timeline/lane-states.js";

const NUM_FRAMES = 100;

function resultOf(frame: number, ids: readonly number[], maskBytes = 100): FrameResult {
  return {
    ...{ frame, timestampUs: frame * 40_000 },
    objects: ids.map((id) => ({ id, score: 0.9, boxXywh: [0, 0, 1, 1], mask: new Uint8Array(maskBytes) })),
    states: ids.map((obj_id) => ({
      ...{ obj_id, state: "present" as const, score: 0.8, suspect: null },
      prompt: { kind: "clicks" as const, frame_index: 0 },
    })),
  };
}

/** A server with the results of `stored`: object ids by frame. */
function setUp({ isNew = false, maxBytes = 2 ** 20 } = {}) {
  const stored = new Map<number, number[]>();
  const requests: string[] = [];
  let beforeAnswer = async () => {};
  async function* read(first: number, last: number, ids?: readonly number[]) {
    const frames = [...stored].filter(([frame]) => frame >= first && frame <= last);
    await beforeAnswer();
    for (const [frame, present] of frames)
      yield resultOf(
        frame,
        present.filter((id) => ids?.includes(id) ?? true),
      );
  }
  const store = createResultStore({
    numFrames: NUM_FRAMES,
    mayHaveResults: !isNew,
    maxBytes,
    hasObject: (id) => id < 10,
    fetchStored(first, last) {
      requests.push(`masks ${first}-${last}`);
      return read(first, last);
    },
    fetchStates(first, last, ids) {
      requests.push(`states ${first}-${last} of ${ids ?? "all"}`);
      return read(first, last, ids);
    },
  });
  const fill = (ids: number[]) => {
    for (let frame = 0; frame < NUM_FRAMES; frame++) stored.set(frame, ids);
  };
  const hold = () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    beforeAnswer = () => held;
    return () => {
      beforeAnswer = async () => {};
      release();
    };
  };
  const failOnce = () => {
    beforeAnswer = async () => {
      beforeAnswer = async () => {};
      throw new Error("the connection is lost");
    };
  };
  return { store, stored, requests, fill, hold, failOnce };
}
const idsAt = (store: ReturnType<typeof setUp>["store"], frame: number) =>
  store.get(frame)?.objects.map(({ id }) => id);

describe("the results of a page", () => {
  it("need nothing from the server in a new session", async () => {
    const { store, requests } = setUp({ isNew: true });
    expect(store.isMissing(5)).toBe(false);
    await store.load(0, 99);
    await store.readStates();
    expect(requests).toEqual([]);
    store.put(resultOf(5, [1]));
    expect(idsAt(store, 5)).toEqual([1]);
  });

  it("of a reopened session are the states of all frames, and the masks near the stage", async () => {
    const { store, fill, requests } = setUp();
    fill([1, 2]);
    await store.readStates();
    expect(requests).toEqual(["states 0-99 of all"]);
    expect([...store.states.of(2).state]).toEqual(Array(NUM_FRAMES).fill(STATE.present));
    expect([store.get(40), store.isMissing(40)]).toEqual([undefined, true]);
    await store.load(40, 42);
    expect(idsAt(store, 40)).toEqual([1, 2]);
    expect(requests.slice(1)).toEqual(["masks 32-47"]);
    await store.load(33, 47);
    expect(requests).toHaveLength(2);
  });

  it("of a reopened session appear while the answer arrives", async () => {
    const { store, fill } = setUp();
    fill([1]);
    const computed: number[] = [];
    const stop = store.version.subscribe(() => {
      computed.push(store.states.of(1).state.filter((state) => state === STATE.present).length);
    });
    await store.readStates();
    stop();
    expect(computed).toEqual([0, 64, NUM_FRAMES]);
  });

  it("stay within the bound: the oldest masks go and are fetched again, the states stay", async () => {
    const maxBytes = 20 * bytesOf(resultOf(0, [1]));
    const { store, fill, requests } = setUp({ isNew: true, maxBytes });
    fill([1]);
    for (let frame = 0; frame < NUM_FRAMES; frame++) store.put(resultOf(frame, [1]));
    expect(store.bytes).toBeLessThanOrEqual(maxBytes);
    expect([store.get(0), store.isMissing(0)]).toEqual([undefined, true]);
    expect(idsAt(store, 99)).toEqual([1]);
    expect(store.states.of(1).state[0]).toBe(STATE.present);
    await store.load(0, 3);
    expect(idsAt(store, 3)).toEqual([1]);
    expect(requests).toEqual(["masks 0-15"]);
    expect(store.bytes).toBeLessThanOrEqual(maxBytes);
  });

  it("after an undo are read again for the changed stretch and objects only", async () => {
    const { store, stored, fill, requests } = setUp({ isNew: true });
    fill([1, 2]);
    for (let frame = 0; frame < NUM_FRAMES; frame++) store.put(resultOf(frame, [1, 2]));
    for (let frame = 20; frame < 30; frame++) stored.set(frame, [1]);
    store.invalidate([{ objectId: 2, first: 20, last: 29 }]);
    // The old masks stay until the new ones arrive.
    expect(idsAt(store, 25)).toEqual([1, 2]);
    await store.readStates();
    expect(requests).toEqual(["states 20-29 of 2"]);
    const lane = [...store.states.of(2).state.subarray(18, 32)];
    expect(lane).toEqual([1, 1, ...Array(10).fill(STATE.none), 1, 1]);
    expect([...store.states.of(1).state]).toEqual(Array(NUM_FRAMES).fill(STATE.present));
    expect([19, 20, 29, 30].map(store.isMissing)).toEqual([false, true, true, false]);
    await store.load(25, 25);
    expect(idsAt(store, 25)).toEqual([1]);
    await store.readStates();
    expect(requests).toEqual(["states 20-29 of 2", "masks 16-31"]);
  });

  it("ignore answers that are older than a change", async () => {
    const { store, fill, stored, hold } = setUp();
    fill([1]);
    await store.readStates();
    const release = hold();
    const old = store.load(8, 8);
    stored.set(8, [1, 2]);
    store.invalidate([{ objectId: 2, first: 8, last: 8 }]);
    store.put(resultOf(9, [3]));
    release();
    await old;
    expect([store.get(8), store.isMissing(8)]).toEqual([undefined, true]);
    expect(idsAt(store, 9)).toEqual([3]);
    await store.load(8, 8);
    expect(idsAt(store, 8)).toEqual([1, 2]);
  });

  it("read again what failed", async () => {
    const { store, fill, requests, failOnce } = setUp({ isNew: true });
    fill([1]);
    store.invalidate([{ objectId: 1, first: 0, last: 5 }]);
    failOnce();
    await expect(store.readStates()).rejects.toThrow("the connection is lost");
    await store.readStates();
    expect(requests).toEqual(["states 0-5 of 1", "states 0-5 of 1"]);
    expect([...store.states.of(1).state.subarray(0, 7)]).toEqual([
      ...Array(6).fill(STATE.present),
      STATE.none,
    ]);
    failOnce();
    await expect(store.load(3, 3)).rejects.toThrow("the connection is lost");
    await store.load(3, 3);
    expect(idsAt(store, 3)).toEqual([1]);
  });

  it("read nothing of objects that are gone", async () => {
    const { store, fill, requests } = setUp({ isNew: true });
    fill([1]);
    store.put(resultOf(0, [1]));
    const changes: Change[] = [{ objectId: 11, first: 0, last: 5 }];
    store.invalidate(changes);
    await store.readStates();
    expect(requests).toEqual([]);
    store.invalidate([{ objectId: 1, first: 0, last: 5 }]);
    store.removeObjects([1]);
    await store.readStates();
    expect(requests).toEqual([]);
    expect(idsAt(store, 0)).toEqual([]);
  });

  it("are empty after a reset", async () => {
    const { store, requests } = setUp();
    store.put(resultOf(0, [1]));
    store.clear();
    await store.readStates();
    expect([store.get(0), store.isMissing(0), store.bytes, requests]).toEqual([undefined, false, 0, []]);
    expect(store.states.of(1).state[0]).toBe(STATE.none);
  });
});

describe("corrections", () => {
  const click = (frame: number, isCorrection: boolean): PromptMark => ({
    ...{ frame, objectId: 1, kind: "points", isCorrection },
    points: [{ x: frame, y: 2, label: 1 }],
  });

  it("are flags of their frames until they are undone", () => {
    const { store } = setUp({ isNew: true });
    const correctedOn = () =>
      [...store.states.of(1).flags].flatMap((flag, frame) => (flag & FLAG.corrected ? [frame] : []));
    for (const frame of [0, 5, 9]) store.put(resultOf(frame, [1]));
    store.states.setCorrections([click(5, true), click(9, true)]);
    expect(correctedOn()).toEqual([5, 9]);
    store.put(resultOf(5, [1]));
    expect(correctedOn()).toEqual([5, 9]);
    store.states.setCorrections([click(5, true)]);
    expect(correctedOn()).toEqual([5]);
    store.put(resultOf(9, [1]));
    expect(correctedOn()).toEqual([5]);
  });

  it("stay marked as such when further clicks follow, and after a reload", () => {
    const marks = addMark(addMark(addMark([], click(0, false)), click(5, true)), click(5, false));
    expect(marks.map(({ frame, isCorrection = false }) => [frame, isCorrection])).toEqual([
      [0, false],
      [5, true],
    ]);
    expect(readMarks(JSON.parse(JSON.stringify(marks)))).toEqual(marks);
    expect(readMarks([{ ...click(5, true), isCorrection: "yes" }])).toEqual([]);
  });
});

describe("changes", () => {
  it("with the same frames are one request", () => {
    const changes = [3, 1, 3].map((objectId) => ({ objectId, first: 2, last: 8 }));
    expect(groupChanges([...changes, { objectId: 1, first: 9, last: 9 }])).toEqual([
      { first: 2, last: 8, objectIds: [1, 3] },
      { first: 9, last: 9, objectIds: [1] },
    ]);
    expect(groupChanges([...changes, { objectId: null, first: 2, last: 8 }])).toEqual([
      { first: 2, last: 8, objectIds: undefined },
    ]);
  });

  it("that are many become one request", () => {
    const many = Array.from({ length: 50 }, (_, at) => ({ objectId: at, first: at, last: at + 1 }));
    expect(groupChanges(many)).toEqual([
      { first: 0, last: 50, objectIds: many.map(({ objectId }) => objectId) },
    ]);
  });
});
