/** The tracker's first guess: where every object is on a frame, from memory alone. */
import type { FrameFeatures } from "../detector/graph.js";
import { type Selection, selectMemories } from "../memory/select.js";
import type { Masklet } from "./masklet.js";
import { cleanMask } from "./masks/clean.js";
import { emptyMask } from "./masks/mask.js";
import type { Geometry, Prediction } from "./model.js";
import { CERTAIN, type Observation, setMask, storedObservation, trackedObservation } from "./observation.js";
import type { TrackerParts } from "./parts.js";
import type { Registry } from "./registry.js";

export function memoriesFor(
  { bank }: Masklet,
  frameIndex: number,
  reverse: boolean,
  { bank: rules, policy, numFrames }: Pick<TrackerParts, "bank" | "policy" | "numFrames">,
): Selection {
  const { memory, transformersParity } = policy;
  const { conditioningPointers } = transformersParity;
  const window = memory.pointerWindowFitsVideo ? numFrames : null;
  const options = { ...memory, conditioningPointers, numFrames: window };
  return selectMemories(bank, frameIndex, reverse, rules, options);
}

/**
 * Everybody on the next frame of a pass. An object that was prompted or born on this frame is what it was said to be; the
 * others are tracked. All are cleaned, and nothing is remembered yet.
 */
export function trackObjects(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  reverse: boolean,
  isFollowed: (masklet: Masklet) => boolean = () => true,
): Promise<Observation[]> {
  return observeAll(parts, features, isFollowed, (masklet) => {
    const entry = masklet.bank.at(frameIndex);
    const isFinal = entry?.kind !== "reconditioned" || parts.policy.memory.conditioningIsFinal;
    const isGiven = entry && entry.kind !== "recent" && isFinal;
    return isGiven ? entry : memoriesFor(masklet, frameIndex, reverse, parts);
  });
}

/**
 * Objects of a bucket share a memory score and are tracked together.
 * @param objectIds null: all objects
 * @returns whether an object shares a bucket with one of these
 */
export function sharesBucket(
  registry: Registry,
  objectIds: ReadonlySet<number> | null,
): (masklet: Masklet) => boolean {
  if (objectIds === null) return () => true;
  const buckets = new Set(registry.all().flatMap(({ id, bucket }) => (objectIds.has(id) ? [bucket] : [])));
  return ({ bucket }) => buckets.has(bucket);
}

/** Everybody on any frame, without moving on to it: what is known of the frame counts, the rest is tracked. */
export function observeFrame(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
): Promise<Observation[]> {
  return observeAll(
    parts,
    features,
    () => true,
    (masklet) => {
      const reverse = directionFor(masklet, frameIndex);
      return masklet.bank.at(frameIndex) ?? memoriesFor(masklet, frameIndex, reverse, parts);
    },
  );
}

/** From its nearest memory towards the frame: true when that means going back. */
export function directionFor({ bank }: Masklet, frameIndex: number): boolean {
  const nearest = bank.nearest(frameIndex);
  return nearest !== undefined && nearest.frameIndex > frameIndex;
}

/** One sight for each object, by ascending id. */
async function observeAll(
  { model, geometry, policy, registry }: TrackerParts,
  features: FrameFeatures,
  isFollowed: (masklet: Masklet) => boolean,
  sourceOf: (masklet: Masklet) => ReturnType<Masklet["bank"]["at"]> | Selection,
): Promise<Observation[]> {
  const followed = registry.followed().filter(isFollowed);
  const sources = followed.map((masklet) => ({ masklet, source: sourceOf(masklet) }));
  const isTracked = (source: (typeof sources)[number]["source"]): source is Selection =>
    source !== undefined && "memories" in source && source.memories.length > 0;
  const selections = sources.flatMap(({ source }) => (isTracked(source) ? [source] : []));
  const predictions = await model.track(features, selections);
  return sources.map(({ masklet, source }) => {
    if (source && "maskLogits" in source) {
      const observation = storedObservation(masklet, source);
      setMask(observation, cleanMask(source.maskLogits, geometry.m, policy.mask));
      return observation;
    }
    const prediction = (isTracked(source) && predictions[selections.indexOf(source)]) || absent(geometry);
    // The graph says the same of an absent object, only more strongly, and memory is to hear it as the model was trained.
    const isHeard = prediction.score > 0 || policy.associate.identity === "overlap";
    const mask = isHeard ? prediction.maskLogits : absent(geometry).maskLogits;
    return trackedObservation(masklet, prediction, cleanMask(mask, geometry.m, policy.mask));
  });
}

/** An object of which nothing is to be seen. */
function absent({ m, D }: Pick<Geometry, "m" | "D">): Prediction {
  return { maskLogits: emptyMask(m), score: -CERTAIN, iou: 0, pointer: new Float32Array(D) };
}
