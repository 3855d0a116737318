/** Associates the frame's detections with the observations, and creates objects for those that are new. */
import type { Detection } from "../../detector/detect.js";
import { maskIou } from "../../detector/mask-bits.js";
import { cleanMask } from "../masks/clean.js";
import { newObservation, type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { associate } from "./association.js";
import { startMotion } from "./motion-model.js";
import { findNewObjects } from "./new-objects.js";

/**
 * Sets the detection of each observation. If the tracked mask and the detection disagree, the detection's mask replaces the
 * tracked one. Objects that the user removed are matched last: if two ids were on one object and one of them was removed,
 * the other id gets the detection.
 * @returns the detections without an object
 */
export function matchDetections(
  parts: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
  detections: readonly Detection[],
): Detection[] {
  const open = observations.filter(({ masklet }) => !masklet.owned);
  const kept = open.filter(({ masklet }) => !masklet.excluded);
  const removed = open.filter(({ masklet }) => masklet.excluded);
  const unmatched = assignDetections(parts, frameIndex, kept, detections, observations);
  return assignDetections(parts, frameIndex, removed, unmatched, observations);
}

function assignDetections(
  { policy, geometry }: TrackerParts,
  frameIndex: number,
  candidates: readonly Observation[],
  detections: readonly Detection[],
  observations: readonly Observation[],
): Detection[] {
  const { trkAssocIouThresh } = policy.associate;
  const isClaimed = ({ bits }: Detection) =>
    observations.some(
      (observation) => observation.masklet.owned && maskIou(bits, observation.bits) >= trkAssocIouThresh,
    );
  const { matches, unmatched } = associate(
    candidates.map(({ masklet, bits }) => ({
      conceptKey: masklet.conceptKey,
      bits,
      motion: masklet.motion,
      lost: masklet.state !== "seen",
    })),
    detections.map((detection) => ({ ...detection, claimed: isClaimed(detection) })),
    frameIndex,
    { assocIouThresh: policy.associate.assocIouThresh, sameObjectIou: policy.detect.sameObjectIou },
  );
  for (const { track, detection: index, maskIou: agreement, contested } of matches) {
    const observation = candidates[track] as Observation;
    const detection = detections[index] as Detection;
    const isWrong = agreement < trkAssocIouThresh;
    Object.assign(observation, { detection, agreement, contested, replaced: isWrong });
    const { masklet } = observation;
    if (policy.life.probability === "best" && isInstance(detection, masklet.conceptKey)) {
      masklet.prob = Math.max(masklet.prob, detection.score);
    }
    if (observation.stored === null && isWrong) {
      setMask(observation, cleanMask(detection.maskLogits, geometry.m, policy.mask));
    }
  }
  return unmatched.map((index) => detections[index] as Detection);
}

function isInstance({ concepts }: Detection, conceptKey: number | null): boolean {
  return conceptKey !== null && concepts.has(conceptKey);
}

/**
 * Creates objects for the detections that overlap no object.
 * @param prompted the concept was prompted on this frame: the score threshold is lower, and new objects are shown at once
 * @returns the new objects, and the number of detections beyond the object limit
 */
export function createObjects(
  { policy, geometry, registry }: TrackerParts,
  frameIndex: number,
  detections: readonly Detection[],
  observations: readonly Observation[],
  prompted: boolean,
): { created: Observation[]; dropped: number } {
  const { detect, life } = policy;
  const minScore = prompted ? detect.scoreThresholdDetection : detect.newDetThresh;
  const rules = { minScore, associate: policy.associate, sameObjectIou: detect.sameObjectIou };
  const created: Observation[] = [];
  let dropped = 0;
  for (const detection of findNewObjects(detections, observations, rules)) {
    if (registry.isFull()) {
      dropped++;
      continue;
    }
    const masklet = registry.create({
      conceptKey: [...detection.concepts][0] as number,
      prob: detection.score,
      bornFrame: frameIndex,
      motion: startMotion(detection.extent, frameIndex),
      confirmed: prompted || life.confirmFrames <= 1,
    });
    const observation = newObservation(masklet, detection);
    setMask(observation, cleanMask(detection.maskLogits, geometry.m, policy.mask));
    created.push(observation);
  }
  return { created, dropped };
}
