/** Selects the rules of a session; see `step.ts`. */
import { clickMotion } from "./motion/click.js";
import { createPromptedMotion } from "./motion/prompted-objects.js";
import { motionRules } from "./motion/rules.js";
import type { TrackerPolicy } from "./policy.js";
import { clickSam3 } from "./sam3/click.js";
import { createPromptedSam3 } from "./sam3/prompted-objects.js";
import { sam3Rules } from "./sam3/rules.js";
import { trackingRules } from "./sam3/tracking-rules.js";
import { type CreatePrompted, createStep, type TrackerStep } from "./step.js";

export interface RuleSet {
  /** One frame of a propagation. */
  step: TrackerStep;
  /** Creates objects from the detections of a concept prompt. */
  createPrompted: CreatePrompted;
  /** Creates or corrects the object of a click or box prompt. */
  click: typeof clickSam3;
}

/** By `associate.rules` of the policy. */
export const ruleSets: Record<TrackerPolicy["associate"]["rules"], RuleSet> = {
  sam3: { step: createStep(sam3Rules), createPrompted: createPromptedSam3, click: clickSam3 },
  motion: { step: createStep(motionRules), createPrompted: createPromptedMotion, click: clickMotion },
};

/** Tracking without detection, under either rule set. */
export const trackingStep = createStep(trackingRules);
