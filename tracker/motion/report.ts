/** The result of a frame by the motion-based rules. */
import { isShown } from "../masklet.js";
import { CERTAIN, isVisible, type Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { StepResult } from "../report.js";

/** @param observations of tracked and new objects; those of deleted objects are left out */
export function report(
  { registry, policy }: TrackerParts,
  observations: readonly Observation[],
  dropped: number,
): StepResult {
  const objects = observations
    .filter(({ masklet }) => registry.get(masklet.id) === masklet)
    .filter(
      (observation) =>
        observation.locked !== null || (isVisible(observation) && isShown(observation.masklet, policy.life)),
    )
    .map(({ masklet, maskLogits, prediction, locked }) => ({
      objectId: masklet.id,
      prob: masklet.prob,
      maskLogits,
      score: prediction?.score ?? CERTAIN,
      ...(locked && { locked }),
    }))
    .sort((a, b) => a.objectId - b.objectId);
  const tracked = registry.tracked().filter(({ excluded }) => !excluded).length;
  return { objects, stats: { tracked, dropped } };
}
