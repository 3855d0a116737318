/**
 * Clicks, a box or a mask on one object, by SAM 3's rules: the mask decoder segments the object, or the mask is used as it
 * is, and the frame becomes a conditioning frame.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracking_predictor.py; for corrections that are decoded with memory,
 * huggingface/transformers:src/transformers/models/sam3_tracker_video/modeling_sam3_tracker_video.py.
 */
import type { FrameFeatures } from "../../detector/graph.js";
import type { MemoryEntry } from "../../memory/bank.js";
import {
  checkNewObject,
  mergePrompts,
  nothingToExclude,
  onlyExcludes,
  promptOf,
  toPointPrompt,
} from "../click-prompt.js";
import { contradictsTrack } from "../corrections.js";
import { addFrame, hasFrame } from "../frame-set.js";
import { checkObjectPrompt, memoryOfMask, recallPrompts } from "../mask-prompt.js";
import { keepPrompt, type Masklet, type PromptState } from "../masklet.js";
import { gridRuns } from "../masks/given-mask.js";
import { gridMask } from "../masks/grid-mask.js";
import { emptyMask, hasPixels } from "../masks/mask.js";
import { enlarge } from "../masks/resize.js";
import type { Frame, Prediction } from "../model.js";
import type { Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type ObjectPrompt, objectLimit, PromptError } from "../prompts.js";
import type { StepResult, TrackedObject } from "../report.js";
import { directionFor, memoriesFor, observeFrame, trackObjects } from "../track-objects.js";
import { endHotStart } from "./hot-start.js";
import { showObservation } from "./output.js";
import { rememberPredictions } from "./remember.js";

/**
 * Creates or corrects an object.
 * @returns all objects on the frame, and the id of the prompted object
 * @throws PromptError `unsupported_by_pack`, `nothing_prompted` on an unvisited frame, `object_limit` for a new object, or
 *   `invalid_field` for negative clicks alone without a mask that they can refine
 */
export async function clickSam3(
  parts: TrackerParts,
  frame: Frame,
  prompt: ObjectPrompt,
): Promise<{ result: StepResult; objectId: number }> {
  const { features, registry, policy, history, geometry } = parts;
  checkClick(parts, frame.index, prompt);
  const masklet = findOrCreate(parts, frame.index, prompt.objectId);
  const levels = await features.get(frame, false);
  await recallPrompts(parts, levels, frame.index, [masklet]);
  const mergedPrompt = mergePrompts(masklet.prompts.get(frame.index), promptOf(prompt), prompt);
  const given = prompt.mask && (await memoryOfMask(parts, levels, frame.index, prompt.mask));
  const shown = prompt.shown && gridMask(prompt.shown, geometry.m);
  const entry =
    mergedPrompt.mask && given
      ? given
      : await segmentClicks(parts, levels, frame.index, masklet, mergedPrompt, {
          given: given?.maskLogits,
          shown,
        });

  const isCorrection = await contradictsTrack(parts, levels, frame.index, masklet, entry.maskLogits, shown);
  keepPrompt(masklet, frame.index, {
    ...mergedPrompt,
    ...(isCorrection && { overrules: true }),
    ...(entry.present && { drawn: gridRuns(entry.maskLogits, geometry.m) }),
  });
  Object.assign(masklet, { owned: true, prob: 1 });
  masklet.bank.add(entry);
  updateNeighbours(parts, masklet, frame.index);
  confirmObject(parts, masklet.id, policy.sam3Parity.clickConfirms || given !== undefined);
  history.visited = addFrame(history.visited, frame.index);

  if (policy.transformersParity.retrackOnBirth) {
    const others = await trackObjects(parts, levels, frame.index, false, ({ id }) => id !== masklet.id);
    await rememberPredictions(parts, levels, frame.index, others, true);
  }
  const observations = await observeFrame(parts, levels, frame.index, prompt.leavesOutOthers);
  const objects = observations.map((observation) =>
    observation.masklet === masklet
      ? showClicked(parts, observation, entry)
      : showObservation(parts, observation),
  );
  const stats = { tracked: registry.all().length, dropped: 0 };
  return {
    result: { objects: objects.filter(({ maskLogits }) => hasPixels(maskLogits)), stats },
    objectId: masklet.id,
  };
}

/** The clicked object in the result: the mask of the decoder, which is cleaned at the size of the video. */
function showClicked(
  parts: TrackerParts,
  observation: Observation,
  { maskLogits }: MemoryEntry,
): TrackedObject {
  const shown = showObservation(parts, observation);
  const claim = { group: shown.claim?.group ?? null, prob: 1 };
  return { ...shown, maskLogits, claim, cleanupMaxArea: parts.policy.mask.fillHoleArea };
}

/**
 * @throws PromptError when the pack does not support clicks, the frame was not visited, the session is full, or the clicks
 *   mark no object
 */
function checkClick(
  { capabilities, registry, policy, history }: TrackerParts,
  frameIndex: number,
  prompt: ObjectPrompt,
): void {
  checkObjectPrompt(prompt, capabilities);
  if (policy.sam3Parity.clickNeedsVisitedFrame && !prompt.mask && !hasFrame(history.visited, frameIndex)) {
    throw new PromptError(
      "nothing_prompted",
      `Clicks require a visited frame, and frame ${frameIndex} was not visited. Prompt a phrase on it or propagate to it first.`,
    );
  }
  const { maxNumObjects } = policy.life;
  const isKnown = prompt.objectId !== undefined && registry.get(prompt.objectId) !== undefined;
  if (!isKnown) checkNewObject(prompt);
  if (!isKnown && registry.all().length >= maxNumObjects) throw objectLimit(maxNumObjects);
}

