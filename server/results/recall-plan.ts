/** Selects the stored masks that a pass needs from earlier passes. */
import type { RecalledMask, RecallNeed } from "../engine/index.js";
import type { Leg } from "../frame-range.js";
import type { StaleFrames } from "./stale-frames.js";
import type { ResultsStore } from "./store.js";

/** Masks of one frame. */
export interface RecallStep {
  frameIndex: number;
  masks: RecalledMask[];
}

/**
 * For each object the masks nearest to the start of the leg, before it in the order of travel, without those that the
 * tracker knows. Stale masks are left out: an edit has shown that they are wrong, or that those they were tracked from are.
 * @returns in the order of travel
 */
export function planRecall(
  { objects, masksPerObject, maxDistance }: RecallNeed,
  { first, reverse }: Pick<Leg, "first" | "reverse">,
  results: Pick<ResultsStore, "object">,
  stale: Pick<StaleFrames, "isStale">,
): RecallStep[] {
  const masks = new Map<number, RecalledMask[]>();
  for (const { objectId, known } of objects) {
    let found = 0;
    for (let distance = 1; distance <= maxDistance && found < masksPerObject; distance++) {
      const frameIndex = reverse ? first + distance : first - distance;
      const isKnown = known.includes(frameIndex);
      const stored = stale.isStale(objectId, frameIndex) ? undefined : results.object(frameIndex, objectId);
      if (!isKnown && !stored) continue;
      found++;
      if (isKnown || !stored) continue;
      masks.set(frameIndex, [...(masks.get(frameIndex) ?? []), { objectId, mask: stored.mask }]);
    }
  }
  const inOrder = [...masks].sort(([a], [b]) => (reverse ? b - a : a - b));
  return inOrder.map(([frameIndex, ofFrame]) => ({ frameIndex, masks: ofFrame }));
}
