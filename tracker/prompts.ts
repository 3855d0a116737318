/** The prompts of a session, and the errors of prompts that it rejects. */
import type { BoxXywh } from "../detector/geometry.js";
import type { CocoRle } from "../protocol/rle.js";

/** Detects every instance of a concept, on this frame and on the following ones. */
export interface ConceptPrompt {
  kind: "concept";
  /** A phrase; absent: exemplars only. */
  text?: string;
  /** Boxes relative to the frame; label 1: an instance, 0: not an instance. */
  exemplars?: { boxesXywh: readonly BoxXywh[]; labels: readonly (0 | 1)[] };
  /** The instances of the phrase are not objects: detections of other concepts that show one are dropped. */
  negative?: boolean;
  /** Deletes all earlier concepts and their objects. */
  replace: boolean;
  /** Also returns the semantic map of the concept; see `detector/semantic.ts`. */
  semanticMap?: boolean;
}

/** Segments one object. Points and the box are relative to the frame, 0..1. */
export interface ObjectPrompt {
  kind: "object";
  /** A known id corrects that object, an unknown id creates it; when absent, the object gets the next free id. */
  objectId?: number;
  points: readonly (readonly [x: number, y: number])[];
  /** For each point: 1 inside the object, 0 outside. */
  labels: readonly (0 | 1)[];
  boxXywh?: BoxXywh;
  /** The object's mask, at the size of the video, with at least one pixel; not together with a box. Clicks refine it. */
  mask?: CocoRle;
  /** The mask of the object that is shown on the frame, at the size of the video; absent: none. First clicks refine it. */
  shown?: CocoRle;
  /** True: the new clicks replace the earlier clicks on this frame. False: they are added to the earlier clicks and box. */
  clearOldPoints: boolean;
  /** Whether `clearOldPoints` also deletes an earlier box on this frame. */
  clearOldBoxes: boolean;
  /** True: the result contains only this object. The others are not tracked to the frame, which takes time for each. */
  leavesOutOthers?: boolean;
}

export type Prompt = ConceptPrompt | ObjectPrompt;

/** The pack or the session rejects a prompt or an edit. `code` is also the error code of the protocol. */
export class PromptError extends Error {
  override readonly name = "PromptError";
  constructor(
    readonly code:
      | "unsupported_by_pack"
      | "object_limit"
      | "concept_limit"
      | "invalid_field"
      | "nothing_prompted"
      | "object_not_found"
      | "concept_not_found",
    message: string,
    /** The request field that caused the error. */
    readonly field?: string,
  ) {
    super(message);
  }
}

/** The kinds of prompts that a pack supports. */
export interface PromptKinds {
  text: boolean;
  exemplars: boolean;
  points: boolean;
  maskSeed: boolean;
}

/** Description and request field of each kind of prompt. */
const KINDS = {
  text: { description: "a phrase (text)", field: "text" },
  exemplars: { description: "exemplars (bounding_boxes without obj_id)", field: "bounding_boxes" },
  points: {
    description: "clicks or a box on one object (points, bounding_boxes with obj_id)",
    field: "points",
  },
  maskSeed: { description: "a mask of one object (mask)", field: "mask" },
} as const;

/** The error for a kind of prompt that the pack does not support; it lists the kinds that the pack supports. */
export function unsupportedByPack(kind: keyof PromptKinds, supported: PromptKinds): PromptError {
  const { description, field } = KINDS[kind];
  const kinds = (["text", "exemplars", "points", "maskSeed"] as const).filter((other) => supported[other]);
  const list = kinds.map((other) => KINDS[other].description).join(", or ") || "no prompts";
  return new PromptError(
    "unsupported_by_pack",
    `This model pack does not support ${description}. It supports ${list}.`,
    field,
  );
}

/** The error for a new object in a full session. */
export function objectLimit(maxNumObjects: number): PromptError {
  return new PromptError(
    "object_limit",
    `The session has ${maxNumObjects} objects, which is its limit (policy.max_num_objects).`,
  );
}
