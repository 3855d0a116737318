/**
 * Tracking without detection, as stages of the tracker's step: objects have no effect on each other. SAM 3 tracks this way
 * after clicks (its "partial" propagation), and its port does so in sessions with clicks only.
 */
import type { StepRules } from "../step.js";
import { showObservation } from "./output.js";
import { rememberPredictions } from "./remember.js";

export const trackingRules: StepRules<void, void> = {
  detects: false,

  async associate() {},

  async correct() {},

  async remember(parts, { index, features, observations }) {
    await rememberPredictions(parts, features, index, observations, false);
  },

  report(parts, { objectIds, observations }) {
    return {
      objects: observations
        .filter(({ masklet }) => objectIds === null || objectIds.has(masklet.id))
        .map((observation) => showObservation(parts, observation)),
      stats: { tracked: parts.registry.all().length, dropped: 0 },
    };
  },
};
