/** What a frame's work comes to, as the session is told. */

export interface TrackedObject {
  objectId: number;
  /** A detection score, see `life.probability` of the policy; 1 for objects the user touched. */
  prob: number;
  /** float32 [m, m], above 0 inside */
  maskLogits: Float32Array;
  /** Object score logit on this frame. */
  score: number;
  /** For `mask.objectWiseNonOverlap`. */
  claim?: PixelClaim;
  /** The mask is cleaned when it has the video's size, of holes and specks up to so many pixels; absent: it is clean. */
  cleanupMaxArea?: number;
}

/** What decides whose a pixel is that several objects cover. */
export interface PixelClaim {
  /** Only objects of one group compete; null: with nobody. */
  group: string | null;
  /** The tracker's probability on this frame; null where there is none. */
  prob: number | null;
}

export interface StepResult {
  /** Objects with at least one pixel, by ascending id. */
  objects: TrackedObject[];
  /** Objects in the session after this frame, and detections refused because there were too many. */
  stats: { tracked: number; dropped: number };
  /** What is to be left out when the frame is shown, which may be some frames later. */
  hiding?: Hiding;
}

/** Object ids. */
export interface Hiding {
  /** Ended on this frame: they are left out of every frame not yet shown. */
  removed: readonly number[];
  /** Left out of this frame. */
  suppressed: readonly number[];
  /** Not confirmed as of this frame; see `life.maskletConfirmationEnable`. */
  unconfirmed: readonly number[];
}
