/** Which of the detections that belong to nobody are new objects. */
import type { Detection } from "../detector/detect.js";
import { maskIou } from "../detector/mask-bits.js";
import type { TrackerPolicy } from "./policy.js";
import { isVisible, type Sight } from "./sight.js";

export interface BirthRules {
  /** Score needed. */
  minScore: number;
  associate: Pick<TrackerPolicy["associate"], "assocIouThresh" | "trkAssocIouThresh">;
  sameThingIou: number;
}

/** Detections that do not lie on anything known; best first. */
export function findNewborn(
  detections: readonly Detection[],
  sights: readonly Sight[],
  { minScore, associate, sameThingIou }: BirthRules,
): Detection[] {
  const isKnown = (detection: Detection) =>
    sights.some((sight) => {
      if (!isVisible(sight)) return false;
      const { conceptKey } = sight.masklet;
      const limit =
        conceptKey === null
          ? associate.trkAssocIouThresh
          : detection.concepts.has(conceptKey)
            ? associate.assocIouThresh
            : sameThingIou;
      return maskIou(detection.bits, sight.bits) >= limit;
    });
  return detections.filter((detection) => detection.score >= minScore && !isKnown(detection));
}
