/** The state of a tracker from a file that anyone can edit. */
import { expect, test } from "vitest";
import { encodeMask } from "../../../protocol/index.js";
import { checkSnapshot } from "../../../server/engine/snapshot-schema.js";

const sizes = { T: 1, Dm: 2, D: 3, m: 4 };
const video = { width: 4, height: 2 };
const mask = encodeMask(new Uint8Array(8).fill(1), 4, 2);

/** Of the model's size. */
const drawnMask = encodeMask(new Uint8Array(16).fill(1), 4, 4);

function stateWith(locked: unknown, drawn: unknown = drawnMask) {
  const registry = (prompts: Map<number, unknown>, locks: Map<number, unknown>) => ({
    nextId: 1,
    masklets: [
      {
        id: 0,
        conceptKey: null,
        prob: 1,
        bornFrame: 0,
        prompts,
        locks,
        bank: { conditioning: [], recent: [], pointers: [] },
      },
    ],
  });
  return {
    tracker: {
      registry: registry(new Map(), new Map([[2, { mask: locked, prob: 1 }]])),
      concepts: {},
      history: {},
      pass: { reverse: false, isFresh: true, crossings: [] },
    },
    outputs: new Map(),
    actions: [],
    plan: { mode: "full", objectIds: [] },
    pass: { reverse: false, firstFrame: 0, lastFrame: 1 },
    buffer: { waiting: [], removed: new Map(), unconfirmed: new Map() },
    timeline: { done: [{ registry: registry(new Map([[0, { drawn }]]), new Map()) }] },
  };
}

test("locked masks of the video's size and drawn masks of the model's size are accepted", () => {
  const state = stateWith(mask);
  expect(checkSnapshot(state, sizes, video)).toBe(state);
});

test.each([
  ["another size", { size: [40_000, 40_000] }, "expected a mask of SIZE pixels, got 40000×40000"],
  ["more pixels than the size", { counts: "zz" }, "the mask is damaged"],
  ["no text", { counts: 3 }, "expected a mask"],
])("a mask of %s is refused, wherever it is", (_, change, problem) => {
  const message = "The saved state of the tracker has an invalid value at ";
  expect(() => checkSnapshot(stateWith({ ...mask, ...change }), sizes, video)).toThrow(
    `${message}tracker.registry.masklets.0.locks.2.mask: ${problem.replace("SIZE", "4×2")}.`,
  );
  expect(() => checkSnapshot(stateWith(mask, { ...drawnMask, ...change }), sizes, video)).toThrow(
    `${message}timeline.done.0.registry.masklets.0.prompts.0.drawn: ${problem.replace("SIZE", "4×4")}.`,
  );
});

test("an outline with another number of values than the model's masks is refused, wherever it is", () => {
  const motion = (length: number) => ({ outline: { maskLogits: new Float32Array(length), frameIndex: 0 } });
  const moving = (own: unknown, anchor: unknown) => {
    const { tracker, ...rest } = stateWith(mask);
    const { registry, pass } = tracker;
    const masklets = registry.masklets.map((masklet) => ({ ...masklet, motion: own }));
    const crossings = [{ anchors: new Map([[0, anchor]]), since: 0, uncertain: false }];
    return {
      ...rest,
      tracker: { ...tracker, registry: { ...registry, masklets }, pass: { ...pass, crossings } },
    };
  };
  const check = (own: unknown, anchor: unknown) => () => checkSnapshot(moving(own, anchor), sizes, video);
  expect(check(motion(16), motion(16))).not.toThrow();
  expect(check(null, { outline: null })).not.toThrow();
  expect(check(motion(15), motion(16))).toThrow(
    "at tracker.registry.masklets.0.motion.outline.maskLogits: expected 16 values",
  );
  expect(check(motion(16), motion(17))).toThrow(
    "at tracker.pass.crossings.0.anchors.0.outline.maskLogits: expected 16 values",
  );
});
