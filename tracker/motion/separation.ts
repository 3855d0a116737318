/** Objects in each other's way: who owns which pixels, who is who after a crossing, and what was learnt about movement. */
import { maskExtent } from "../../detector/mask-bits.js";
import { emptyMask } from "../masks/mask.js";
import { type Observation, setMask, swapObservations, toClaim } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { CONTEST_FRAMES } from "./association.js";
import { type Crossing, resolveCrossings } from "./crossings.js";
import { framesUnseen, inContact, observe, predict, startMotion } from "./motion-model.js";
import { findHidden, separate } from "./suppression.js";

/** Among the objects that are shown; removed ones neither hide nor take anything. */
export function resolveOverlaps({ policy, geometry }: TrackerParts, all: readonly Observation[]): void {
  const observations = all.filter(({ masklet }) => !masklet.excluded);
  const hidden = findHidden(observations.map(toClaim), policy.overlap);
  const empty = emptyMask(geometry.m);
  for (const observation of observations) if (hidden.has(observation.masklet.id)) setMask(observation, empty);
  const masks = separate(observations.map(toClaim), policy.overlap);
  observations.forEach((observation, index) => {
    setMask(observation, masks[index] as Float32Array);
  });
}

/**
 * Look-alikes that were in each other's way and have come apart: who is who is decided now.
 * @param detected whether detections were made on this frame: an object without one is then not sure to be itself
 * @returns the knots that are still tied
 */
export function separateLookAlikes(
  { geometry, registry }: TrackerParts,
  crossings: readonly Crossing[],
  frameIndex: number,
  observations: readonly Observation[],
  detected: boolean,
): Crossing[] {
  const open = observations.filter(({ masklet }) => !masklet.owned && !masklet.excluded);
  const participants = open.map(({ masklet, maskLogits, contested, detection, stored }) => ({
    id: masklet.id,
    age: masklet.age,
    group: masklet.conceptKey,
    motion: masklet.motion,
    extent: maskExtent(maskLogits, geometry.m),
    unsure: contested || (detected && detection === null && stored === null),
  }));
  const resolution = resolveCrossings(crossings, participants, frameIndex, (id, seen) =>
    likeness(open, id, seen),
  );
  swapObservations(open, resolution.swaps);
  for (const { masklet } of open) {
    const anchor = resolution.anchors.get(masklet.id);
    if (!anchor) continue;
    // What it was taken for in between is forgotten.
    masklet.motion = anchor;
    masklet.bank.clearAround(frameIndex, framesUnseen(anchor, frameIndex));
  }
  for (const id of resolution.ghosts) registry.delete(id);
  return resolution.crossings;
}

/** Cosine between how an object looked at first and what another one's mask shows now; 0 when that is not known. */
function likeness(observations: readonly Observation[], id: number, seen: number): number {
  const remembered = observations.find(({ masklet }) => masklet.id === id)?.masklet.bank.conditioning[0]
    ?.pointer;
  const observation = observations.find(({ masklet }) => masklet.id === seen);
  if (!remembered || !observation?.prediction || observation.replaced) return 0;
  return cosine(remembered, observation.prediction.pointer);
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

/** Whether another object that was seen lately should be touching this one, so that their masks may cut each other. */
export function touchesAnother(
  frameIndex: number,
  { masklet }: Observation,
  observations: readonly Observation[],
): boolean {
  if (!masklet.motion) return false;
  const own = predict(masklet.motion, frameIndex);
  return observations.some(({ masklet: { id, motion } }) => {
    if (id === masklet.id || !motion) return false;
    if (framesUnseen(motion, frameIndex) > CONTEST_FRAMES) return false;
    return inContact(own, predict(motion, frameIndex));
  });
}

/** Teaches every object's motion what this frame showed of it. */
export function updateMotion(
  parts: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): void {
  const learnt = observations.map((observation) => {
    const { motion, owned } = observation.masklet;
    const extent = maskExtent(observation.maskLogits, parts.geometry.m);
    if (!extent) return motion;
    if (!motion) return startMotion(extent, frameIndex);
    const touched = touchesAnother(frameIndex, observation, observations);
    const isTrusted = observation.detection !== null || observation.stored !== null || owned;
    const evidence = observation.contested || (touched && !isTrusted) ? "nothing" : touched ? "cut" : "whole";
    return observe(motion, extent, frameIndex, evidence);
  });
  observations.forEach(({ masklet }, index) => {
    masklet.motion = learnt[index] ?? null;
  });
}
