/**
 * Clicks or a box on one object by SAM 3's rules: the decoder answers them, and the frame becomes a conditioning frame.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracking_predictor.py, and for decoding corrections with memory
 * huggingface/transformers:src/transformers/models/sam3_tracker_video/modeling_sam3_tracker_video.py.
 */
import type { FrameFeatures } from "../../detector/graph.js";
import { mergePrompts, toPointPrompt } from "../click-prompt.js";
import type { Masklet, PromptState } from "../masklet.js";
import { hasPixels } from "../masks/mask.js";
import { enlarge } from "../masks/resize.js";
import type { Frame, Prediction } from "../model.js";
import type { Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type ObjectPrompt, PromptError } from "../prompts.js";
import type { StepResult, TrackedObject } from "../report.js";
import { memoriesFor, observeFrame, trackObjects } from "../track-objects.js";
import { unflag } from "./hot-start.js";
import { showObservation } from "./output.js";
import { rememberPredictions } from "./remember.js";

export async function clickSam3(
  parts: TrackerParts,
  frame: Frame,
  prompt: ObjectPrompt,
): Promise<{ result: StepResult; objectId: number }> {
  const { capabilities, features, registry, policy, history, model, geometry } = parts;
  if (!capabilities.points)
    throw new PromptError("unsupported_by_pack", "This pack takes no clicks and boxes.");
  const masklet = findOrCreate(parts, frame.index, prompt.objectId);
  if (policy.sam3Parity.clickNeedsVisitedFrame && !history.visited.has(frame.index)) {
    throw new PromptError(
      "nothing_prompted",
      `Clicks need a frame that was visited: name a phrase on frame ${frame.index}, or propagate to it first.`,
    );
  }
  const levels = await features.get(frame, false);
  const { points, labels, boxXywh } = prompt;
  const added = { points, labels, ...(boxXywh ? { box: boxXywh } : {}) };
  const mergedPrompt = mergePrompts(masklet.prompts.get(frame.index), added, prompt);
  const wasTracked = isTracked(masklet, frame.index);
  const edited = await decode(parts, levels, frame.index, masklet, mergedPrompt);
  const [memory] = await model.remember(levels, [
    { maskLogits: enlarge(edited.maskLogits, geometry.m, geometry.S), score: edited.score, isInput: true },
  ]);

  const present = edited.maskLogits.some((logit) => logit > 0);
  masklet.prompts.set(frame.index, mergedPrompt);
  Object.assign(masklet, { owned: true, prob: 1 });
  masklet.bank.add({
    frameIndex: frame.index,
    kind: policy.transformersParity.correctionIsConditioning || !wasTracked ? "prompted" : "recent",
    memory: memory as Float32Array,
    pointer: edited.pointer,
    maskLogits: edited.maskLogits,
    score: edited.score,
    present,
  });
  updateNeighbours(parts, masklet, frame.index);
  confirmByUser(parts, masklet.id);
  history.visited.add(frame.index);

  if (policy.transformersParity.retrackOnBirth) {
    const others = await trackObjects(parts, levels, frame.index, false, ({ id }) => id !== masklet.id);
    await rememberPredictions(parts, levels, frame.index, others, true);
  }
  const observations = await observeFrame(parts, levels, frame.index);
  const objects = observations.map((observation) =>
    observation.masklet === masklet
      ? showAnswer(parts, observation, edited)
      : showObservation(parts, observation),
  );
  const stats = { tracked: registry.all().length, dropped: 0 };
  return {
    result: { objects: objects.filter(({ maskLogits }) => hasPixels(maskLogits)), stats },
    objectId: masklet.id,
  };
}

/** What the user gets to see of the answer to a click: as it was drawn, and cleaned only at the size of the video. */
function showAnswer(
  parts: TrackerParts,
  observation: Observation,
  { maskLogits }: Prediction,
): TrackedObject {
  const shown = showObservation(parts, observation);
  const claim = { group: shown.claim?.group ?? null, prob: 1 };
  return { ...shown, maskLogits, claim, cleanupMaxArea: parts.policy.mask.fillHoleArea };
}

function findOrCreate(
  { registry, policy }: TrackerParts,
  frameIndex: number,
  id: number | undefined,
): Masklet {
  const known = id === undefined ? undefined : registry.get(id);
  const starts = known && policy.edit.useStatelessRefinement && !known.owned;
  if (known && !starts) return known;
  if (starts) registry.delete(known.id);
  if (registry.all().length >= policy.life.maxNumObjects) {
    throw new PromptError("object_limit", `A session follows at most ${policy.life.maxNumObjects} objects.`);
  }
  const conceptKey = known?.conceptKey ?? null;
  const birth = { conceptKey, prob: 1, bornFrame: frameIndex, motion: null, confirmed: true };
  return registry.create(birth, id);
}

/** Whether the frame is one that the tracker went over, rather than one that was given or never seen. */
function isTracked({ bank }: Masklet, frameIndex: number): boolean {
  const kind = bank.at(frameIndex)?.kind;
  return kind === "recent" || kind === "reconditioned";
}

/** What the model left of an object that it says is not there. */
const ABSENT = -1024;

async function decode(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
  mergedPrompt: PromptState,
): Promise<Prediction> {
  const { model, policy } = parts;
  const points = toPointPrompt(mergedPrompt, policy.transformersParity.maxPoints || Number.POSITIVE_INFINITY);
  if (policy.edit.usePrevMemFrame && isTracked(masklet, frameIndex)) {
    const selection = memoriesFor(masklet, frameIndex, false, parts);
    if (selection.memories.length > 0) return model.trackPrompted(levels, selection, points);
  }
  const known = masklet.bank.at(frameIndex);
  const previous =
    policy.transformersParity.previousMask && known && !known.maskSpent ? known.maskLogits : null;
  const answer = await model.segment(levels, points, previous);
  return answer.score > 0 ? answer : { ...answer, maskLogits: answer.maskLogits.map(() => ABSENT) };
}

/**
 * What a click does to the frames around it: what the detector made of the object there conditions no longer, for nobody of
 * the bucket, while the clicked frame conditions all of them.
 */
function updateNeighbours(
  { registry, policy: { edit, sam3Parity, transformersParity } }: TrackerParts,
  masklet: Masklet,
  frameIndex: number,
): void {
  const mates = registry.all().filter(({ id, bucket }) => id !== masklet.id && bucket === masklet.bucket);
  if (edit.clearFrames > 0) masklet.bank.clearAround(frameIndex, edit.clearFrames);
  if (sam3Parity.clearMasksWindow > 0 && mates.length === 0)
    masklet.bank.spendMasksAround(frameIndex, sam3Parity.clearMasksWindow);
  if (transformersParity.correctionIsConditioning)
    for (const { bank } of mates) bank.promote(frameIndex, "reconditioned");
  const window = edit.refinementDetectorCondFrameRemovalWindow;
  for (const frame of masklet.bank.demoteAround(frameIndex, window, edit.demotedAreForgotten)) {
    for (const { bank } of mates) if (bank.conditioning.length > 1) bank.demote(frame);
  }
}

/** The user's word: the object is shown again, and where clicks confirm, nothing the detector says ends it. */
function confirmByUser({ history, policy }: TrackerParts, id: number): void {
  history.hotStart = unflag(history.hotStart, id, policy.sam3Parity.clickConfirms);
  const standing = { streak: 0, confirmed: policy.sam3Parity.clickConfirms };
  history.standings = new Map([...history.standings, [id, standing]]);
}
