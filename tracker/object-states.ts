/** The state of an object on a frame: whether it is visible, how sure the tracker is, and which prompt it follows. */
import type { Masklet } from "./masklet.js";
import type { SuspectReason } from "./suspects.js";

export type Visibility = "present" | "occluded" | "lost";

/** The prompt that an object follows on a frame. */
export interface PromptOwner {
  kind: "concept" | "clicks" | "box" | "mask";
  /** The prompted frame; of a concept, the frame on which the object was detected first. */
  frameIndex: number;
  /** The phrase of the concept, or "visual". */
  concept?: string;
}

/** What is known about a mask besides its pixels. */
export type Judgement = Pick<ObjectState, "score" | "prompt" | "suspect">;

export interface ObjectState {
  objectId: number;
  state: Visibility;
  /** Object score of the tracker, 0..1; 1 on frames with a prompt or a lock. */
  score: number;
  prompt: PromptOwner;
  /** Why the mask may be wrong; null: no reason, or no mask. */
  suspect: SuspectReason | null;
}

/**
 * Frames without a mask after which an object counts as lost. Higher: longer occlusions still count as occlusions. The
 * motion-based rules condition on memories of as many frames; see `memory.seenWithin`.
 */
export const MAX_OCCLUDED_FRAMES = 30;

/** @param seenFrame the frame nearest to this one on which the object had a mask; null: none */
export function visibilityOf(isVisible: boolean, frameIndex: number, seenFrame: number | null): Visibility {
  if (isVisible) return "present";
  return seenFrame !== null && Math.abs(frameIndex - seenFrame) <= MAX_OCCLUDED_FRAMES ? "occluded" : "lost";
}

/** The prompt nearest to a frame; of two at the same distance, the earlier one. */
export function ownerOf(
  { prompts, conceptKey, bornFrame }: Pick<Masklet, "prompts" | "conceptKey" | "bornFrame">,
  frameIndex: number,
  concept: string | null,
): PromptOwner {
  const owners = [...prompts].map(([index, { mask, refinesMask, box }]): PromptOwner => {
    const kind = mask || refinesMask ? "mask" : box ? "box" : "clicks";
    return { kind, frameIndex: index };
  });
  if (conceptKey !== null)
    owners.push({ kind: "concept", frameIndex: bornFrame, ...(concept !== null && { concept }) });
  const gap = ({ frameIndex: index }: PromptOwner) => Math.abs(index - frameIndex);
  owners.sort((a, b) => gap(a) - gap(b) || a.frameIndex - b.frameIndex);
  // The prompt of an object that an edit created may belong to another object.
  return owners[0] ?? { kind: "clicks", frameIndex: bornFrame };
}
