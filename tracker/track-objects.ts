/** Observes the objects on a frame: tracks them from memory, or uses the mask that is already stored. */
import type { FrameFeatures } from "../detector/graph.js";
import { type MemoryEntry, nearestEntry } from "../memory/bank.js";
import { type Selection, selectMemories } from "../memory/select.js";
import { lockedLogits } from "./edits/locks.js";
import { usableMemories } from "./edits/sides.js";
import { hasFrame } from "./frame-set.js";
import { recallPrompts } from "./mask-prompt.js";
import type { Masklet } from "./masklet.js";
import { cleanMask } from "./masks/clean.js";
import { emptyMask } from "./masks/mask.js";
import { removeStrayPieces } from "./masks/stray-pieces.js";
import type { Geometry, Prediction } from "./model.js";
import {
  CERTAIN,
  lockedObservation,
  type Observation,
  scoreOf,
  setMask,
  storedObservation,
  trackedObservation,
} from "./observation.js";
import { withoutOverruled } from "./overruled.js";
import type { TrackerParts } from "./parts.js";
import type { Registry } from "./registry.js";

/** The memories that condition an object on a frame. */
export function memoriesFor(
  masklet: Masklet,
  frameIndex: number,
  reverse: boolean,
  { bank: rules, policy, numFrames }: Pick<TrackerParts, "bank" | "policy" | "numFrames">,
): Selection {
  const { memory, transformersParity } = policy;
  const { conditioningPointers } = transformersParity;
  const window = memory.pointerWindowFitsVideo ? numFrames : null;
  const options = { ...memory, conditioningPointers, numFrames: window };
  const usable = withoutOverruled(usableMemories(masklet, frameIndex), masklet.prompts, frameIndex);
  return selectMemories(usable, frameIndex, reverse, rules, options);
}

/**
 * Observes the objects on the next frame of a pass. Objects that were prompted or created on this frame keep their stored
 * mask; locked ones have their locked mask; the others are tracked. Objects that are absent on this frame are left out. All
 * masks are cleaned except locked and given ones. Tracked masks lose pieces that are far from the object, see
 * `mask.maxPieceGap` of the policy. Adds no memory of the frame.
 * @param isSelected selects the objects
 * @returns by ascending id
 */
export function trackObjects(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  reverse: boolean,
  isSelected: (masklet: Masklet) => boolean = () => true,
): Promise<Observation[]> {
  return observeAll(parts, features, frameIndex, isSelected, (masklet) => {
    const entry = masklet.bank.at(frameIndex);
    const isFinal = entry?.kind !== "reconditioned" || parts.policy.memory.conditioningIsFinal;
    const isGiven = entry && entry.kind !== "recent" && isFinal;
    return isGiven ? entry : memoriesFor(masklet, frameIndex, reverse, parts);
  });
}

/**
 * Selects objects by their bucket: objects of a bucket share a memory score and are tracked together.
 * @param objectIds null: all objects
 * @returns a predicate: whether an object is in the bucket of one of these objects
 */
export function sharesBucket(
  registry: Registry,
  objectIds: ReadonlySet<number> | null,
): (masklet: Masklet) => boolean {
  if (objectIds === null) return () => true;
  const buckets = new Set(registry.all().flatMap(({ id, bucket }) => (objectIds.has(id) ? [bucket] : [])));
  return ({ bucket }) => buckets.has(bucket);
}

/**
 * Observes all objects on any frame, outside of a pass. Objects with a memory of the frame keep its mask, also when the
 * memory comes from tracking. The others are tracked in the direction from their nearest memory. Adds no memory of the
 * frame.
 * @param leavesOutOthers true: the others are left out
 */
export function observeFrame(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  leavesOutOthers = false,
): Promise<Observation[]> {
  return observeAll(
    parts,
    features,
    frameIndex,
    (masklet) => !leavesOutOthers || isKnownOn(masklet, frameIndex),
    (masklet) => {
      const reverse = directionFor(masklet, frameIndex);
      return masklet.bank.at(frameIndex) ?? memoriesFor(masklet, frameIndex, reverse, parts);
    },
  );
}

/** Whether the mask of an object on a frame, or its absence there, is known without tracking it to the frame. */
function isKnownOn({ bank, prompts, locks, absent }: Masklet, frameIndex: number): boolean {
  return (
    bank.at(frameIndex) !== undefined ||
    prompts.has(frameIndex) ||
    locks.has(frameIndex) ||
    hasFrame(absent, frameIndex)
  );
}

