/** The values of a saved session, whose hashes anyone can compute: nothing in it is trusted. */
import { describe, expect, test } from "vitest";
import { encodeMask } from "../../protocol/index.js";
import { parseFrame, parseState } from "../../server/saved/session-state.js";

const video = { width: 4, height: 2, num_frames: 10 };
const mask = encodeMask(new Uint8Array(8).fill(1), 4, 2);
const prompt = { kind: "clicks", frameIndex: 0 };
const judged = { score: 1, prompt, suspect: null };
const object = { objectId: 3, prob: 1, boxXywh: [0, 0, 1, 1], mask, judged };
const frame = {
  frameIndex: 9,
  objects: [object],
  unseen: [{ objectId: 4, state: "lost", ...judged }],
  stats: { tracked: 2, dropped: 0 },
};
const state = {
  policy: null,
  concepts: ["dog"],
  negative_concepts: ["cat"],
  prompted: { concept_frame: 9, objects: [[3, [0, 9]]] },
  names: { objects: [[3, "left"]], concepts: [] },
  marks: [{ obj_id: 3, locked: [[2, 6]], absent: [[8, 9]] }],
  stale: [{ objectId: null, first: 0, last: 9, from: 3 }],
};

test("valid values are read unchanged", () => {
  expect(parseState(state, video)).toEqual(state);
  expect(parseFrame(frame, video)).toEqual(frame);
  const { judged: _, ...untracked } = object;
  const { unseen, ...rest } = frame;
  const unjudged = { ...rest, objects: [untracked] };
  expect(parseFrame(unjudged, video)).toEqual(unjudged);
});

describe("a frame that the video does not have is refused", () => {
  test.each([
    ["marks.0.locked.0.1", { marks: [{ obj_id: 3, locked: [[0, 300_000_000]], absent: [] }] }],
    ["marks.0.absent.0", { marks: [{ obj_id: 3, locked: [], absent: [[6, 2]] }] }],
    ["stale.0.last", { stale: [{ objectId: 3, first: 0, last: 10, from: 0 }] }],
    ["prompted.concept_frame", { prompted: { concept_frame: 10, objects: [] } }],
    ["prompted.objects.0.1.0", { prompted: { concept_frame: null, objects: [[3, [10]]] } }],
  ])("at %s", (path, change) => {
    expect(() => parseState({ ...state, ...change }, video)).toThrow(
      `The saved session cannot be read: session.json has an invalid value at ${path} (`,
    );
  });
});

describe("a result that no session stores is refused", () => {
  test.each([
    ["objects.0.judged", { objects: [{ ...object, judged: "bogus" }] }],
    [
      "objects.0.judged.prompt.kind",
      { objects: [{ ...object, judged: { ...judged, prompt: { kind: "x" } } }] },
    ],
    ["objects.0", { objects: [{ ...object, color: "red" }] }],
    ["unseen.0.state", { unseen: [{ objectId: 4, state: "gone", ...judged }] }],
    ["objects", { objects: [object, object] }],
  ])("at %s", (path, change) => {
    expect(() => parseFrame({ ...frame, ...change }, video)).toThrow(
      `The saved session cannot be read: results.ndjson has an invalid value at ${path} (`,
    );
  });
});
