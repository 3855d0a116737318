/** A session that continues from a snapshot returns exactly the same results as the original session. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMask } from "../../protocol/rle.js";
import type { Edit } from "../../tracker/edits/edit.js";
import type { PresetName } from "../../tracker/presets.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { answerTo, detached, firstDifference, idsShown, pass, type Request } from "./requests.js";
import { createBench, createWorld, type Instance, kinds, SIDE } from "./scripted-world.js";

const FRAMES = 24;
const presets: PresetName[] = ["compact", "masklet", "sam3", "transformers"];

const mover = (
  label: number,
  kind: string,
  from: readonly [number, number],
  velocity: readonly [number, number],
  until = FRAMES,
): Instance => ({
  label,
  kind: kinds[kind] as number,
  at: (frame) =>
    frame < until ? [from[0] + velocity[0] * frame, from[1] + velocity[1] * frame, 7, 7] : null,
});

/** Two balls that cross, a ball that is visible on single frames, a box and a cone. */
const world = createWorld([
  mover(1, "ball", [2, 8], [1.4, 0]),
  mover(2, "ball", [34, 9], [-1.4, 0]),
  { label: 3, kind: kinds.ball as number, at: (frame) => (frame % 9 === 4 ? [28, 28, 6, 6] : null) },
  mover(4, "box", [4, 24], [0.5, 0.3]),
  mover(5, "cone", [20, 30], [0, -1], 15),
]);

/** Opens sessions over one scripted model, which keeps no state. */
function opener(preset: PresetName): {
  open(from?: SessionSnapshot): TrackingSession;
  frame(index: number): { index: number; rgb: Uint8Array };
} {
  const { options, frame } = createBench(world, {}, undefined, preset);
  const { policy } = options;
  const open = (from?: SessionSnapshot) =>
    createTrackingSession(
      {
        tracker: createVideoTracker({ ...options, numFrames: FRAMES }),
        policy,
        run: options.run,
        m: SIDE,
        video: { width: SIDE, height: SIDE },
        numFrames: FRAMES,
      },
      from,
    );
  return { open, frame };
}

/**
 * Sends all requests to one session. At each of the given places, another session continues from a snapshot and gets the
 * remaining requests. Expects equal answers and equal states.
 */
async function expectEqualContinuations(
  preset: PresetName,
  requests: readonly Request[],
  places: readonly number[],
): Promise<unknown[]> {
  const { open, frame } = opener(preset);
  const session = open();
  const answers: unknown[] = [];
  const snapshots = new Map<number, SessionSnapshot>();
  for (const [place, request] of requests.entries()) {
    if (places.includes(place)) snapshots.set(place, detached(session));
    answers.push(await answerTo(session, frame, request));
  }
  for (const [place, snapshot] of snapshots) {
    const before = structuredClone(snapshot);
    const restored = open(snapshot);
    for (const [offset, request] of requests.slice(place).entries()) {
      const answer = await answerTo(restored, frame, request);
      const at = `${preset}, snapshot before request ${place}, answer ${place + offset}`;
      expect(firstDifference(answer, answers[place + offset], at)).toBeNull();
    }
    expect(firstDifference(restored.snapshot(), session.snapshot(), `end after ${place}`)).toBeNull();
    // The restored session does not write into the snapshot.
    expect(firstDifference(snapshot, before, `snapshot ${place}`)).toBeNull();
  }
  return answers;
}

/** A locked or anchored mask at the size of the video. */
const square = encodeMask(
  Uint8Array.from({ length: SIDE * SIDE }, (_, pixel) => Number(pixel % SIDE < 8 && pixel / SIDE < 8)),
  SIDE,
  SIDE,
);

const session: Request[] = [
  { do: "phrase", frame: 0, text: "ball" },
  ...pass(0, 9),
  { do: "click", frame: 9, point: [0.25, 0.7], objectId: 20 },
  { do: "click", frame: 9, point: [0.3, 0.72], objectId: 20, keep: true },
  { do: "remove", objectId: 1 },
  { do: "phrase", frame: 9, text: "cone" },
  ...pass(9, 20).slice(0, 8),
  { do: "exemplar", frame: 16, boxXywh: [0.25, 0.7, 0.25, 0.25] },
  { do: "predict", frame: 3, point: [0.5, 0.5] },
  ...pass(17, 23),
  { do: "click", frame: 20, point: [0.1, 0.1], label: 0, objectId: 0 },
  { do: "edit", edit: { kind: "lock", masks: [{ objectId: 0, frameIndex: 14, mask: square, prob: 0.5 }] } },
  { do: "edit", edit: { kind: "absent", objectId: 0, firstFrame: 9, lastFrame: 11, absent: true } },
  ...pass(16, 5, 17),
  { do: "edit", edit: { kind: "split", objectId: 0, newObjectId: 30, frameIndex: 8 } },
  { do: "anchor", masks: [{ objectId: 30, mask: square }], frame: 8 },
  { do: "edit", edit: { kind: "swap", objectId: 20, otherId: 30, frameIndex: 12 } },
  { do: "edit", edit: { kind: "merge", objectId: 20, otherIds: [0], locks: [] } },
  { do: "edit", edit: { kind: "removeConcept", concept: "cone" } },
  { do: "checkpoint" },
  { do: "click", frame: 12, point: [0.3, 0.7], objectId: 20 },
  { do: "checkpoint" },
  { do: "remove", objectId: 20 },
  { do: "rollback", to: "before" },
  { do: "rollback", to: "before" },
  { do: "rollback", to: "after" },
  { do: "begin", firstFrame: 15, lastFrame: 18 },
  { do: "recall", frame: 14, objectId: 20, mask: square },
  { do: "step", frame: 15 },
  { do: "step", frame: 16 },
  ...pass(5, 23, 17),
];

