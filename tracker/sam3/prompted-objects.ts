/** Objects from a phrase or exemplar boxes, by SAM 3's rules: a detection that overlaps no tracked object is new. */
import { addFrame } from "../frame-set.js";
import { hasPixels } from "../masks/mask.js";
import type { TrackerParts } from "../parts.js";
import type { StepResult } from "../report.js";
import type { PromptedFrame } from "../step.js";
import { admitDetections, createObject } from "./admission.js";
import { associateSam3, toTrack } from "./association.js";
import { startHotStart } from "./hot-start.js";
import { startObjects } from "./new-objects.js";
import { showNewObject, showObservation } from "./output.js";

export async function createPromptedSam3(
  parts: TrackerParts,
  { index, features, observations, detections }: PromptedFrame,
): Promise<StepResult> {
  const { policy, registry, history } = parts;
  const findings = associateSam3(observations.map(toTrack), detections, policy, true);
  const { admitted, dropped } = admitDetections(parts, findings, detections);
  const tracked = observations.map((observation) => showObservation(parts, observation));
  const firstId = registry.nextId;
  if (policy.transformersParity.promptCreates) {
    const created = admitted.map((detection) => createObject(parts, index, detection));
    const ids = created.map(({ id }) => id);
    history.hotStart = startHotStart(history.hotStart, ids, index, policy.life);
    history.visited = addFrame(history.visited, index);
    const masks = admitted.map(({ maskLogits }) => maskLogits);
    await startObjects(parts, features, index, created, masks);
  }
  const found = admitted.map((detection, place) => {
    const conceptKey = [...detection.concepts][0] as number;
    return showNewObject(parts, { id: firstId + place, conceptKey }, detection);
  });
  const objects = [...tracked, ...found].filter(({ maskLogits }) => hasPixels(maskLogits));
  return { objects, stats: { tracked: registry.all().length, dropped } };
}
