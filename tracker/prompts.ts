/** What a session may say about a frame, and what it is told when that cannot be done. */
import type { BoxXywh } from "../detector/geometry.js";

/** Find everything like this, on this frame and from then on. */
export interface ConceptPrompt {
  kind: "concept";
  text?: string;
  /** Boxes relative to the frame; label 1: like this, 0: unlike this. */
  exemplars?: { boxesXywh: readonly BoxXywh[]; labels: readonly (0 | 1)[] };
  /** Forget the concepts given before, and their objects. */
  replace: boolean;
  /** Whether to tell where on the frame the concept is, all instances in one map. */
  semanticMap?: boolean;
}

/** This one thing. Points and box relative to the frame. */
export interface ObjectPrompt {
  kind: "object";
  /** A known id corrects that object, an unknown one makes it; without one the next free id is taken. */
  objectId?: number;
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  boxXywh?: BoxXywh;
  /** Whether these replace the clicks on the object on this frame, or add to them (and to the box). */
  clearOldPoints: boolean;
  /** Whether an earlier box on this frame is forgotten together with the clicks. */
  clearOldBoxes: boolean;
}

export type Prompt = ConceptPrompt | ObjectPrompt;

/** A prompt that the pack or the session has no room for. `code` is also the code on the wire. */
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

/** What each ability is asked for by: in words, and the request field. */
const ASKED_BY = {
  text: { words: "a phrase (text)", field: "text" },
  exemplars: { words: "exemplars (bounding_boxes without obj_id)", field: "bounding_boxes" },
  points: { words: "clicks or a box on one object (points, bounding_boxes with obj_id)", field: "points" },
} as const;

/** Says what the pack cannot be asked, and what it can. */
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