/** The direction from an object's nearest memory to the frame; true: backward. */
export function directionFor(masklet: Masklet, frameIndex: number): boolean {
  const nearest = nearestEntry(usableMemories(masklet, frameIndex), frameIndex);
  return nearest !== undefined && nearest.frameIndex > frameIndex;
}

/**
 * Restores the dropped memories of prompts on this frame first.
 * @param sourceOf the stored memory of an object on this frame, or the memories from which it is tracked
 */
async function observeAll(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  isSelected: (masklet: Masklet) => boolean,
  sourceOf: (masklet: Masklet) => ReturnType<Masklet["bank"]["at"]> | Selection,
): Promise<Observation[]> {
  const { model, geometry, policy, registry } = parts;
  const selected = registry.all().filter((masklet) => isSelected(masklet) && isOnFrame(masklet, frameIndex));
  await recallPrompts(parts, features, frameIndex, selected);
  const sources = selected.map((masklet) => ({
    masklet,
    source: masklet.locks.has(frameIndex) ? undefined : sourceOf(masklet),
  }));
  const isTracked = (source: (typeof sources)[number]["source"]): source is Selection =>
    source !== undefined && "memories" in source && source.memories.length > 0;
  const selections = sources.flatMap(({ source }) => (isTracked(source) ? [source] : []));
  const predictions = await model.track(features, selections);
  const observations = sources.map(({ masklet, source }) => {
    const locked = masklet.locks.get(frameIndex);
    if (locked) {
      const stored = masklet.bank.at(frameIndex) ?? null;
      const mask = stored?.maskLogits ?? lockedLogits(parts, masklet, frameIndex);
      return lockedObservation(masklet, locked, stored, mask);
    }
    if (source && "maskLogits" in source) {
      const observation = storedObservation(masklet, source);
      if (!observation.locked) setMask(observation, cleanMask(source.maskLogits, geometry.m, policy.mask));
      return observation;
    }
    const prediction = (isTracked(source) && predictions[selections.indexOf(source)]) || absent(geometry);
    // For an absent object the graph returns logits far below -10, the value that the memory encoder was trained with.
    // SAM 3's rules keep these logits.
    const keepsLogits = prediction.score > 0 || policy.associate.rules === "sam3";
    const mask = keepsLogits ? prediction.maskLogits : absent(geometry).maskLogits;
    const cleaned = cleanMask(mask, geometry.m, policy.mask);
    const memories = isTracked(source) ? source.memories.map(({ entry }) => entry) : [];
    const last = lastMask(memories, frameIndex);
    const own = last ? ofObject(cleaned, last, memories, parts) : cleaned;
    return trackedObservation(masklet, prediction, own, last);
  });
  parts.scores = new Map(observations.map((observation) => [observation.masklet.id, scoreOf(observation)]));
  return observations;
}

/** Frames up to which an object has not moved far from a memory of it. */
const MAX_MEMORY_DISTANCE = 3;

/** The mask of the memory that is nearest to a frame; null when it is far from it. */
function lastMask(memories: readonly MemoryEntry[], frameIndex: number): Float32Array | null {
  const nearest = nearestEntry({ conditioning: memories, recent: [] }, frameIndex);
  return nearest && Math.abs(nearest.frameIndex - frameIndex) <= MAX_MEMORY_DISTANCE
    ? nearest.maskLogits
    : null;
}

/** A tracked mask without pieces that are far from the object, see `stray-pieces.ts`. */
function ofObject(
  maskLogits: Float32Array,
  last: Float32Array,
  memories: readonly MemoryEntry[],
  { geometry, policy }: Pick<TrackerParts, "geometry" | "policy">,
): Float32Array {
  const { maxPieceGap } = policy.mask;
  if (maxPieceGap === 0) return maskLogits;
  const given = memories.filter(({ kind }) => kind !== "recent").map((entry) => entry.maskLogits);
  return removeStrayPieces(maskLogits, geometry.m, last, given, maxPieceGap);
}

/** Whether an object can have a mask on a frame. A dormant object has one where it is locked. */
function isOnFrame({ state, locks, absent }: Masklet, frameIndex: number): boolean {
  return (state !== "dormant" || locks.has(frameIndex)) && !hasFrame(absent, frameIndex);
}

/** The prediction for an object without memories. */
function absent({ m, D }: Pick<Geometry, "m" | "D">): Prediction {
  return { maskLogits: emptyMask(m), score: -CERTAIN, iou: 0, pointer: new Float32Array(D) };
}
