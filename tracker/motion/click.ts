/** Clicks or a box on one object, by the motion-based rules: creates the object or corrects it. */
import { maskExtent } from "../../detector/mask-bits.js";
import { checkNewObject, editObject, mergePrompts, nothingToExclude } from "../click-prompt.js";
import { keepPrompt, type Masklet } from "../masklet.js";
import { cleanMask } from "../masks/clean.js";
import type { Frame } from "../model.js";
import { CERTAIN } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type ObjectPrompt, objectLimit, unsupportedByPack } from "../prompts.js";
import type { StepResult } from "../report.js";
import { directionFor, memoriesFor, observeFrame } from "../track-objects.js";
import { startMotion } from "./motion-model.js";
import { report } from "./report.js";
import { resolveOverlaps } from "./suppression.js";

/**
 * Creates or corrects an object.
 * @returns all objects on the frame, and the id of the prompted object
 * @throws PromptError `unsupported_by_pack`, `object_limit` for a new object, or `invalid_field` for negative clicks alone
 *   without a mask that they can refine
 */
export async function clickMotion(
  parts: TrackerParts,
  frame: Frame,
  prompt: ObjectPrompt,
): Promise<{ result: StepResult; objectId: number }> {
  const { capabilities, registry, features, model, policy, geometry } = parts;
  if (!capabilities.points) throw unsupportedByPack("points", capabilities);
  const existing = prompt.objectId === undefined ? undefined : registry.get(prompt.objectId);
  const corrected = existing?.excluded ? undefined : existing;
  if (!corrected) checkNewObject(prompt);
  if (!corrected && registry.isFull()) throw objectLimit(policy.life.maxNumObjects);

  const levels = await features.get(frame, false);
  const { points, labels, boxXywh } = prompt;
  const before = corrected?.prompts.get(frame.index);
  const mergedPrompt = mergePrompts(before, { points, labels, ...(boxXywh ? { box: boxXywh } : {}) }, prompt);
  const selection = corrected
    ? memoriesFor(corrected, frame.index, directionFor(corrected, frame.index), parts)
    : { memories: [], pointers: [] };
  const known = corrected?.bank.at(frame.index);
  const edited = await editObject(
    model,
    levels,
    { prompt: mergedPrompt, before, known, selection, side: geometry.m },
    { ...policy.edit, ...policy.transformersParity },
  );
  if (!edited) throw nothingToExclude(prompt.objectId, frame.index);
  const maskLogits = cleanMask(edited.maskLogits, geometry.m, policy.mask);
  const extent = maskExtent(maskLogits, geometry.m);
  const [memory] = await model.remember(levels, [
    { maskLogits, score: extent ? CERTAIN : -CERTAIN, isInput: true },
  ]);

  const motion = extent && startMotion(extent, frame.index);
  const birth = { conceptKey: null, prob: 1, bornFrame: frame.index, motion, confirmed: true };
  const masklet = corrected ?? registry.create(birth, prompt.objectId);
  const owned: Partial<Masklet> = {
    owned: true,
    prob: 1,
    state: extent ? "seen" : "lost",
    lostFrames: 0,
    motion,
  };
  Object.assign(masklet, owned);
  keepPrompt(masklet, frame.index, mergedPrompt);
  // The memories of the tracked frames around the click led to the error.
  masklet.bank.clearAround(frame.index, policy.edit.clearFrames);
  masklet.bank.add({
    frameIndex: frame.index,
    kind: "prompted",
    memory: memory as Float32Array,
    pointer: edited.pointer,
    maskLogits,
    score: edited.score,
    present: extent !== null,
  });
  masklet.bank.demoteAround(
    frame.index,
    policy.edit.refinementDetectorCondFrameRemovalWindow,
    policy.edit.demotedAreForgotten,
  );

  const observations = await observeFrame(parts, levels, frame.index);
  resolveOverlaps(parts, observations);
  return { result: report(parts, observations, 0), objectId: masklet.id };
}
