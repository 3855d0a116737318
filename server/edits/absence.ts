/** The frames that become stale when an object is marked absent on a range of frames. Pure functions. */
import { affectedStretch } from "../results/affected.js";
import type { StaleStretch } from "../results/stale-frames.js";
import type { FrameStretch } from "../results/stored-frame.js";

export interface AbsenceFacts {
  objectId: number;
  range: FrameStretch;
  absent: boolean;
  /** Frames on which the object is prompted; for a detected object, the first frame on which its concept was. */
  prompted: readonly number[];
  /** Its other anchors, see `affectedStretch`. */
  anchors: readonly number[];
  numFrames: number;
}

/**
 * A side of the range becomes stale when it was tracked from memories beyond the range: when a prompt lies beyond it. The
 * range itself is stale only when the absence ends; otherwise it has no mask.
 */
export function staleSides(facts: AbsenceFacts): StaleStretch[] {
  const { objectId, range, absent, prompted, anchors, numFrames } = facts;
  const { first, last } = affectedStretch(range, [...prompted, ...anchors], numFrames);
  if (!absent) return [{ objectId, first, last, from: range.first }];
  const isBefore = (frame: number) => frame < range.first;
  const sides: StaleStretch[] = [];
  if (first < range.first && prompted.some((frame) => !isBefore(frame))) {
    // Computed from the anchor before the range; without one, backward from the range.
    sides.push({ objectId, first, last: range.first - 1, from: first > 0 ? first : range.first });
  }
  if (last > range.last && prompted.some(isBefore)) {
    const isAnchored = last < numFrames - 1;
    sides.push({ objectId, first: range.last + 1, last, from: isAnchored ? last + 1 : range.last + 1 });
  }
  return sides;
}
