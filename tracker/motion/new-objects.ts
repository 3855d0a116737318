/** Selects the unassociated detections that are new objects. */
import type { Detection } from "../../detector/detect.js";
import { maskIou } from "../../detector/mask-bits.js";
import { isVisible, type Observation } from "../observation.js";
import type { TrackerPolicy } from "../policy.js";

export interface BirthRules {
  /** Minimum score of a new object. */
  minScore: number;
  associate: Pick<TrackerPolicy["associate"], "assocIouThresh" | "trkAssocIouThresh">;
  sameObjectIou: number;
}

/** @returns the detections with a sufficient score that overlap no visible object, in their order */
export function findNewObjects(
  detections: readonly Detection[],
  observations: readonly Observation[],
  { minScore, associate, sameObjectIou }: BirthRules,
): Detection[] {
  const isKnown = (detection: Detection) =>
    observations.some((observation) => {
      if (!isVisible(observation)) return false;
      const { conceptKey } = observation.masklet;
      const limit =
        conceptKey === null
          ? associate.trkAssocIouThresh
          : detection.concepts.has(conceptKey)
            ? associate.assocIouThresh
            : sameObjectIou;
      return maskIou(detection.bits, observation.bits) >= limit;
    });
  return detections.filter((detection) => detection.score >= minScore && !isKnown(detection));
}
