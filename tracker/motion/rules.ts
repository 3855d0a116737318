/**
 * masklet's own rules, as stages of the tracker's step. Detections are associated with objects one to one, by mask overlap
 * and motion. After a crossing, look-alikes are distinguished by their motion before it.
 */
import { isConclusive } from "../detection-search.js";
import { updateLifecycle } from "../masklet.js";
import { isVisible, type Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { StepFrame, StepRules } from "../step.js";
import { createDivider } from "./divider.js";
import { enterPass } from "./enter-pass.js";
import { keepApart } from "./keep-apart.js";
import { separateLookAlikes } from "./look-alikes.js";
import { createObjects, matchDetections } from "./matching.js";
import { recondition } from "./recondition.js";
import { redraw } from "./redraw.js";
import { rememberFrame } from "./remember.js";
import { report } from "./report.js";
import { resolveOverlaps } from "./suppression.js";
import { updateMotion } from "./update-motion.js";

export interface MotionAssociation {
  /** The tracked objects and the new ones. */
  all: readonly Observation[];
  /** Number of new detections beyond the object limit. */
  dropped: number;
}

export const motionRules: StepRules<MotionAssociation, void> = {
  detects: true,

  beginFrame: enterPass,

  async associate(parts, { index, features, observations, detections }) {
    keepApart(observations, parts.geometry.m);
    const divider = createDivider(parts, index, observations);
    divider.confine();
    const unmatched = matchDetections(parts, index, observations, divider.divide(detections));
    const { created, dropped } = createObjects(parts, index, unmatched, observations, false);
    await redraw(parts, features, [...observations.filter(({ replaced }) => replaced), ...created]);
    divider.confine();
    return { all: [...observations, ...created], dropped };
  },

  resolveConflicts(parts, { index, observations, queries }, { all }) {
    resolveOverlaps(parts, all);
    parts.pass.crossings = separateLookAlikes(
      parts,
      parts.pass.crossings,
      index,
      observations,
      queries.length > 0,
    );
  },

  async correct(parts, { index, features, observations }) {
    await redraw(parts, features, recondition(parts, index, observations));
  },

  /** Tracked and new objects share the calls of the model. */
  async remember(parts, { index, features }, { all }) {
    await rememberFrame(parts.model, features, index, all, parts.policy);
  },

  updateObjects(parts, frame) {
    updateMotion(parts, frame.index, frame.observations);
    updateLifecycles(parts, frame);
    parts.registry.trim();
  },

  report: (parts, _frame, { all, dropped }) => report(parts, all, dropped),
};

function updateLifecycles({ registry, policy }: TrackerParts, { index, observations, queries }: StepFrame) {
  const conclusive = queries.filter((query) => isConclusive(query, index));
  const searched = new Set<number | null>(conclusive.map(({ concept }) => concept.key));
  for (const observation of observations) {
    const { masklet, detection } = observation;
    const facts = {
      frameIndex: index,
      visible: isVisible(observation),
      searched: searched.has(masklet.conceptKey),
      detected: detection !== null,
      confident: (detection?.score ?? 0) >= policy.detect.newDetThresh,
    };
    if (!updateLifecycle(masklet, facts, policy.life)) registry.delete(masklet.id);
  }
}