describe.each(presets)("a snapshot under the preset %s", (preset) => {
  it("continues with the same frames after any request", async () => {
    const places = [0, 1, 5, 11, 12, 14, 15, 20, 23, 24, 26, 30, 33, 38, session.length - 1];
    const answers = await expectEqualContinuations(preset, session, places);
    expect(idsShown(answers).size).toBeGreaterThan(2);
  });

  it("is plain data that the session does not write into", async () => {
    const { open, frame } = opener(preset);
    const live = open();
    for (const request of session.slice(0, 16)) await answerTo(live, frame, request);
    const snapshot = live.snapshot();
    const before = structuredClone(snapshot);
    expect(firstDifference(before, snapshot)).toBeNull();
    for (const request of session.slice(16)) await answerTo(live, frame, request);
    live.reset();
    expect(firstDifference(snapshot, before)).toBeNull();
  });
});

const frame = fc.nat(FRAMES - 1);
const place = fc.tuple(
  fc.double({ min: 0, max: 0.99, noNaN: true }),
  fc.double({ min: 0, max: 0.99, noNaN: true }),
);
const box = fc.constantFrom([0.1, 0.2, 0.2, 0.2], [0.1, 0.6, 0.2, 0.2], [0.5, 0.5, 0.3, 0.4]) as fc.Arbitrary<
  [number, number, number, number]
>;
const objectId = fc.nat(5);
const anEdit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    kind: fc.constant("lock" as const),
    masks: fc.array(
      fc.record({ objectId, frameIndex: frame, mask: fc.constant(square), prob: fc.constant(0.5) }),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    kind: fc.constant("unlock" as const),
    objectIds: fc.array(objectId, { maxLength: 2 }),
    firstFrame: fc.constant(0),
    lastFrame: frame,
  }),
  fc.record({
    kind: fc.constant("absent" as const),
    objectId,
    firstFrame: fc.constant(3),
    lastFrame: fc.integer({ min: 3, max: 9 }),
    absent: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("merge" as const),
    objectId,
    otherIds: fc.array(objectId, { maxLength: 2 }),
    locks: fc.constant([]),
  }),
  fc.record({ kind: fc.constant("split" as const), objectId, frameIndex: frame }),
  fc.record({ kind: fc.constant("swap" as const), objectId, otherId: objectId, frameIndex: frame }),
  fc.record({ kind: fc.constant("removeConcept" as const), concept: fc.constantFrom("ball", "box") }),
);
const aRequest: fc.Arbitrary<Request[]> = fc.oneof(
  fc
    .record({
      do: fc.constant("phrase" as const),
      frame,
      text: fc.constantFrom("ball", "box", "cone"),
      replace: fc.boolean(),
    })
    .map((request) => [request]),
  fc.record({ do: fc.constant("exemplar" as const), frame, boxXywh: box }).map((request) => [request]),
  fc
    .record({
      do: fc.constant("click" as const),
      frame,
      point: place,
      label: fc.constantFrom(0 as const, 1 as const),
      objectId,
    })
    .map((request) => [request]),
  fc.record({ do: fc.constant("box" as const), frame, boxXywh: box, objectId }).map((request) => [request]),
  fc.record({ do: fc.constant("remove" as const), objectId }).map((request) => [request]),
  fc.record({ do: fc.constant("fetch" as const), frame }).map((request) => [request]),
  anEdit.map((edit) => [{ do: "edit" as const, edit }]),
  fc
    .record({
      do: fc.constant("anchor" as const),
      frame,
      masks: fc.array(fc.record({ objectId, mask: fc.constant(square) }), { maxLength: 2 }),
    })
    .map((request) => [request]),
  // Most passes do not reach their end, so that frames still wait in the output buffer.
  fc
    .tuple(frame, frame, fc.integer({ min: 1, max: 12 }))
    .map(([first, last, length]) => pass(first, last).slice(0, length)),
);

it.each(presets)(
  "a snapshot of any session under the preset %s continues with the same frames",
  async (preset) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(aRequest, { minLength: 2, maxLength: 7 }),
        fc.nat(1000),
        async (drawn, at) => {
          const requests = drawn.flat();
          await expectEqualContinuations(preset, requests, [at % requests.length]);
        },
      ),
      { numRuns: 60 },
    );
  },
);
