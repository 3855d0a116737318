/** The result of one frame. */

export interface TrackedObject {
  objectId: number;
  /** A detection score, see `life.probability` of the policy; 1 for objects that the user clicked or drew a box around. */
  prob: number;
  /** float32 [m, m]; above 0: inside */
  maskLogits: Float32Array;
  /** Object score logit on this frame. */
  score: number;
  /** Absent: the object competes with no other for pixels. Used by `mask.objectWiseNonOverlap`. */
  claim?: PixelClaim;
  /**
   * Largest area, in pixels of the video, of the holes and specks that are still to be removed once the mask has the size
   * of the video; absent: the mask is clean.
   */
  cleanupMaxArea?: number;
}

/** Decides which object gets a pixel that several objects cover. */
export interface PixelClaim {
  /** Objects of the same group compete; null: with no other. */
  group: string | null;
  /** The tracker's probability on this frame; the highest one gets the pixel. null: not known. */
  prob: number | null;
}

export interface StepResult {
  /** Objects with at least one pixel, by ascending id. */
  objects: TrackedObject[];
  /** Objects in the session after this frame, and new detections beyond the object limit. */
  stats: { tracked: number; dropped: number };
  /** Objects to leave out of the output, which may be delayed by the hot start. */
  hiding?: Hiding;
}

/** Ids of objects to leave out. */
export interface Hiding {
  /** Objects that end on this frame. They are left out of every frame that has not been emitted. */
  removed: readonly number[];
  /** Objects left out of this frame only. */
  suppressed: readonly number[];
  /** Objects not confirmed as of this frame; see `life.maskletConfirmationEnable`. */
  unconfirmed: readonly number[];
}
