/** Naming or showing a kind of thing: everything of that kind on the prompted frame becomes an object. */
import type { Exemplar } from "../detector/concepts.js";
import { xywhToCxcywh } from "../detector/geometry.js";
import type { RunGraph, Tensor } from "../detector/graph.js";
import { semanticLogits } from "../detector/semantic.js";
import { glance } from "./follow.js";
import { drawExemplars, lookFor } from "./look.js";
import { giveBirth } from "./matching.js";
import type { Frame } from "./model.js";
import type { TrackerParts } from "./parts.js";
import { type ConceptPrompt, unsupportedByPack } from "./prompts.js";
import { report, type StepResult } from "./report.js";
import { settleOverlaps } from "./separation.js";
import { settle } from "./settle.js";

export async function promptConcept(
  parts: TrackerParts,
  frame: Frame,
  prompt: ConceptPrompt,
): Promise<{ result: StepResult; semanticLogits?: Float32Array }> {
  const { capabilities, concepts, registry, features, model, policy } = parts;
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
  let seen: Record<string, Tensor> = {};
  const run: RunGraph = async (role, inputs, fetch) => {
    const outputs = await parts.run(role, inputs, fetch);
    if (role === "detect") seen = outputs;
    return outputs;
  };
  const detections = await lookFor({ ...parts, run }, levels, [query]);
  if (policy.detect.exemplarIsInstance) {
    detections.push(...(await drawExemplars(parts, levels, concept, exemplars, detections)));
  }
  const { born, dropped } = giveBirth(parts, frame.index, detections, sights, true);
  settleOverlaps(parts, [...sights, ...born]);
  await settle(model, levels, frame.index, born, policy);
  const result = report(parts, [...sights, ...born], dropped);
  return prompt.semanticMap ? { result, semanticLogits: semanticLogits(seen, parts.geometry.m) } : { result };
}

function readExemplars({ exemplars }: ConceptPrompt): Exemplar[] {
  return (exemplars?.boxesXywh ?? []).map((box, index) => ({
    box: xywhToCxcywh(box),
    label: exemplars?.labels[index] ?? 1,
  }));
}
