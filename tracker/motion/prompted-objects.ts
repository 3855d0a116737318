/**
 * Objects from a phrase or exemplar boxes, by the motion-based rules: a detection that overlaps no object becomes a new
 * object.
 */
import type { TrackerParts } from "../parts.js";
import type { StepResult } from "../report.js";
import type { PromptedFrame } from "../step.js";
import { createObjects } from "./matching.js";
import { redraw } from "./redraw.js";
import { rememberFrame } from "./remember.js";
import { report } from "./report.js";
import { resolveOverlaps } from "./suppression.js";

export async function createPromptedMotion(
  parts: TrackerParts,
  { index, features, observations, detections }: PromptedFrame,
): Promise<StepResult> {
  const { created, dropped } = createObjects(parts, index, detections, observations, true);
  await redraw(parts, features, created);
  const all = [...observations, ...created];
  resolveOverlaps(parts, all);
  await rememberFrame(parts.model, features, index, created, parts.policy);
  return report(parts, all, dropped);
}
