import { expect, it } from "vitest";
import { createTimeline, MAX_EDITS } from "../../tracker/timeline.js";
import type { TrackerSnapshot } from "../../tracker/tracker-snapshot.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { send } from "./requests.js";
import { createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

const ball = { label: 1, kind: kinds.ball as number, at: () => [4, 4, 6, 6] as const };

function open() {
  const bench = createBench(createWorld([ball]));
  const { tracker, options, frame } = bench;
  const { policy, run } = options;
  const video = { width: SIDE, height: SIDE };
  const session = createTrackingSession({ tracker, policy, run, m: SIDE, video, numFrames: 100 });
  return { session, frame };
}

const stateOf = (session: TrackingSession) => session.snapshot().tracker;

it("restores objects, prompts and conditioning memories, and no memories of tracked frames", async () => {
  const { session, frame } = open();
  const click = (index: number) =>
    send(session, frame, { do: "click", frame: index, point: [7 / SIDE, 7 / SIDE], objectId: 3 });
  await click(0);
  const before = stateOf(session).registry.masklets[0];
  session.checkpoint();
  await click(9);
  await session.beginPropagation({ reverse: false, firstFrame: 9, lastFrame: 14, startFrame: null });
  for (let index = 9; index < 15; index++) await session.step(frame(index));
  const after = stateOf(session).registry.masklets[0];
  expect(after?.bank.recent.length).toBeGreaterThan(0);

  session.rollback("before");
  const undone = stateOf(session).registry.masklets[0];
  expect(undone?.prompts).toEqual(before?.prompts);
  expect(undone?.bank).toEqual({ conditioning: before?.bank.conditioning, recent: [], pointers: [] });

  session.rollback("after");
  const redone = stateOf(session).registry.masklets[0];
  expect([...(redone?.prompts.keys() ?? [])]).toEqual([0, 9]);
  expect(redone?.bank.conditioning).toEqual(after?.bank.conditioning);
});

it("shares the memories of its states with the tracker, and keeps a hundred states", async () => {
  const { session, frame } = open();
  for (let edit = 0; edit < MAX_EDITS + 5; edit++) {
    session.checkpoint();
    const point = [(6 + (edit % 3)) / SIDE, 7 / SIDE] as const;
    await send(session, frame, { do: "click", frame: 0, point, objectId: edit === 0 ? 3 : 4 });
  }
  const { timeline, tracker } = session.snapshot();
  expect(timeline.done.length).toBe(MAX_EDITS);
  const memories = [tracker, ...timeline.done].map(
    ({ registry }) => registry.masklets.find(({ id }) => id === 3)?.bank.conditioning[0]?.memory,
  );
  expect(new Set(memories).size).toBe(1);
});

it("rejects steps that do not exist", () => {
  const timeline = createTimeline();
  const state = { registry: { masklets: [], nextId: 0 } } as unknown as TrackerSnapshot;
  timeline.changed();
  expect(() => timeline.back(state)).toThrow("There is no edit to undo.");
  expect(() => timeline.forward(state)).toThrow("There is no edit to redo.");
  timeline.checkpoint(state);
  timeline.changed();
  timeline.clear();
  expect(() => timeline.back(state)).toThrow(RangeError);
});
