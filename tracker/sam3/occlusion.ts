/**
 * SAM 3's occlusion rule: when the masks of two objects coincide, the one that was hidden more recently is hidden again,
 * because its tracked mask covers the object in front.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (suppression by most recent occlusion).
 */
import { type MaskBits, maskIou } from "../../detector/mask-bits.js";
import { emptyMask } from "../masks/mask.js";
import { isVisible, type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import { groupOf } from "./groups.js";

/** `lastHidden` of an object that was never hidden. */
const NEVER_HIDDEN = -1;
/** `lastHidden` of an object that is removed on this frame: later than any frame, so that the other object is kept. */
const BEING_REMOVED = 100_000;

export interface Occludable {
  /** Only objects of the same group are compared. */
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
 * Compares all pairs of objects, also pairs with an object that another pair already hides.
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
      if (isHiddenBy(a.lastHidden, b.lastHidden, reverse, symmetricOcclusion)) hidden[i] = true;
      if (isHiddenBy(b.lastHidden, a.lastHidden, reverse, symmetricOcclusion)) hidden[j] = true;
    });
  });
  return hidden;
}

/**
 * Whether an object is hidden in favour of the other one: both were hidden before, and it was hidden more recently in the
 * direction of travel. In a backward pass, SAM 3 requires only that the other object was hidden before. It then hides an
 * object that was never hidden.
 * @param symmetric requires in both directions that both objects were hidden before
 */
function isHiddenBy(own: number, other: number, reverse: boolean, symmetric: boolean): boolean {
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
