import { expect, test } from "vitest";
import { createMarks } from "../../server/edits/marks.js";
import { createPromptLog } from "../../server/prompt-log.js";
import { createResultsStore } from "../../server/results/store.js";
import type { StoredFrame } from "../../server/results/stored-frame.js";
import { isConfirmed, listSuspects, toStates } from "../../server/states.js";

type Stored = StoredFrame["objects"][number];
type Suspect = NonNullable<Stored["judged"]>["suspect"];

const prompt = { kind: "clicks", frameIndex: 0 } as const;
const object = (objectId: number, score: number, suspect: Suspect = "low_score"): Stored => ({
  objectId,
  prob: 1,
  boxXywh: [0, 0, 1, 1],
  mask: { size: [1, 1], counts: "01" },
  judged: { score, prompt, suspect },
});
const unseen = (objectId: number) =>
  ({ objectId, state: "occluded", score: 0.1, prompt, suspect: null }) as const;
const frame = (
  frameIndex: number,
  objects: Stored[],
  without: NonNullable<StoredFrame["unseen"]> = [],
): StoredFrame => ({ frameIndex, objects, unseen: without, stats: { tracked: 2, dropped: 0 } });
const undecided = () => ({ marks: createMarks(), prompts: createPromptLog() });
const openStore = () => createResultsStore({ maxBytes: 1e6, maxVersions: 3 });

test("states cover objects with and without a mask, by id", () => {
  const concept = { kind: "concept", frameIndex: 4, concept: "dog" } as const;
  const dog = { ...object(2, 0.7), judged: { score: 0.7, prompt: concept, suspect: null } };
  const { judged: _, ...edited } = object(0, 1);
  expect(toStates([edited, dog], [unseen(1)], () => false)).toEqual([
    {
      obj_id: 1,
      state: "occluded",
      score: 0.1,
      prompt: { kind: "clicks", frame_index: 0 },
      suspect: null,
    },
    {
      obj_id: 2,
      state: "present",
      score: 0.7,
      prompt: { kind: "concept", frame_index: 4, concept: "dog" },
      suspect: null,
    },
  ]);
});

test("suspects are listed with the lowest score first, up to the limit", () => {
  const store = openStore();
  store.set(frame(3, [object(0, 0.5), object(1, 0.2, "overlap")]));
  store.set(frame(1, [object(0, 0.5), object(1, 0.9, null)]));
  expect(listSuspects({ store, ...undecided() }, 2)).toEqual({
    suspects: [
      { frame_index: 3, obj_id: 1, score: 0.2, reason: "overlap" },
      { frame_index: 1, obj_id: 0, score: 0.5, reason: "low_score" },
    ],
    num_suspects: 3,
  });
  store.set(frame(3, [object(0, 0.99, null)]));
  expect(listSuspects({ store, ...undecided() }, 10).num_suspects).toBe(1);
});

test("frames of some objects keep the states of the others", () => {
  const store = openStore();
  store.set(frame(3, [object(0, 0.5)], [unseen(1)]));
  const merged = store.merge(frame(3, [object(1, 0.6)], [unseen(0)]), new Set([1]));
  expect(merged.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
  expect(merged.unseen).toEqual([]);
  expect(store.merge(frame(3, [], [unseen(1)]), new Set([1])).unseen).toEqual([unseen(1)]);
});

test("removed objects leave the states and the list", () => {
  const store = openStore();
  store.set(frame(3, [object(0, 0.5)], [unseen(1)]));
  store.removeObject(1);
  expect(store.get(3)?.unseen).toEqual([]);
  store.removeObject(0);
  expect(listSuspects({ store, ...undecided() }, 10)).toEqual({ suspects: [], num_suspects: 0 });
});

test("locked and prompted masks are not suspect, in lists and in frames", () => {
  const store = openStore();
  store.set(frame(3, [object(0, 0.5), object(1, 0.6)]));
  const marks = createMarks();
  marks.update([{ objectId: 0, concept: null, locked: [[2, 4]], absent: [] }]);
  const prompts = createPromptLog();
  const suspects = () => listSuspects({ store, marks, prompts }, 10).suspects.map(({ obj_id }) => obj_id);
  expect(suspects()).toEqual([1]);
  prompts.addObject(3, 1);
  expect(suspects()).toEqual([]);
  const states = toStates([object(0, 0.5)], [], (objectId) => isConfirmed({ marks, prompts }, objectId, 3));
  expect(states).toMatchObject([{ obj_id: 0, score: 1, suspect: null }]);
});
