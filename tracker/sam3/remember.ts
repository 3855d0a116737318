/**
 * SAM 3's memory update: every object is remembered on every frame.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py and sam3_tracker_base.py.
 */
import type { FrameFeatures } from "../../detector/graph.js";
import type { MemoryEntry } from "../../memory/bank.js";
import type { Masklet } from "../masklet.js";
import { hasPixels } from "../masks/mask.js";
import { enlarge } from "../masks/resize.js";
import type { Prediction } from "../model.js";
import { CERTAIN, type Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { bucketScore } from "./bucket-score.js";
import { groupOf } from "./groups.js";
import type { Correction } from "./recondition.js";
import { withoutShrunk } from "./shrinkage.js";

/**
 * Stores the final masks of a frame in memory. The memory of a conditioning frame is encoded again as a tracked mask
 * (`isInput: false`). A correction changes only the kind of the memory, its pointer and its mask.
 */
export async function rememberTracked(
  { model, geometry, policy }: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  corrections: ReadonlyMap<number, Correction>,
): Promise<void> {
  const edited = withoutShrunk(
    observations.map(({ masklet, maskLogits }) => ({ group: groupOf(masklet, policy.detect), maskLogits })),
    geometry.m,
    policy.overlap,
  );
  const memories = await model.remember(
    features,
    edited.map((maskLogits) => ({
      maskLogits,
      score: hasPixels(maskLogits) ? CERTAIN : -CERTAIN,
      isInput: false,
    })),
  );
  const scores = trackScores(observations);
  const promoted = new Set(
    observations.filter(({ masklet }) => corrections.has(masklet.id)).map(({ masklet }) => masklet.bucket),
  );
  observations.forEach((observation, index) => {
    const { masklet, stored, prediction, locked } = observation;
    // The memory of a locked mask does not depend on other objects.
    if (locked) return;
    const memory = memories[index] as Float32Array;
    const start = corrections.get(masklet.id)?.start;
    const restart = start ? asStart(start) : {};
    if (stored) {
      const kind = corrections.has(masklet.id) ? forgetPrompt(masklet, stored) : stored.kind;
      observation.stored = masklet.bank.amend(frameIndex, { memory, ...restart, kind });
    } else if (prediction) {
      const tracked = trackedEntry(frameIndex, prediction, memory, scores.get(masklet.bucket));
      masklet.bank.add(tracked);
      if (!promoted.has(masklet.bucket)) return;
      if (start) masklet.bank.amend(frameIndex, restart);
      // A bank that is full of prompted frames may drop the promoted memory.
      masklet.bank.promote(frameIndex, "reconditioned");
      const isAloneInBucket = observations.every(
        (other) => other.masklet === masklet || other.masklet.bucket !== masklet.bucket,
      );
      if (isAloneInBucket) masklet.bank.clearMasksAround(frameIndex, policy.sam3Parity.clearMasksWindow);
    }
  });
}

/**
 * Stores the predicted masks in memory, before any edits, enlarged to the size of the image.
 * @param isInput encodes them like prompted masks, as the port of SAM 3 does on frames with new objects
 */
export async function rememberPredictions(
  { model, geometry: { m, S } }: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  isInput: boolean,
): Promise<void> {
  const kept = observations.filter(({ masklet, prediction }) => {
    const known = masklet.bank.at(frameIndex);
    return prediction !== null && (known === undefined || known.kind === "recent");
  });
  const memories = await model.remember(
    features,
    kept.map(({ prediction }) => {
      const { maskLogits, score } = prediction as Prediction;
      return { maskLogits: enlarge(maskLogits, m, S), score, isInput };
    }),
  );
  const scores = trackScores(observations);
  kept.forEach(({ masklet, prediction }, index) => {
    const memory = memories[index] as Float32Array;
    const score = scores.get(masklet.bucket);
    masklet.bank.add(trackedEntry(frameIndex, prediction as Prediction, memory, score));
  });
}

function trackedEntry(
  frameIndex: number,
  { maskLogits, pointer, score }: Prediction,
  memory: Float32Array,
  trackScore: number | undefined,
): MemoryEntry {
  const scored = trackScore === undefined ? {} : { trackScore };
  return { frameIndex, kind: "recent", memory, pointer, maskLogits, score, present: score > 0, ...scored };
}

/**
 * Deletes the clicks on a frame that a detection corrected, so that new clicks are not added to them.
 * @returns the new kind of the memory
 */
function forgetPrompt({ prompts }: Masklet, stored: MemoryEntry): MemoryEntry["kind"] {
  prompts.delete(stored.frameIndex);
  return stored.kind === "prompted" ? "reconditioned" : stored.kind;
}

function asStart({ pointer, maskLogits }: NonNullable<Correction["start"]>) {
  const present = hasPixels(maskLogits);
  return { pointer, maskLogits, present, score: present ? CERTAIN : -CERTAIN };
}

/** The memory scores of a frame. @returns by bucket */
function trackScores(observations: readonly Observation[]): Map<string, number> {
  const byBucket = new Map<string, Prediction[]>();
  for (const { masklet, prediction } of observations) {
    if (prediction) byBucket.set(masklet.bucket, [...(byBucket.get(masklet.bucket) ?? []), prediction]);
  }
  return new Map([...byBucket].map(([bucket, predictions]) => [bucket, bucketScore(predictions)]));
}
