/** The effect of an edit on a stored frame: its objects, their judgements, and the states of objects without a mask. */
import {
  type Edit,
  type EditResult,
  type ObjectOutput,
  rewriteObjects,
  visibilityOf,
} from "../engine/index.js";
import { type StoredFrame, withoutOldOverlaps } from "../results/stored-frame.js";
import { renumbering } from "./identities.js";
import { uniteOutputs } from "./stored-masks.js";

/** The stored frame outside of the rewritten ones, nearest to a frame, on which an object has a mask; null: none. */
export type NearestSight = (objectId: number, frameIndex: number) => number | null;

/**
 * Rewrites one stored frame of `rewrittenStretch`.
 * @returns the same frame when it does not change
 */
export function rewriteFrame(
  edit: Edit,
  result: EditResult,
  frame: StoredFrame,
  nearestSight: NearestSight,
): StoredFrame {
  const objects = rewriteObjects(edit, result, frame.objects, uniteOutputs);
  const unseen = rewriteUnseen(edit, result, frame, objects, nearestSight);
  const isSame =
    unseen.length === (frame.unseen?.length ?? 0) && unseen.every((state) => frame.unseen?.includes(state));
  if (objects === frame.objects && isSame) return frame;
  return { ...frame, objects: withoutOldOverlaps(objects), unseen };
}

type Unseen = NonNullable<StoredFrame["unseen"]>;

function rewriteUnseen(
  edit: Edit,
  result: EditResult,
  { frameIndex, objects: before, unseen = [] }: StoredFrame,
  objects: readonly ObjectOutput[],
  nearestSight: NearestSight,
): Unseen {
  const idOf = renumbering(edit, result)?.idOf ?? ((id: number) => id);
  const renumbered = unseen.map((state) => {
    const objectId = idOf(state.objectId);
    return objectId === state.objectId ? state : { ...state, objectId };
  });
  const hiddenId = edit.kind === "split" || edit.kind === "absent" ? edit.objectId : undefined;
  const hidden = [...before, ...unseen].flatMap((object): Unseen => {
    if (object.objectId !== hiddenId) return [];
    const prompt =
      "judged" in object ? object.judged?.prompt : "prompt" in object ? object.prompt : undefined;
    if (!prompt) return [];
    const state = visibilityOf(false, frameIndex, nearestSight(hiddenId, frameIndex));
    return [{ objectId: hiddenId, state, score: 0, prompt, suspect: null }];
  });
  const left = new Set([...objects.map(({ objectId }) => objectId), ...result.removedIds]);
  const byId = new Map<number, Unseen[number]>();
  for (const state of [...renumbered, ...hidden])
    if (!left.has(state.objectId)) byId.set(state.objectId, state);
  return [...byId.values()].sort((a, b) => a.objectId - b.objectId);
}
