/** Requests that change objects which are tracked already. They exist only here: SAM 3 has no such requests. */
import { z } from "zod";
import { frameIndex, label, objectId, phrase, sessionId } from "../fields.js";
import { FIELD_LIMITS } from "../limits.js";

const frameRange = {
  first_frame_index: frameIndex.describe("First frame of the range"),
  last_frame_index: frameIndex.describe("Last frame of the range, inclusive"),
};

interface FrameRange {
  first_frame_index: number;
  last_frame_index: number;
}

/** Adds an issue for a range that ends before it starts. */
function checkRange(
  { first_frame_index: first, last_frame_index: last }: FrameRange,
  context: z.RefinementCtx,
) {
  if (first <= last) return;
  context.addIssue({
    code: "custom",
    path: ["last_frame_index"],
    message: `expected first_frame_index (${first}) or later, got ${last}`,
  });
}

const lockFrames = z
  .strictObject({
    type: z.literal("lock_frames"),
    session_id: sessionId,
    obj_id: objectId.exactOptional().describe("Default: every object that has a mask on the frame"),
    ...frameRange,
    locked: z.boolean().default(true).describe("False: unlock the frames"),
  })
  .superRefine(checkRange);

const markAbsent = z
  .strictObject({
    type: z.literal("mark_absent"),
    session_id: sessionId,
    obj_id: objectId,
    ...frameRange,
    absent: z.boolean().default(true).describe("False: the object may be on the frames again"),
  })
  .superRefine(checkRange);

const mergeObjects = z.strictObject({
  type: z.literal("merge_objects"),
  session_id: sessionId,
  obj_id: objectId.describe("The object that remains; its name and its concept stay"),
  other_obj_ids: z
    .array(objectId)
    .min(1)
    .max(FIELD_LIMITS.objectsPerMerge.value)
    .describe("The objects that become a part of it"),
});

const splitObject = z.strictObject({
  type: z.literal("split_object"),
  session_id: sessionId,
  obj_id: objectId.describe("Keeps the frames before `frame_index`"),
  frame_index: frameIndex.min(1).describe("The first frame of the new object"),
  new_obj_id: objectId.exactOptional().describe("An id without an object. Default: chosen by the server"),
});

const swapObjects = z.strictObject({
  type: z.literal("swap_objects"),
  session_id: sessionId,
  obj_id: objectId,
  other_obj_id: objectId,
  frame_index: frameIndex.describe("The first frame on which the identities are exchanged"),
});

const rename = z
  .strictObject({
    type: z.literal("rename"),
    session_id: sessionId,
    obj_id: objectId.exactOptional().describe("The object to name; either this or `concept`"),
    concept: phrase.exactOptional().describe("The concept to name, as `get_session` lists it"),
    name: label.exactOptional().describe("A name for display. Absent: the name is removed"),
  })
  .superRefine(({ obj_id, concept }, context) => {
    if (obj_id === undefined && concept === undefined) {
      context.addIssue({
        code: "custom",
        path: ["obj_id"],
        params: { missing: true },
        message: "missing: expected an obj_id or a concept",
      });
    } else if (obj_id !== undefined && concept !== undefined) {
      context.addIssue({
        code: "custom",
        path: ["concept"],
        message: "expected either obj_id or concept, got both",
      });
    }
  });

const removeConcept = z.strictObject({
  type: z.literal("remove_concept"),
  session_id: sessionId,
  concept: phrase.describe("As `get_session` lists it; `visual` removes all concepts without a phrase"),
});

export const EDIT_SCHEMAS = {
  lock_frames: lockFrames,
  mark_absent: markAbsent,
  merge_objects: mergeObjects,
  split_object: splitObject,
  swap_objects: swapObjects,
  rename,
  remove_concept: removeConcept,
} as const;

export type EditType = keyof typeof EDIT_SCHEMAS;
