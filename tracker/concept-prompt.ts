/** Prompts for a concept, given as a phrase or as exemplar boxes. Its instances on the frame become objects. */
import type { Exemplar } from "../detector/concepts.js";
import type { Detection } from "../detector/detect.js";
import { xywhToCxcywh } from "../detector/geometry.js";
import { maskIou } from "../detector/mask-bits.js";
import { NEGATIVE_IOU } from "../detector/nms.js";
import { semanticLogits } from "../detector/semantic.js";
import { detectionQueries, runDetection, segmentExemplars } from "./detection-search.js";
import { objectIds } from "./edits/objects.js";
import type { Frame } from "./model.js";
import type { Observation } from "./observation.js";
import type { TrackerParts } from "./parts.js";
import { type ConceptPrompt, PromptError, unsupportedByPack } from "./prompts.js";
import type { StepResult } from "./report.js";
import { ruleSets } from "./rule-sets.js";
import { forgetDeleted } from "./sam3/history.js";
import { observeFrame } from "./track-objects.js";

/**
 * Adds a concept, detects it on the frame, and creates objects for the instances that are new.
 * @returns all objects on the frame, and the semantic map of the concept if requested: float32 [m, m] logits
 * @throws PromptError `unsupported_by_pack` or `concept_limit`; also the error of the tokenizer for a phrase it rejects
 */
export async function promptConcept(
  parts: TrackerParts,
  frame: Frame,
  prompt: ConceptPrompt,
): Promise<{ result: StepResult; removedIds?: number[]; semanticLogits?: Float32Array }> {
  const { capabilities, concepts, registry, features, policy } = parts;
  const exemplars = readExemplars(prompt);
  if (prompt.text !== undefined && !capabilities.text) {
    throw unsupportedByPack("text", capabilities);
  }
  if (exemplars.length > 0 && !capabilities.exemplars) {
    throw unsupportedByPack("exemplars", capabilities);
  }
  checkRoom(parts, prompt);
  if (prompt.negative) return promptNegative(parts, frame, prompt.text as string);
  const request = { phrase: prompt.text ?? null, exemplars, frameIndex: frame.index };
  const concept = prompt.replace ? await concepts.replaceAll(request) : await concepts.add(request);
  if (prompt.replace) {
    for (const { id, conceptKey } of registry.all()) if (conceptKey !== null) registry.delete(id);
    forgetDeleted(parts.history, registry);
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
  const { createPrompted } = ruleSets[policy.associate.rules];
  const result = await createPrompted(parts, {
    index: frame.index,
    features: levels,
    observations,
    detections,
  });
  return prompt.semanticMap
    ? { result, semanticLogits: semanticLogits(outputs, parts.geometry.m) }
    : { result };
}

/**
 * Adds a phrase whose instances are not objects. Deletes the objects on the frame that show one of them, except those of the
 * user.
 */
async function promptNegative(
  parts: TrackerParts,
  frame: Frame,
  phrase: string,
): Promise<{ result: StepResult; removedIds: number[] }> {
  const { concepts, registry, features } = parts;
  const before = objectIds(parts);
  const concept = await concepts.add({ phrase, exemplars: [], frameIndex: frame.index, negative: true });
  for (const { id, conceptKey } of registry.all()) if (conceptKey === concept.key) registry.delete(id);
  const levels = await features.get(frame, true);
  const observed = await observeFrame(parts, levels, frame.index);
  const queries = detectionQueries(parts, frame.index, observed);
  const { detections, negatives } = await runDetection(parts, levels, queries);
  parts.lastDetection = { features: levels, queries, detections };
  const shows = (some: readonly Detection[], { bits }: Observation) =>
    some.some((detection) => maskIou(detection.bits, bits) >= NEGATIVE_IOU);
  for (const observation of observed) {
    const { id, conceptKey, owned, locks } = observation.masklet;
    const isOfUser = conceptKey === null || owned || locks.size > 0;
    if (!isOfUser && shows(negatives, observation) && !shows(detections, observation)) registry.delete(id);
  }
  forgetDeleted(parts.history, registry);
  const observations = observed.filter(({ masklet }) => registry.get(masklet.id) === masklet);
  const { createPrompted } = ruleSets[parts.policy.associate.rules];
  const result = await createPrompted(parts, {
    index: frame.index,
    features: levels,
    observations,
    detections: [],
  });
  return { result, removedIds: before.filter((id) => registry.get(id) === undefined) };
}

/** @throws PromptError concept_limit when the prompt would exceed the session's limit of concepts */
function checkRoom({ concepts, policy }: TrackerParts, { text, replace }: ConceptPrompt): void {
  const { length: count } = concepts.all;
  const limit = policy.detect.maxNumConcepts;
  if (replace || count < limit || (text !== undefined && concepts.has(text))) return;
  throw new PromptError(
    "concept_limit",
    `The session has ${count} concepts, and its limit is ${limit}. Set replace to true to replace them, send ` +
      "reset_session, or start a session with a higher policy.max_num_concepts.",
    text === undefined ? "bounding_boxes" : "text",
  );
}

function readExemplars({ exemplars }: ConceptPrompt): Exemplar[] {
  return (exemplars?.boxesXywh ?? []).map((box, index) => ({
    box: xywhToCxcywh(box),
    label: exemplars?.labels[index] ?? 1,
  }));
}
