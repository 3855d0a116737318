/**
 * SAM 3's rules as stages of the tracker's step.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py; for the settings of `transformersParity`,
 * huggingface/transformers:src/transformers/models/sam3_video/modeling_sam3_video.py.
 */
import type { Detection } from "../../detector/detect.js";
import { addFrame } from "../frame-set.js";
import type { Masklet } from "../masklet.js";
import { scoreOf } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackedObject } from "../report.js";
import type { StepFrame, StepRules } from "../step.js";
import { admitDetections, createObject } from "./admission.js";
import { associateSam3, type OverlapFindings, toTrack } from "./association.js";
import { sigmoid } from "./bucket-score.js";
import { unconfirmedIds, updateConfirmations } from "./confirmation.js";
import { forgetDeleted } from "./history.js";
import { type HotStartDecision, updateHotStart } from "./hot-start.js";
import { startObjects } from "./new-objects.js";
import { hideOccluded } from "./occlusion.js";
import { showNewObject, showTracked } from "./output.js";
import { type Correction, planCorrections } from "./recondition.js";
import { rememberPredictions, rememberTracked } from "./remember.js";

export interface Sam3Association {
  findings: OverlapFindings;
  /** The detections that become objects, and those objects, in the order of their ids. */
  admitted: readonly Detection[];
  created: readonly Masklet[];
  /** Number of new detections beyond the object limit. */
  dropped: number;
  /** The decision of the hot start. Objects that it removes are tracked and remembered until the end of the frame. */
  decision: HotStartDecision;
}

/** By object id. */
type Corrections = ReadonlyMap<number, Correction>;

export const sam3Rules: StepRules<Sam3Association, Corrections> = {
  detects: true,

  async associate(parts, frame) {
    const { policy, history } = parts;
    const { index, reverse, observations, detections } = frame;
    history.visited = addFrame(history.visited, index);
    const findings = associateSam3(observations.map(toTrack), detections, policy);
    const { admitted, dropped } = admitDetections(parts, findings, detections);
    const created = admitted.map((detection) => createObject(parts, index, detection));
    const support = {
      ...findings,
      unmatched: countedAsUnmatched(parts, frame, findings),
      frameIndex: index,
      reverse,
      born: created.map(({ id }) => id),
    };
    const decision = updateHotStart(history.hotStart, support, policy.life);
    history.hotStart = decision.hotStart;
    return { findings, admitted, created, dropped, decision };
  },

  correct: (parts, { features, index, observations, detections }, { findings }) =>
    planCorrections(parts, features, index, observations, detections, findings),

  suppressOccluded(parts, { index, reverse, observations }, { decision }) {
    hideOccluded(parts, index, reverse, observations, decision.removed);
  },

  remember: (parts, { features, index, observations }, _association, corrections) =>
    rememberTracked(parts, features, index, observations, corrections),

  async startObjects(parts, { features, index, observations }, { created, admitted }) {
    if (created.length === 0) return;
    const masks = admitted.map(({ maskLogits }) => maskLogits);
    await startObjects(parts, features, index, created, masks);
    if (parts.policy.transformersParity.retrackOnBirth)
      await rememberPredictions(parts, features, index, observations, true);
  },

  updateObjects(parts, _frame, { findings, created, decision }) {
    updateConfirmations(parts, findings, created);
    for (const id of decision.removed) parts.registry.delete(id);
    if (decision.removed.size > 0) forgetDeleted(parts.history, parts.registry);
  },

  report(parts, { observations }, association, corrections) {
    const { dropped, decision } = association;
    const correctionOf = (id: number) => {
      const correction = corrections.get(id);
      return correction?.isShown ? correction.detection.maskLogits : undefined;
    };
    const objects = [
      ...showTracked(parts, observations, decision.removed, correctionOf),
      ...showCreated(parts, observations, association),
    ];
    return {
      objects: objects.sort((a, b) => a.objectId - b.objectId),
      stats: { tracked: parts.registry.all().length, dropped },
      hiding: {
        removed: [...decision.removed],
        suppressed: [...decision.suppressed],
        unconfirmed: parts.policy.life.maskletConfirmationEnable
          ? unconfirmedIds(parts.history.confirmations)
          : [],
      },
    };
  },
};

/** Ids of the objects that count as unsupported on this frame. */
function countedAsUnmatched(
  { policy, registry }: TrackerParts,
  { queries }: StepFrame,
  { unmatched }: OverlapFindings,
): number[] {
  if (policy.sam3Parity.countUnsearchedFrames) return unmatched;
  const searched = new Set<number | null>(queries.map(({ concept }) => concept.key));
  return unmatched.filter((id) => searched.has(registry.get(id)?.conceptKey ?? null));
}

/**
 * The objects that start on this frame. With `transformersParity.shiftsOnRemoval`, the list of tracked scores is longer than
 * the list of remaining objects. As in the port, its last scores are then the tracking probabilities of the new objects.
 */
function showCreated(
  parts: TrackerParts,
  observations: StepFrame["observations"],
  { created, admitted, decision }: Sam3Association,
): TrackedObject[] {
  return created.map((masklet, place) => {
    const object = showNewObject(parts, masklet, admitted[place] as Detection);
    const shifted =
      parts.policy.transformersParity.shiftsOnRemoval &&
      observations[observations.length - decision.removed.size + place];
    if (!shifted) return object;
    return { ...object, claim: { group: object.claim?.group ?? null, prob: sigmoid(scoreOf(shifted)) } };
  });
}
