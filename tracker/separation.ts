/** Objects in each other's way: who owns which pixels, who is who after a crossing, and what was learnt about movement. */
import { maskExtent } from "../detector/mask-bits.js";
import { type Knot, untangle } from "./knots.js";
import { framesUnseen, inContact, observe, predict, startMotion } from "./motion.js";
import type { TrackerParts } from "./parts.js";
import { CERTAIN, type Sight, setMask, swapSights, toClaim } from "./sight.js";
import { findHidden, separate } from "./suppression.js";

/** Among the objects that are shown; removed ones neither hide nor take anything. */
export function settleOverlaps({ policy, geometry }: TrackerParts, all: readonly Sight[]): void {
  const sights = all.filter(({ masklet }) => !masklet.excluded);
  const hidden = findHidden(sights.map(toClaim), policy.overlap);
  const nothing = new Float32Array(geometry.m ** 2).fill(-CERTAIN);
  for (const sight of sights) if (hidden.has(sight.masklet.id)) setMask(sight, nothing);
  const masks = separate(sights.map(toClaim), policy.overlap);
  sights.forEach((sight, index) => {
    setMask(sight, masks[index] as Float32Array);
  });
}

/**
 * Look-alikes that were in each other's way and have come apart: who is who is decided now.
 * @param detected whether detections were made on this frame: an object without one is then not sure to be itself
 * @returns the knots that are still tied
 */
export function separateLookAlikes(
  { policy, geometry, registry }: TrackerParts,
  knots: readonly Knot[],
  frameIndex: number,
  sights: readonly Sight[],
  detected: boolean,
): Knot[] {
  const open = sights.filter(({ masklet }) => !masklet.owned && !masklet.excluded);
  const strands = open.map(({ masklet, maskLogits, contested, detection, stored }) => ({
    id: masklet.id,
    age: masklet.age,
    group: masklet.conceptKey,
    motion: masklet.motion,
    extent: maskExtent(maskLogits, geometry.m),
    unsure: contested || (detected && detection === null && stored === null),
  }));
  const untangled = untangle(knots, strands, frameIndex, policy, (id, seen) => likeness(open, id, seen));
  swapSights(open, untangled.swaps);
  for (const { masklet } of open) {
    const anchor = untangled.anchors.get(masklet.id);
    if (!anchor) continue;
    // What it was taken for in between is forgotten.
    masklet.motion = anchor;
    masklet.bank.clearAround(frameIndex, framesUnseen(anchor, frameIndex));
  }
  for (const id of untangled.ghosts) registry.delete(id);
  return untangled.knots;
}

/** Cosine between how an object looked at first and what another one's mask shows now; 0 when that is not known. */
function likeness(sights: readonly Sight[], id: number, seen: number): number {
  const remembered = sights.find(({ masklet }) => masklet.id === id)?.masklet.bank.conditioning[0]?.pointer;
  const sight = sights.find(({ masklet }) => masklet.id === seen);
  if (!remembered || !sight?.prediction || sight.replaced) return 0;
  return cosine(remembered, sight.prediction.pointer);
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
  { policy }: TrackerParts,
  frameIndex: number,
  { masklet }: Sight,
  sights: readonly Sight[],
): boolean {
  if (!masklet.motion) return false;
  const own = predict(masklet.motion, frameIndex, policy.motion);
  return sights.some(({ masklet: { id, motion } }) => {
    if (id === masklet.id || !motion) return false;
    if (framesUnseen(motion, frameIndex) > policy.associate.contestFrames) return false;
    return inContact(own, predict(motion, frameIndex, policy.motion));
  });
}

/** Teaches every object's motion what this frame showed of it. */
export function learnMotion(parts: TrackerParts, frameIndex: number, sights: readonly Sight[]): void {
  const learnt = sights.map((sight) => {
    const { motion, owned } = sight.masklet;
    const extent = maskExtent(sight.maskLogits, parts.geometry.m);
    if (!extent) return motion;
    if (!motion) return startMotion(extent, frameIndex);
    const touched = touchesAnother(parts, frameIndex, sight, sights);
    const isTrusted = sight.detection !== null || sight.stored !== null || owned;
    const evidence = sight.contested || (touched && !isTrusted) ? "nothing" : touched ? "cut" : "whole";
    return observe(motion, extent, frameIndex, evidence, parts.policy.motion);
  });
  sights.forEach(({ masklet }, index) => {
    masklet.motion = learnt[index] ?? null;
  });
}
