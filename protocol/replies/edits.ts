/** Answers to edits, and what `get_session` returns about objects and concepts. */
import { z } from "zod";
import { frameIndex, label, objectId } from "../fields.js";
import { affected } from "./undo.js";

const affectedStretches = affected.describe("The frames whose stored results the request made stale");

const removed = { removed_obj_ids: z.array(objectId).describe("Objects that no longer exist") };

export const EDIT_ANSWERS = {
  lock_frames: {
    affected: affectedStretches,
    num_masks: z.int().min(0).describe("Masks that were locked or unlocked"),
  },
  mark_absent: { affected: affectedStretches },
  merge_objects: { affected: affectedStretches, ...removed },
  split_object: { affected: affectedStretches, new_obj_id: objectId.describe("The new object") },
  swap_objects: { affected: affectedStretches },
  rename: { affected: affectedStretches },
  remove_concept: { affected: affectedStretches, ...removed },
} as const;

const frameRanges = z.array(z.tuple([frameIndex, frameIndex]));

/** Entries of `objects` in the answer to `get_session`. */
export const objectFacts = z.strictObject({
  obj_id: objectId,
  name: label.nullable().describe("From `rename`"),
  concept: z.string().nullable().describe("The concept that detected it; null for prompted objects"),
  locked_frames: frameRanges.describe("From `lock_frames`: `[first, last]` of each range"),
  absent_frames: frameRanges.describe("From `mark_absent`: `[first, last]` of each range"),
});

/** Entries of `concept_names` in the answer to `get_session`. */
export const conceptFacts = z.strictObject({
  concept: z.string(),
  name: label,
});
