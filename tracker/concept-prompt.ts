/** Naming or showing a kind of thing: everything of that kind on the prompted frame becomes an object. */
import type { Exemplar } from "../detector/concepts.js";
import type { Detection } from "../detector/detect.js";
import { xywhToCxcywh } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import { semanticLogits } from "../detector/semantic.js";
import { glance } from "./follow.js";
import { drawExemplars, lookFor } from "./look.js";
import { giveBirth } from "./matching.js";
import type { Frame } from "./model.js";
import { startObjects } from "./newborns.js";
import { redraw } from "./outline.js";
import { associateByOverlap } from "./overlap-association.js";
import { admit, createObject, showNewborn, toTrack } from "./overlap-step.js";
import type { TrackerParts } from "./parts.js";
import { showSight } from "./plain-step.js";
import { enroll } from "./probation.js";
import { type ConceptPrompt, unsupportedByPack } from "./prompts.js";
import { report, type StepResult } from "./report.js";
import { settleOverlaps } from "./separation.js";
import { settle } from "./settle.js";
import type { Sight } from "./sight.js";

export async function promptConcept(
  parts: TrackerParts,
  frame: Frame,
  prompt: ConceptPrompt,
): Promise<{ result: StepResult; semanticLogits?: Float32Array }> {
  const { capabilities, concepts, registry, features, policy } = parts;
  const exemplars = readExemplars(prompt);
  if (prompt.text !== undefined && !capabilities.text) {
    throw unsupportedByPack("text", capabilities);
  }
  if (exemplars.length > 0 && !capabilities.exemplars) {
    throw unsupportedByPack("exemplars", capabilities);
  }
  const request = { phrase: prompt.text ?? null, exemplars, frameIndex: frame.index };
  const concept = prompt.replace ? await concepts.replaceAll(request) : await concepts.add(request);
  if (prompt.replace) {
    for (const { id, conceptKey } of registry.all()) if (conceptKey !== null) registry.delete(id);
  }
  const levels = await features.get(frame, true);
  const sights = await glance(parts, levels, frame.index);
  const query = { concept, exemplars: concept.exemplars.get(frame.index) ?? [] };
  const { detections: found, outputs } = await lookFor(parts, levels, [query]);
  parts.lastLook = { features: levels, queries: [query], detections: found };
  const drawn = policy.detect.exemplarIsInstance
    ? await drawExemplars(parts, levels, concept, exemplars, found)
    : [];
  const detections = [...found, ...drawn];
  const meeting = policy.associate.identity === "overlap" ? meetByOverlap : meetByMotion;
  const result = await meeting(parts, levels, frame.index, sights, detections);
  return prompt.semanticMap
    ? { result, semanticLogits: semanticLogits(outputs, parts.geometry.m) }
    : { result };
}

/** By our rules: look-alikes are told apart by where they were going. */
async function meetByMotion(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  sights: readonly Sight[],
  detections: readonly Detection[],
): Promise<StepResult> {
  const { born, dropped } = giveBirth(parts, frameIndex, detections, sights, true);
  await redraw(parts, levels, born);
  settleOverlaps(parts, [...sights, ...born]);
  await settle(parts.model, levels, frameIndex, born, parts.policy);
  return report(parts, [...sights, ...born], dropped);
}

/** By SAM 3's rules: what overlaps nothing known is new. */
async function meetByOverlap(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  sights: readonly Sight[],
  detections: readonly Detection[],
): Promise<StepResult> {
  const { policy, registry, history } = parts;
  const findings = associateByOverlap(sights.map(toTrack), detections, policy, true);
  const { admitted, dropped } = admit(parts, findings, detections);
  const known = sights.map((sight) => showSight(parts, sight));
  const first = registry.nextId;
  if (policy.detect.promptCreates) {
    const born = admitted.map((detection) => createObject(parts, frameIndex, detection));
    const ids = born.map(({ id }) => id);
    history.probation = enroll(history.probation, ids, frameIndex, policy.life);
    history.visited.add(frameIndex);
    const masks = admitted.map(({ maskLogits }) => maskLogits);
    await startObjects(parts, levels, frameIndex, born, masks);
  }
  const fresh = admitted.map((detection, index) => {
    const conceptKey = [...detection.concepts][0] as number;
    return showNewborn(parts, { id: first + index, conceptKey }, detection);
  });
  const objects = [...known, ...fresh].filter(({ maskLogits }) => maskLogits.some((logit) => logit > 0));
  return { objects, stats: { tracked: registry.all().length, dropped } };
}

function readExemplars({ exemplars }: ConceptPrompt): Exemplar[] {
  return (exemplars?.boxesXywh ?? []).map((box, index) => ({
    box: xywhToCxcywh(box),
    label: exemplars?.labels[index] ?? 1,
  }));
}
