import { describe, expect, test } from "vitest";
import { rewriteFrame } from "../../../server/edits/rewrite-frame.js";
import type { Edit, EditResult } from "../../../server/engine/index.js";
import type { StoredFrame } from "../../../server/results/stored-frame.js";

type Stored = StoredFrame["objects"][number];
type Suspect = NonNullable<Stored["judged"]>["suspect"];

const prompt = { kind: "box", frameIndex: 0 } as const;
const object = (objectId: number, score: number, suspect: Suspect = null): Stored => ({
  objectId,
  prob: 1,
  boxXywh: [0, 0, 1, 1],
  mask: { size: [1, 1], counts: "01" },
  judged: { score, prompt, suspect },
});
const unseen = (objectId: number) =>
  ({ objectId, state: "occluded", score: 0.1, prompt, suspect: null }) as const;

/** The states of a frame after an edit, as text. */
function statesAfter(
  edit: Edit,
  objects: Stored[],
  without: NonNullable<StoredFrame["unseen"]>,
  result?: EditResult,
) {
  const frame = { frameIndex: 50, objects, unseen: without, stats: { tracked: 2, dropped: 0 } };
  const rewritten = rewriteFrame(edit, result ?? { removedIds: [] }, frame, () => 45);
  const seen = rewritten.objects.map(
    ({ objectId, judged }) => `${objectId} ${judged?.score} ${judged?.suspect}`,
  );
  return [...seen, ...(rewritten.unseen ?? []).map(({ objectId, state }) => `${objectId} ${state}`)];
}

describe("the states of a stored frame", () => {
  test("list an object that was marked absent as one without a mask", () => {
    const edit: Edit = { kind: "absent", objectId: 1, firstFrame: 50, lastFrame: 52, absent: true };
    expect(statesAfter(edit, [object(1, 0.9), object(2, 0.9, "overlap")], [])).toEqual([
      "2 0.9 null",
      "1 occluded",
    ]);
    expect(statesAfter(edit, [object(2, 0.9)], [unseen(1)])).toEqual(["2 0.9 null", "1 occluded"]);
  });

  test("are exchanged by a swap, with and without masks", () => {
    const edit: Edit = { kind: "swap", objectId: 1, otherId: 2, frameIndex: 40 };
    expect(statesAfter(edit, [object(1, 0.3, "low_score")], [unseen(2)])).toEqual([
      "2 0.3 low_score",
      "1 occluded",
    ]);
    expect(statesAfter(edit, [], [unseen(1)])).toEqual(["2 occluded"]);
  });

  test("list both parts of a split object", () => {
    const edit: Edit = { kind: "split", objectId: 1, frameIndex: 40 };
    const result = { removedIds: [], newObjectId: 7 };
    expect(statesAfter(edit, [object(1, 0.9)], [], result)).toEqual(["7 0.9 null", "1 occluded"]);
    expect(statesAfter(edit, [], [unseen(1)], result)).toEqual(["1 occluded", "7 occluded"]);
  });

  test("of a merged object are the worst ones, and the others are gone", () => {
    const edit: Edit = { kind: "merge", objectId: 1, otherIds: [2], locks: [] };
    const result = { removedIds: [2] };
    expect(statesAfter(edit, [object(1, 0.9, "overlap"), object(2, 0.4, "low_score")], [], result)).toEqual([
      "1 0.4 low_score",
    ]);
    expect(statesAfter(edit, [object(2, 0.9)], [unseen(1)], result)).toEqual(["1 0.9 null"]);
    expect(statesAfter(edit, [], [unseen(1), unseen(2)], result)).toEqual(["1 occluded"]);
  });

  test("of objects of a removed concept are gone", () => {
    const edit: Edit = { kind: "removeConcept", concept: "dog" };
    expect(statesAfter(edit, [object(1, 0.9)], [unseen(3)], { removedIds: [3] })).toEqual(["1 0.9 null"]);
  });
});
