/** Corrects the identities of look-alikes after a crossing. */
import { maskExtent } from "../../detector/mask-bits.js";
import type { Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type Crossing, resolveCrossings } from "./crossings.js";
import { framesUnseen } from "./motion-model.js";

/**
 * Swaps masks between look-alikes that have separated, if their motion before the contact shows that the ids were exchanged.
 * Deletes duplicates that were created during the crossing.
 * @param detected whether the detector ran on this frame. If it did, the identity of an object without a detection is
 *   uncertain.
 * @returns the crossings that continue
 */
export function separateLookAlikes(
  { geometry, registry }: TrackerParts,
  crossings: readonly Crossing[],
  frameIndex: number,
  observations: readonly Observation[],
  detected: boolean,
): Crossing[] {
  const open = observations.filter(
    ({ masklet, locked }) => !masklet.owned && !masklet.excluded && locked === null,
  );
  const participants = open.map(({ masklet, maskLogits, contested, detection, stored }) => ({
    id: masklet.id,
    age: masklet.age,
    group: masklet.conceptKey,
    motion: masklet.motion,
    extent: maskExtent(maskLogits, geometry.m),
    unsure: contested || (detected && detection === null && stored === null),
  }));
  const resolution = resolveCrossings(crossings, participants, frameIndex, (id, seen) =>
    pointerSimilarity(open, id, seen),
  );
  swapObservations(open, resolution.swaps);
  for (const { masklet } of open) {
    const anchor = resolution.anchors.get(masklet.id);
    if (!anchor) continue;
    // The memories from the crossing may show the other object.
    masklet.motion = anchor;
    masklet.bank.clearAround(frameIndex, framesUnseen(anchor, frameIndex));
  }
  for (const id of resolution.duplicates) registry.delete(id);
  return resolution.crossings;
}

/** Gives each object in `swaps` the detection and the mask of another object. */
function swapObservations(observations: readonly Observation[], swaps: ReadonlyMap<number, number>): void {
  const views = new Map(
    observations.map(({ masklet, detection, maskLogits, bits }) => [
      masklet.id,
      { detection, maskLogits, bits },
    ]),
  );
  for (const observation of observations) {
    const source = swaps.get(observation.masklet.id);
    if (source !== undefined) Object.assign(observation, views.get(source), { replaced: true });
  }
}

/** Cosine of the first pointer of object `id` and the current pointer of object `seen`; 0 when one of them is missing. */
function pointerSimilarity(observations: readonly Observation[], id: number, seen: number): number {
  const first = observations.find(({ masklet }) => masklet.id === id)?.masklet.bank.conditioning[0]?.pointer;
  const observation = observations.find(({ masklet }) => masklet.id === seen);
  if (!first || !observation?.prediction || observation.replaced) return 0;
  return cosine(first, observation.prediction.pointer);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squaredA = 0;
  let squaredB = 0;
  a.forEach((value, index) => {
    const other = b[index] as number;
    dot += value * other;
    squaredA += value * value;
    squaredB += other * other;
  });
  return dot / Math.max(Math.sqrt(squaredA * squaredB), 1e-9);
}
