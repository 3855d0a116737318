/** The tracker's first guess: where every object is on a frame, from memory alone. */
import type { FrameFeatures } from "../detector/graph.js";
import { type BankRules, type Selection, selectMemories } from "../memory/select.js";
import { fillHoles } from "./fill-holes.js";
import type { Masklet } from "./masklet.js";
import type { Geometry, Prediction } from "./model.js";
import type { TrackerParts } from "./parts.js";
import type { TrackerPolicy } from "./policy.js";
import { CERTAIN, type Sight, storedSight, trackedSight } from "./sight.js";

/** Pixels up to which holes and specks are cleaned on this mask grid. */
export function speckArea({ m }: Pick<Geometry, "m">, { speckShare }: TrackerPolicy["mask"]): number {
  return Math.floor(speckShare * m * m);
}

export function memoriesFor(
  { bank }: Masklet,
  frameIndex: number,
  reverse: boolean,
  rules: BankRules,
  { memory }: Pick<TrackerPolicy, "memory">,
): Selection {
  return selectMemories(bank, frameIndex, reverse, rules, { seenWithin: memory.seenWithin });
}

/**
 * Everybody on the next frame of a pass. An object that was prompted or born on this frame is what it was said to be; the
 * others are tracked and cleaned. Nothing is remembered yet.
 */
export function follow(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  reverse: boolean,
): Promise<Sight[]> {
  return sightAll(parts, features, (masklet) => {
    const entry = masklet.bank.at(frameIndex);
    const isGiven = entry?.kind === "prompted" || entry?.kind === "born";
    return isGiven ? entry : memoriesFor(masklet, frameIndex, reverse, parts.bank, parts.policy);
  });
}

/** Everybody on any frame, without moving on to it: what is known of the frame counts, the rest is tracked. */
export function glance(parts: TrackerParts, features: FrameFeatures, frameIndex: number): Promise<Sight[]> {
  return sightAll(parts, features, (masklet) => {
    const reverse = directionFor(masklet, frameIndex);
    return masklet.bank.at(frameIndex) ?? memoriesFor(masklet, frameIndex, reverse, parts.bank, parts.policy);
  });
}

/** From its nearest memory towards the frame: true when that means going back. */
export function directionFor({ bank }: Masklet, frameIndex: number): boolean {
  const nearest = bank.nearest(frameIndex);
  return nearest !== undefined && nearest.frameIndex > frameIndex;
}

/** One sight for each object, by ascending id. */
async function sightAll(
  { model, geometry, policy, registry }: TrackerParts,
  features: FrameFeatures,
  sourceOf: (masklet: Masklet) => ReturnType<Masklet["bank"]["at"]> | Selection,
): Promise<Sight[]> {
  const sources = registry.followed().map((masklet) => ({ masklet, source: sourceOf(masklet) }));
  const isTracked = (source: (typeof sources)[number]["source"]): source is Selection =>
    source !== undefined && "memories" in source && source.memories.length > 0;
  const selections = sources.flatMap(({ source }) => (isTracked(source) ? [source] : []));
  const predictions = await model.track(features, selections);
  const area = speckArea(geometry, policy.mask);
  return sources.map(({ masklet, source }) => {
    if (source && "maskLogits" in source) return storedSight(masklet, source);
    const prediction = (isTracked(source) && predictions[selections.indexOf(source)]) || absent(geometry);
    const mask = prediction.score > 0 ? prediction.maskLogits : absent(geometry).maskLogits;
    return trackedSight(masklet, prediction, fillHoles(mask, geometry.m, area));
  });
}

/** An object of which nothing is to be seen. */
function absent({ m, D }: Pick<Geometry, "m" | "D">): Prediction {
  const maskLogits = new Float32Array(m * m).fill(-CERTAIN);
  return { maskLogits, score: -CERTAIN, iou: 0, pointer: new Float32Array(D) };
}
