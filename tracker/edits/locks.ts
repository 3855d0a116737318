/** Locked masks: frames on which the user decided that the mask of an object is right. */
import type { FrameFeatures } from "../../detector/graph.js";
import type { LockedMask, Masklet } from "../masklet.js";
import { gridMask } from "../masks/grid-mask.js";
import type { TrackerParts } from "../parts.js";
import { confirm } from "../sam3/history.js";
import type { Edit } from "./edit.js";
import { rememberMasks } from "./mask-memory.js";
import { objectOf } from "./objects.js";

export function lock(parts: TrackerParts, { masks }: Extract<Edit, { kind: "lock" }>): void {
  const byObject = new Map<number, Map<number, LockedMask>>();
  for (const { objectId, frameIndex, mask, prob } of masks) {
    const own = byObject.get(objectId) ?? new Map(objectOf(parts, objectId).locks);
    byObject.set(objectId, own.set(frameIndex, { mask, prob }));
  }
  for (const [objectId, locks] of byObject) {
    const masklet = objectOf(parts, objectId);
    // The user has seen the object: it is no false positive.
    Object.assign(masklet, { locks, confirmed: true });
    confirm(parts.history, objectId);
  }
}

export function unlock(
  parts: TrackerParts,
  { objectIds, firstFrame, lastFrame }: Extract<Edit, { kind: "unlock" }>,
): void {
  const isKept = (index: number) => index < firstFrame || index > lastFrame;
  for (const masklet of objectIds.map((id) => objectOf(parts, id))) {
    masklet.locks = new Map([...masklet.locks].filter(([index]) => isKept(index)));
  }
}

/**
 * Stores the memories of the masks that are locked on a frame, before the frame is tracked. A frame that has a memory
 * already keeps it.
 */
export async function rememberLocked(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  isSelected: (masklet: Masklet) => boolean,
): Promise<void> {
  const missing = parts.registry
    .all()
    .filter((masklet) => isSelected(masklet) && masklet.locks.has(frameIndex))
    .filter(({ bank }) => bank.at(frameIndex) === undefined)
    .map((masklet) => ({ masklet, mask: lockedLogits(parts, masklet, frameIndex) }));
  await rememberMasks(parts, features, frameIndex, missing, "recent");
}

/** @returns float32 [m, m] */
export function lockedLogits(
  { geometry }: Pick<TrackerParts, "geometry">,
  { locks }: Masklet,
  frameIndex: number,
): Float32Array {
  return gridMask((locks.get(frameIndex) as LockedMask).mask, geometry.m);
}
