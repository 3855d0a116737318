/**
 * Which masks may be wrong: a pure function of the object's score, shape and motion.
 *
 * The thresholds were chosen with the embedded pack on four clips of DAVIS 2016 that are not in its validation set. 42 % of
 * all masks there had an IoU below 0.5, and 82 % of the suspect ones.
 */
import type { Sight } from "./masklet.js";

export const SUSPECT_REASONS = [
  "low_score",
  "scattered",
  "area_jump",
  "position_jump",
  "overlap",
  "reappeared",
] as const;

export type SuspectReason = (typeof SUSPECT_REASONS)[number];

export interface SuspectFacts {
  /** Object score, 0..1. */
  score: number;
  /** The object on this frame. */
  sight: Sight;
  /** The object where it was seen before; null on its first frame. */
  before: Sight | null;
  /** Share of the mask that its largest piece covers. */
  largestPiece: number;
  /** Largest share of the mask inside the mask of another object. */
  overlap: number;
}

/** Object score below which a mask is suspect. Higher: more masks. */
const LOW_SCORE = 0.98;
/** Share of the largest piece below which a mask is in several pieces. Higher: more masks. */
const SCATTERED = 0.75;
/** Factor between the areas of two frames in a row. Lower: more masks. */
const AREA_FACTOR = 1.6;
/** Distance from the predicted centre in units of the square root of the area. Lower: more masks. */
const POSITION_JUMP = 0.6;
/** Share of the mask inside another object. Lower: more masks. */
const OVERLAP = 0.5;
/** Frames in a row without a mask before this one. Lower: more masks. */
const HIDDEN_FRAMES = 2;

/** @returns the first reason that applies, in the order of {@link SUSPECT_REASONS}; null: none */
export function suspectReason({
  score,
  sight,
  before,
  largestPiece,
  overlap,
}: SuspectFacts): SuspectReason | null {
  if (score < LOW_SCORE) return "low_score";
  if (largestPiece < SCATTERED) return "scattered";
  const gap = before ? Math.abs(sight.frameIndex - before.frameIndex) : 0;
  if (before && gap === 1) {
    const factor = sight.area / before.area;
    if (factor > AREA_FACTOR || factor < 1 / AREA_FACTOR) return "area_jump";
    if (jumpOf(sight, before) > POSITION_JUMP) return "position_jump";
  }
  if (overlap > OVERLAP) return "overlap";
  return before && before.hiddenFrames >= HIDDEN_FRAMES ? "reappeared" : null;
}

/** Distance of the centre from where constant speed leads, in units of the square root of the earlier area. */
export function jumpOf(sight: Sight, before: Sight): number {
  const gap = sight.frameIndex - before.frameIndex;
  const [x, y] = [before.x + gap * before.speed[0], before.y + gap * before.speed[1]];
  return Math.hypot(sight.x - x, sight.y - y) / Math.sqrt(before.area);
}
