/**
 * SAM 3's occlusion rule: when the masks of two objects coincide, the one that was hidden more recently is hidden again,
 * because its track has settled on the object in front.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (suppression by most recent occlusion).
 */
import { type MaskBits, maskIou } from "../../detector/mask-bits.js";
import { emptyMask } from "../masks/mask.js";
import { isVisible, type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import { groupOf } from "./groups.js";

/** Stands for the frame of an object that was never hidden. */
export const NEVER_HIDDEN = -1;
/** Later than any frame: an object that is being removed loses to all others. */
export const BEING_REMOVED = 100_000;

export interface Occludable {
  /** Only objects of the same group compete. */
  group: number | string | null;
  bits: MaskBits;
  /** The frame on which it was hidden last. */
  lastHidden: number;
}

export interface OcclusionRules {
  overlap: Pick<TrackerPolicy["overlap"], "suppressOverlappingBasedOnRecentOcclusionThreshold">;
  sam3Parity: Pick<TrackerPolicy["sam3Parity"], "symmetricOcclusion">;
}

/**
 * Compares all pairs, including those with objects found to be hidden.
 * @returns for each object whether it is hidden on this frame
 */
export function findOccluded(
  objects: readonly Occludable[],
  reverse: boolean,
  {
    overlap: { suppressOverlappingBasedOnRecentOcclusionThreshold: minIou },
    sam3Parity: { symmetricOcclusion },
  }: OcclusionRules,
): boolean[] {
  const hidden = objects.map(() => false);
  if (minIou <= 0) return hidden;
  objects.forEach((a, i) => {
    objects.forEach((b, j) => {
      if (j <= i || a.group !== b.group || maskIou(a.bits, b.bits) < minIou) return;
      if (losesTo(a.lastHidden, b.lastHidden, reverse, symmetricOcclusion)) hidden[i] = true;
      if (losesTo(b.lastHidden, a.lastHidden, reverse, symmetricOcclusion)) hidden[j] = true;
    });
  });
  return hidden;
}

/**
 * Going forward, an object loses only if both objects were hidden before. Going backward, SAM 3 reverses the comparison
 * but requires this of the other object only, so an object that was never hidden loses.
 * @param symmetric requires it of both objects in both directions
 */
function losesTo(own: number, other: number, reverse: boolean, symmetric: boolean): boolean {
  if (other <= NEVER_HIDDEN || (symmetric && own <= NEVER_HIDDEN)) return false;
  return reverse ? own < other : own > other;
}

/** Empties the masks of occluded objects, and records for each object the frame on which it was hidden last. */
export function hideOccluded(
  { policy, geometry, history }: TrackerParts,
  frameIndex: number,
  reverse: boolean,
  observations: readonly Observation[],
  removed: ReadonlySet<number>,
): void {
  const objects = observations.map(({ masklet, bits }) => {
    const never = removed.has(masklet.id) ? BEING_REMOVED : NEVER_HIDDEN;
    const lastHidden = history.lastHidden.get(masklet.id) ?? never;
    return { group: groupOf(masklet, policy.detect), bits, lastHidden };
  });
  const occluded = findOccluded(objects, reverse, policy);
  const empty = emptyMask(geometry.m);
  const lastHidden = new Map<number, number>();
  observations.forEach((observation, index) => {
    const isHidden = occluded[index] || !isVisible(observation);
    const { id } = observation.masklet;
    if (!removed.has(id)) lastHidden.set(id, isHidden ? frameIndex : (objects[index]?.lastHidden as number));
    if (occluded[index]) setMask(observation, empty);
  });
  history.lastHidden = lastHidden;
}
