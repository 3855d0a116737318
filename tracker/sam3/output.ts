/** The output of SAM 3's rules for one object on a frame: its mask, its object score, and its claim to pixels. */
import type { Detection } from "../../detector/detect.js";
import type { Masklet } from "../masklet.js";
import { cleanMask } from "../masks/clean.js";
import { CERTAIN, type Observation, scoreOf } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackedObject } from "../report.js";
import { sigmoid } from "./bucket-score.js";
import { groupOf } from "./groups.js";

/** An object with its mask and score on this frame. */
export function showObservation({ policy }: TrackerParts, observation: Observation): TrackedObject {
  const { masklet, maskLogits, locked } = observation;
  const score = scoreOf(observation);
  return {
    objectId: masklet.id,
    prob: masklet.prob,
    maskLogits,
    score,
    claim: { group: groupOf(masklet, policy.detect), prob: sigmoid(score) },
    ...(locked && { locked }),
  };
}

/**
 * The tracked objects that remain after this frame.
 *
 * With `transformersParity.shiftsOnRemoval`, on a frame that removes an object, each object after it in the list has the mask
 * and the score of the object before it: the port of SAM 3 pairs the remaining ids with the masks from before the removal.
 * @param correctionOf float32 [m, m]: the mask of the detection that corrected an object; undefined: show the tracked mask
 */
export function showTracked(
  parts: TrackerParts,
  observations: readonly Observation[],
  removed: ReadonlySet<number>,
  correctionOf: (id: number) => Float32Array | undefined,
): TrackedObject[] {
  const remaining = observations.filter(({ masklet }) => !removed.has(masklet.id));
  return remaining.map((observation, place) => {
    const { masklet } = observation;
    const source = parts.policy.transformersParity.shiftsOnRemoval
      ? (observations[place] as Observation)
      : observation;
    const shown = showObservation(parts, { ...source, masklet, locked: observation.locked });
    return { ...shown, maskLogits: correctionOf(masklet.id) ?? shown.maskLogits };
  });
}

/** An object that starts on this frame: the mask and the score of its detection. */
export function showNewObject(
  { policy, geometry }: TrackerParts,
  { id, conceptKey }: Pick<Masklet, "id" | "conceptKey">,
  detection: Detection,
): TrackedObject {
  const maskLogits = cleanMask(detection.maskLogits, geometry.m, policy.mask);
  const claim = { group: groupOf({ id, conceptKey }, policy.detect), prob: detection.score };
  return { objectId: id, prob: detection.score, maskLogits, score: CERTAIN, claim };
}
