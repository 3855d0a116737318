/** Naming or showing a kind of thing: everything of that kind on the prompted frame becomes an object. */
import type { Exemplar } from "../detector/concepts.js";
import type { Detection } from "../detector/detect.js";
import { xywhToCxcywh } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import { semanticLogits } from "../detector/semantic.js";
import { runDetection, segmentExemplars } from "./detection-search.js";
import type { Frame } from "./model.js";
import { createObjects } from "./motion/matching.js";
import { redraw } from "./motion/redraw.js";
import { rememberFrame } from "./motion/remember.js";
import { resolveOverlaps } from "./motion/separation.js";
import type { Observation } from "./observation.js";
import type { TrackerParts } from "./parts.js";
import { type ConceptPrompt, unsupportedByPack } from "./prompts.js";
import { report, type StepResult } from "./report.js";
import { associateSam3 } from "./sam3/association.js";
import { startHotStart } from "./sam3/hot-start.js";
import { startObjects } from "./sam3/new-objects.js";
import { admit, createObject, showNewborn, toTrack } from "./sam3/step.js";
import { showObservation } from "./sam3/tracking-step.js";
import { observeFrame } from "./track-objects.js";

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
  const observations = await observeFrame(parts, levels, frame.index);
  const query = { concept, exemplars: concept.exemplars.get(frame.index) ?? [] };
  const { detections: found, outputs } = await runDetection(parts, levels, [query]);
  parts.lastDetection = { features: levels, queries: [query], detections: found };
  const drawn = policy.detect.exemplarIsInstance
    ? await segmentExemplars(parts, levels, concept, exemplars, found)
    : [];
  const detections = [...found, ...drawn];
  const meeting = policy.associate.identity === "overlap" ? createObjectsSam3 : createObjectsMotion;
  const result = await meeting(parts, levels, frame.index, observations, detections);
  return prompt.semanticMap
    ? { result, semanticLogits: semanticLogits(outputs, parts.geometry.m) }
    : { result };
}

/** By our rules: look-alikes are told apart by where they were going. */
async function createObjectsMotion(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  detections: readonly Detection[],
): Promise<StepResult> {
  const { born, dropped } = createObjects(parts, frameIndex, detections, observations, true);
  await redraw(parts, levels, born);
  resolveOverlaps(parts, [...observations, ...born]);
  await rememberFrame(parts.model, levels, frameIndex, born, parts.policy);
  return report(parts, [...observations, ...born], dropped);
}

/** By SAM 3's rules: what overlaps nothing known is new. */
async function createObjectsSam3(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  detections: readonly Detection[],
): Promise<StepResult> {
  const { policy, registry, history } = parts;
  const findings = associateSam3(observations.map(toTrack), detections, policy, true);
  const { admitted, dropped } = admit(parts, findings, detections);
  const known = observations.map((observation) => showObservation(parts, observation));
  const first = registry.nextId;
  if (policy.detect.promptCreates) {
    const born = admitted.map((detection) => createObject(parts, frameIndex, detection));
    const ids = born.map(({ id }) => id);
    history.hotStart = startHotStart(history.hotStart, ids, frameIndex, policy.life);
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
