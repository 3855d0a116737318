/** Prompts for a concept, given as a phrase or as exemplar boxes. Its instances on the frame become objects. */
import type { Exemplar } from "../detector/concepts.js";
import { xywhToCxcywh } from "../detector/geometry.js";
import { semanticLogits } from "../detector/semantic.js";
import { runDetection, segmentExemplars } from "./detection-search.js";
import type { Frame } from "./model.js";
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
): Promise<{ result: StepResult; semanticLogits?: Float32Array }> {
  const { capabilities, concepts, registry, features, policy } = parts;
  const exemplars = readExemplars(prompt);
  if (prompt.text !== undefined && !capabilities.text) {
    throw unsupportedByPack("text", capabilities);
  }
  if (exemplars.length > 0 && !capabilities.exemplars) {
    throw unsupportedByPack("exemplars", capabilities);
  }
  checkRoom(parts, prompt);
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
