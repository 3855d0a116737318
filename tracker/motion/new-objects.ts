/** Which of the detections that belong to nobody are new objects. */
import type { Detection } from "../../detector/detect.js";
import { maskIou } from "../../detector/mask-bits.js";
import { isVisible, type Observation } from "../observation.js";
import type { TrackerPolicy } from "../policy.js";

export interface BirthRules {
  /** Score needed. */
  minScore: number;
  associate: Pick<TrackerPolicy["associate"], "assocIouThresh" | "trkAssocIouThresh">;
  sameThingIou: number;
}

/** Detections that do not lie on anything known; best first. */
export function findNewObjects(
  detections: readonly Detection[],
  observations: readonly Observation[],
  { minScore, associate, sameThingIou }: BirthRules,
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
            : sameThingIou;
      return maskIou(detection.bits, observation.bits) >= limit;
    });
  return detections.filter((detection) => detection.score >= minScore && !isKnown(detection));
}
