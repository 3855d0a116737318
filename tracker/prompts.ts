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
}

/** This one thing. Points and box relative to the frame. */
export interface ObjectPrompt {
  kind: "object";
  /** A known id corrects that object, an unknown one makes it; without one the next free id is taken. */
  objectId?: number;
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  boxXywh?: BoxXywh;
  /** Whether these replace what was said about the object on this frame, or add to it. */
  clearOldPoints: boolean;
}

export type Prompt = ConceptPrompt | ObjectPrompt;

/** A prompt that the pack or the session has no room for. `code` is also the code on the wire. */
export class PromptError extends Error {
  override readonly name = "PromptError";
  constructor(
    readonly code: "unsupported_by_pack" | "object_limit" | "nothing_prompted",
    message: string,
  ) {
    super(message);
  }
}
