/** Selects the rules of a session; see `step.ts`. */
import { createPromptedMotion } from "./motion/prompted-objects.js";
import { motionRules } from "./motion/rules.js";
import type { TrackerPolicy } from "./policy.js";
import { createPromptedSam3 } from "./sam3/prompted-objects.js";
import { sam3Rules } from "./sam3/rules.js";
import { trackingRules } from "./sam3/tracking-rules.js";
import { type CreatePrompted, createStep, type TrackerStep } from "./step.js";

export interface RuleSet {
  /** One frame of a propagation. */
  step: TrackerStep;
  /** Creates objects from the detections of a concept prompt. */
  createPrompted: CreatePrompted;
}

/** By `associate.identity` of the policy. */
export const ruleSets: Record<TrackerPolicy["associate"]["identity"], RuleSet> = {
  overlap: { step: createStep(sam3Rules), createPrompted: createPromptedSam3 },
  motion: { step: createStep(motionRules), createPrompted: createPromptedMotion },
};

/** Tracking without detection, under either rule set. */
export const trackingStep = createStep(trackingRules);