function findOrCreate(
  { registry, policy }: TrackerParts,
  frameIndex: number,
  id: number | undefined,
): Masklet {
  const known = id === undefined ? undefined : registry.get(id);
  const isRestarted = known && policy.edit.useStatelessRefinement && !known.owned;
  if (known && !isRestarted) return known;
  if (isRestarted) registry.delete(known.id);
  const conceptKey = known?.conceptKey ?? null;
  const birth = { conceptKey, prob: 1, bornFrame: frameIndex, motion: null, confirmed: true };
  return registry.create(birth, id);
}

/** Whether the object has a memory of the frame that comes from tracking. */
function isTracked({ bank }: Masklet, frameIndex: number): boolean {
  const kind = bank.at(frameIndex)?.kind;
  return kind === "recent" || kind === "reconditioned";
}

/** Masks that clicks can refine, float32 [m, m] each. */
interface KnownMasks {
  /** Of the same prompt. */
  given: Float32Array | undefined;
  /** Shown on the frame; used when the object has no memory of the frame. */
  shown: Float32Array | undefined;
}

/** @returns the memory of the frame from clicks or a box */
async function segmentClicks(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
  mergedPrompt: PromptState,
  masks: KnownMasks,
): Promise<MemoryEntry> {
  const { model, policy, geometry } = parts;
  const wasTracked = isTracked(masklet, frameIndex);
  const decoded = await decode(parts, levels, frameIndex, masklet, mergedPrompt, masks);
  const { maskLogits, score, pointer } = decoded;
  const [memory] = await model.remember(levels, [
    { maskLogits: enlarge(maskLogits, geometry.m, geometry.S), score, isInput: true },
  ]);
  return {
    frameIndex,
    kind: policy.transformersParity.correctionIsConditioning || !wasTracked ? "prompted" : "recent",
    memory: memory as Float32Array,
    pointer,
    maskLogits,
    score,
    present: hasPixels(maskLogits),
  };
}

/** The mask logits of an object that the model predicts to be absent. */
const ABSENT = -1024;

async function decode(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
  mergedPrompt: PromptState,
  { given, shown }: KnownMasks,
): Promise<Prediction> {
  const { model, policy } = parts;
  const points = toPointPrompt(mergedPrompt, policy.transformersParity.maxPoints || Number.POSITIVE_INFINITY);
  if (policy.edit.usePrevMemFrame && !mergedPrompt.refinesMask && isTracked(masklet, frameIndex)) {
    const selection = memoriesFor(masklet, frameIndex, false, parts);
    if (selection.memories.length > 0) return model.trackPrompted(levels, selection, points);
  }
  const known = masklet.bank.at(frameIndex);
  const usesKnown = policy.transformersParity.previousMask || mergedPrompt.refinesMask;
  const stored = known?.maskCleared ? null : (known?.maskLogits ?? shown ?? null);
  let previous = given ?? (usesKnown ? stored : null);
  if (policy.edit.excludesFromTracked && onlyExcludes(mergedPrompt)) {
    previous ??= await trackedMask(parts, levels, frameIndex, masklet);
    if (!hasPixels(previous)) throw nothingToExclude(masklet.id, frameIndex);
  }
  const answer = await model.segment(levels, points, previous);
  return answer.score > 0 ? answer : { ...answer, maskLogits: answer.maskLogits.map(() => ABSENT) };
}

/** float32 [m, m]: the mask of an object on a frame of which it has no memory; empty without any memory */
async function trackedMask(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
): Promise<Float32Array> {
  const selection = memoriesFor(masklet, frameIndex, directionFor(masklet, frameIndex), parts);
  if (selection.memories.length === 0) return emptyMask(parts.geometry.m);
  const [tracked] = await parts.model.track(levels, [selection]);
  return (tracked as Prediction).maskLogits;
}

/**
 * Updates the memories around a click for every object in the bucket: demotes the conditioning frames from detections near
 * the click, and makes the clicked frame a conditioning frame.
 */
function updateNeighbours(
  { registry, policy: { edit, sam3Parity, transformersParity } }: TrackerParts,
  masklet: Masklet,
  frameIndex: number,
): void {
  const others = registry.all().filter(({ id, bucket }) => id !== masklet.id && bucket === masklet.bucket);
  if (edit.clearFrames > 0) masklet.bank.clearAround(frameIndex, edit.clearFrames);
  if (sam3Parity.clearMasksWindow > 0 && others.length === 0)
    masklet.bank.clearMasksAround(frameIndex, sam3Parity.clearMasksWindow);
  if (transformersParity.correctionIsConditioning)
    for (const { bank } of others) bank.promote(frameIndex, "reconditioned");
  const window = edit.refinementDetectorCondFrameRemovalWindow;
  for (const frame of masklet.bank.demoteAround(frameIndex, window, edit.demotedAreForgotten)) {
    for (const { bank } of others) if (bank.conditioning.length > 1) bank.demote(frame);
  }
}

/** Sets the confirmation of a prompted object. A confirmed one ends its hot start. */
function confirmObject({ history }: TrackerParts, id: number, confirmed: boolean): void {
  if (confirmed) history.hotStart = endHotStart(history.hotStart, id);
  history.confirmations = new Map([...history.confirmations, [id, { streak: 0, confirmed }]]);
}
