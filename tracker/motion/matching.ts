/** Detections are handed to the objects they belong to; what nobody owns may be a new object. */
import type { Detection } from "../../detector/detect.js";
import { maskIou } from "../../detector/mask-bits.js";
import { cleanMask } from "../masks/clean.js";
import { newObservation, type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { associate } from "./association.js";
import { startMotion } from "./motion-model.js";
import { findNewObjects } from "./new-objects.js";

/**
 * Gives the sights their detections, and with them their masks; returns the detections that are nobody's. Removed objects
 * only get what nobody else is, so that removing one of two ids on the same thing leaves the other one alone.
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
  const leftover = handOut(parts, frameIndex, kept, detections, observations);
  return handOut(parts, frameIndex, removed, leftover, observations);
}

function handOut(
  { policy, geometry }: TrackerParts,
  frameIndex: number,
  takers: readonly Observation[],
  detections: readonly Detection[],
  observations: readonly Observation[],
): Detection[] {
  const { trkAssocIouThresh } = policy.associate;
  const isClaimed = ({ bits }: Detection) =>
    observations.some(
      (observation) => observation.masklet.owned && maskIou(bits, observation.bits) >= trkAssocIouThresh,
    );
  const { matches, unmatched } = associate(
    takers.map(({ masklet, bits }) => ({
      conceptKey: masklet.conceptKey,
      bits,
      motion: masklet.motion,
      lost: masklet.state !== "seen",
    })),
    detections.map((detection) => ({ ...detection, claimed: isClaimed(detection) })),
    frameIndex,
    { assocIouThresh: policy.associate.assocIouThresh, sameThingIou: policy.detect.sameThingIou },
  );
  for (const { track, detection: index, maskIou: agreement, contested } of matches) {
    const observation = takers[track] as Observation;
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
 * Makes objects of the detections that lie on nothing known.
 * @param prompted the user asked for them on this very frame: the bar is lower, and they are shown at once
 * @returns the new objects, and how many there was no room for
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
  const rules = { minScore, associate: policy.associate, sameThingIou: detect.sameThingIou };
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
