/** Detections are handed to the objects they belong to; what nobody owns may be a new object. */
import type { Detection } from "../detector/detect.js";
import { maskIou } from "../detector/mask-bits.js";
import { associate } from "./association.js";
import { findNewborn } from "./births.js";
import { fillHoles } from "./fill-holes.js";
import { speckArea } from "./follow.js";
import { startMotion } from "./motion.js";
import type { TrackerParts } from "./parts.js";
import { newbornSight, type Sight, setMask } from "./sight.js";

/**
 * Gives the sights their detections, and with them their masks; returns the detections that are nobody's. Removed objects
 * only get what nobody else is, so that removing one of two ids on the same thing leaves the other one alone.
 */
export function matchDetections(
  parts: TrackerParts,
  frameIndex: number,
  sights: readonly Sight[],
  detections: readonly Detection[],
): Detection[] {
  const open = sights.filter(({ masklet }) => !masklet.owned);
  const kept = open.filter(({ masklet }) => !masklet.excluded);
  const removed = open.filter(({ masklet }) => masklet.excluded);
  const leftover = handOut(parts, frameIndex, kept, detections, sights);
  return handOut(parts, frameIndex, removed, leftover, sights);
}

function handOut(
  { policy, geometry }: TrackerParts,
  frameIndex: number,
  takers: readonly Sight[],
  detections: readonly Detection[],
  sights: readonly Sight[],
): Detection[] {
  const { trkAssocIouThresh } = policy.associate;
  const isClaimed = ({ bits }: Detection) =>
    sights.some((sight) => sight.masklet.owned && maskIou(bits, sight.bits) >= trkAssocIouThresh);
  const { matches, unmatched } = associate(
    takers.map(({ masklet, bits }) => ({
      conceptKey: masklet.conceptKey,
      bits,
      motion: masklet.motion,
      lost: masklet.state !== "seen",
    })),
    detections.map((detection) => ({ ...detection, claimed: isClaimed(detection) })),
    frameIndex,
    { associate: policy.associate, motion: policy.motion, sameThingIou: policy.detect.sameThingIou },
  );
  for (const { track, detection: index, maskIou: agreement, contested } of matches) {
    const sight = takers[track] as Sight;
    const detection = detections[index] as Detection;
    const isWrong = agreement < trkAssocIouThresh;
    Object.assign(sight, { detection, agreement, contested, replaced: isWrong });
    const { masklet } = sight;
    if (policy.life.probability === "best" && isInstance(detection, masklet.conceptKey)) {
      masklet.prob = Math.max(masklet.prob, detection.score);
    }
    if (sight.stored === null && isWrong) {
      setMask(sight, fillHoles(detection.maskLogits, geometry.m, speckArea(geometry, policy.mask)));
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
export function giveBirth(
  { policy, geometry, registry }: TrackerParts,
  frameIndex: number,
  detections: readonly Detection[],
  sights: readonly Sight[],
  prompted: boolean,
): { born: Sight[]; dropped: number } {
  const { detect, life } = policy;
  const minScore = prompted ? detect.scoreThresholdDetection : detect.newDetThresh;
  const rules = { minScore, associate: policy.associate, sameThingIou: detect.sameThingIou };
  const born: Sight[] = [];
  let dropped = 0;
  for (const detection of findNewborn(detections, sights, rules)) {
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
    const sight = newbornSight(masklet, detection);
    setMask(sight, fillHoles(detection.maskLogits, geometry.m, speckArea(geometry, policy.mask)));
    born.push(sight);
  }
  return { born, dropped };
}
