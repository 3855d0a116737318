/** The result of the tracker for one frame. */

import type { LockedMask } from "./masklet.js";
import type { ObjectState } from "./object-states.js";

export interface TrackedObject {
  objectId: number;
  /** A detection score, see `life.probability` of the policy; 1 for objects with clicks or a box of the user. */
  prob: number;
  /** float32 [m, m]; above 0: inside */
  maskLogits: Float32Array;
  /** Object score logit on this frame. */
  score: number;
  /** The mask that the user locked or gave on this frame; it is shown in place of `maskLogits`. */
  locked?: LockedMask;
  /** For `mask.objectWiseNonOverlap`; absent: the object keeps all its pixels. */
  claim?: PixelClaim;
  /**
   * Cleans the mask at the size of the video: the largest area, in pixels of the video, of holes that are filled and of
   * specks that are removed. Absent: the mask is already clean.
   */
  cleanupMaxArea?: number;
}

/** Decides which of several objects owns a pixel that all of them cover. */
export interface PixelClaim {
  /** Objects of the same group share no pixel; null: the object is in no group. */
  group: string | null;
  /** The tracking probability on this frame, 0..1; the object with the highest one owns the pixel. null: not known. */
  prob: number | null;
}

export interface StepResult {
  /** Objects with at least one pixel, by ascending id. */
  objects: TrackedObject[];
  /** Objects in the session after this frame, and new detections beyond the object limit. */
  stats: { tracked: number; dropped: number };
  /** The states of all objects, also of those without a mask; set by `video-tracker.ts`. */
  states?: ObjectState[];
  /** Objects to leave out of the output, which may be delayed by the hot start. */
  hiding?: Hiding;
}

/** Ids of objects to leave out of the output. */
export interface Hiding {
  /** Objects that are removed on this frame. They are left out of every frame that still waits in the output buffer. */
  removed: readonly number[];
  /** Objects left out of this frame only. */
  suppressed: readonly number[];
  /** Objects that are not confirmed on this frame; see `life.maskletConfirmationEnable`. */
  unconfirmed: readonly number[];
}
