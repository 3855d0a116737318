/** The prompts of a session, and the errors of prompts it cannot take. */
import type { BoxXywh } from "../detector/geometry.js";

/** Finds every instance of a concept, on this frame and on the following ones. */
export interface ConceptPrompt {
  kind: "concept";
  text?: string;
  /** Boxes relative to the frame; label 1: an instance, 0: not an instance. */
  exemplars?: { boxesXywh: readonly BoxXywh[]; labels: readonly (0 | 1)[] };
  /** Deletes all earlier concepts and their objects. */
  replace: boolean;
  /** Also returns one map of the frame with all instances of the concept. */
  semanticMap?: boolean;
}

/** Segments one object. Points and box relative to the frame. */
export interface ObjectPrompt {
  kind: "object";
  /** A known id corrects that object, an unknown id creates it; when absent, the object gets the next free id. */
  objectId?: number;
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  boxXywh?: BoxXywh;
  /** True: these replace the clicks on the object on this frame. False: they are added to the clicks and the box. */
  clearOldPoints: boolean;
  /** Whether an earlier box on this frame is deleted together with the clicks. */
  clearOldBoxes: boolean;
}

export type Prompt = ConceptPrompt | ObjectPrompt;

/** A prompt that the pack or the session cannot take. `code` is also the code on the wire. */
export class PromptError extends Error {
  override readonly name = "PromptError";
  constructor(
    readonly code:
      | "unsupported_by_pack"
      | "object_limit"
      | "concept_limit"
      | "invalid_field"
      | "nothing_prompted",
    message: string,
    /** The request field at fault. */
    readonly field?: string,
  ) {
    super(message);
  }
}

export interface PromptAbilities {
  text: boolean;
  exemplars: boolean;
  points: boolean;
}

/** The prompt that needs each ability: its description and its request field. */
const ASKED_BY = {
  text: { words: "a phrase (text)", field: "text" },
  exemplars: { words: "exemplars (bounding_boxes without obj_id)", field: "bounding_boxes" },
  points: { words: "clicks or a box on one object (points, bounding_boxes with obj_id)", field: "points" },
} as const;

/** The error for a kind of prompt that the pack lacks; it lists the kinds that the pack has. */
export function unsupportedByPack(asked: keyof PromptAbilities, abilities: PromptAbilities): PromptError {
  const { words, field } = ASKED_BY[asked];
  const can = (["text", "exemplars", "points"] as const).filter((ability) => abilities[ability]);
  const list = can.map((ability) => ASKED_BY[ability].words).join(", or ") || "nothing";
  return new PromptError(
    "unsupported_by_pack",
    `This model pack does not take ${words}; it takes ${list}.`,
    field,
  );
}

export function objectLimit(maxNumObjects: number): PromptError {
  return new PromptError("object_limit", `A session follows at most ${maxNumObjects} objects.`);
}
