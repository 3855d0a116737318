/** One object on one frame. The stages of a step edit its mask; the final mask is shown and stored in memory. */
import type { Detection } from "../detector/detect.js";
import { type MaskBits, maskBits } from "../detector/mask-bits.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { LockedMask, Masklet } from "./masklet.js";
import type { Prediction } from "./model.js";

/** Object score logit of a mask from a prompt or a detection. */
export const CERTAIN = 10;

export interface Observation {
  readonly masklet: Masklet;
  /** The memory of this frame, from a prompt or from the object's first detection; null for tracked and new objects. */
  stored: MemoryEntry | null;
  /** The mask that the user locked or gave on this frame; it is shown whatever the stages do. */
  locked: LockedMask | null;
  /** The model's prediction; null for stored and new objects. */
  readonly prediction: Prediction | null;
  /**
   * float32 [m, m]: the mask on the last frame, not changed; null for objects that were not tracked from a frame close to this
   * one.
   */
  readonly last: Float32Array | null;
  /** The detection associated with the object. Set by the motion-based rules, which associate one to one. */
  detection: Detection | null;
  /** IoU of the tracked mask and that detection. */
  agreement: number;
  /** The detection matches another object almost as well. */
  contested: boolean;
  /** The mask was replaced, so that the prediction's pointer does not describe it. */
  replaced: boolean;
  /** float32 [m, m]: the mask after all edits so far */
  maskLogits: Float32Array;
  /** The pixels above 0 of `maskLogits`. */
  bits: MaskBits;
  /** The kind of the memory that is stored for this frame. */
  kind: MemoryEntry["kind"];
}

/** An object whose mask on this frame is already known. */
export function storedObservation(masklet: Masklet, entry: MemoryEntry): Observation {
  const mask = masklet.prompts.get(entry.frameIndex)?.mask;
  const locked = mask ? { mask, prob: masklet.prob } : null;
  return { ...blankObservation(masklet, entry.maskLogits), stored: entry, kind: entry.kind, locked };
}

/** @param maskLogits float32 [m, m]: the mask that the user locked on this frame */
export function lockedObservation(
  masklet: Masklet,
  locked: LockedMask,
  stored: MemoryEntry | null,
  maskLogits: Float32Array,
): Observation {
  return { ...blankObservation(masklet, maskLogits), locked, stored, kind: stored?.kind ?? "recent" };
}

/**
 * @param maskLogits float32 [m, m]: the mask of the prediction after cleaning
 * @param last float32 [m, m]: the mask on a frame close to this one; null: not known
 */
export function trackedObservation(
  masklet: Masklet,
  prediction: Prediction,
  maskLogits: Float32Array,
  last: Float32Array | null = null,
): Observation {
  return { ...blankObservation(masklet, maskLogits), prediction, last };
}

/** An object that starts from a detection on this frame. */
export function newObservation(masklet: Masklet, detection: Detection): Observation {
  return { ...blankObservation(masklet, detection.maskLogits), detection, agreement: 1, kind: "born" };
}

function blankObservation(masklet: Masklet, maskLogits: Float32Array): Observation {
  return {
    masklet,
    stored: null,
    locked: null,
    prediction: null,
    last: null,
    detection: null,
    agreement: 0,
    contested: false,
    replaced: false,
    maskLogits,
    bits: maskBits(maskLogits),
    kind: "recent",
  };
}

export function setMask(observation: Observation, maskLogits: Float32Array): void {
  if (observation.maskLogits === maskLogits) return;
  observation.maskLogits = maskLogits;
  observation.bits = maskBits(maskLogits);
}

/** The object score logit on this frame; 0 for a new object, which the model has not scored. */
export function scoreOf({ stored, locked, prediction }: Observation): number {
  return stored?.score ?? (locked ? CERTAIN : (prediction?.score ?? 0));
}

export function isVisible(observation: Observation): boolean {
  return observation.bits.area > 0;
}
