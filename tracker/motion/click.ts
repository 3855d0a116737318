/** Clicks, a box or a mask on one object, by the motion-based rules: creates the object or corrects it. */
import type { FrameFeatures } from "../../detector/graph.js";
import { maskExtent } from "../../detector/mask-bits.js";
import type { MemoryEntry } from "../../memory/bank.js";
import { checkNewObject, mergePrompts, nothingToExclude, promptOf } from "../click-prompt.js";
import { contradictsTrack } from "../corrections.js";
import { checkObjectPrompt, memoryOfMask, recallPrompts } from "../mask-prompt.js";
import { keepPrompt, type Masklet } from "../masklet.js";
import { cleanMask } from "../masks/clean.js";
import { gridRuns } from "../masks/given-mask.js";
import { gridMask } from "../masks/grid-mask.js";
import { hasPixels } from "../masks/mask.js";
import type { Frame } from "../model.js";
import { CERTAIN } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type ObjectPrompt, objectLimit } from "../prompts.js";
import type { StepResult } from "../report.js";
import { directionFor, memoriesFor, observeFrame } from "../track-objects.js";
import { type EditContext, editObject } from "./edit-object.js";
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
  const { capabilities, registry, features, policy, geometry } = parts;
  checkObjectPrompt(prompt, capabilities);
  const existing = prompt.objectId === undefined ? undefined : registry.get(prompt.objectId);
  const corrected = existing?.excluded ? undefined : existing;
  if (!corrected) checkNewObject(prompt);
  if (!corrected && registry.isFull()) throw objectLimit(policy.life.maxNumObjects);

  const levels = await features.get(frame, false);
  if (corrected) await recallPrompts(parts, levels, frame.index, [corrected]);
  const before = corrected?.prompts.get(frame.index);
  const mergedPrompt = mergePrompts(before, promptOf(prompt), prompt);
  const given = prompt.mask && (await memoryOfMask(parts, levels, frame.index, prompt.mask));
  const shown = corrected && prompt.shown && gridMask(prompt.shown, geometry.m);
  const known = (given ?? corrected?.bank.at(frame.index))?.maskLogits ?? shown;
  const entry =
    mergedPrompt.mask && given
      ? given
      : await segmentClicks(parts, levels, frame.index, { prompt: mergedPrompt, before, known, corrected });
  if (!entry) throw nothingToExclude(prompt.objectId, frame.index);
  const isCorrection =
    corrected && (await contradictsTrack(parts, levels, frame.index, corrected, entry.maskLogits, shown));
  const extent = maskExtent(entry.maskLogits, geometry.m);

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
  keepPrompt(masklet, frame.index, {
    ...mergedPrompt,
    ...(isCorrection && { overrules: true }),
    ...(extent && { drawn: gridRuns(entry.maskLogits, geometry.m) }),
  });
  // The memories of the tracked frames around the prompt led to the error.
  masklet.bank.clearAround(frame.index, policy.edit.clearFrames);
  masklet.bank.add(entry);
  masklet.bank.demoteAround(
    frame.index,
    policy.edit.refinementDetectorCondFrameRemovalWindow,
    policy.edit.demotedAreForgotten,
  );

  const observations = await observeFrame(parts, levels, frame.index, prompt.leavesOutOthers);
  resolveOverlaps(parts, observations);
  return { result: report(parts, observations, 0), objectId: masklet.id };
}

/** @returns the memory of the frame from clicks or a box; null when the clicks have no mask to refine */
async function segmentClicks(
  parts: TrackerParts,
  levels: FrameFeatures,
  frameIndex: number,
  { corrected, ...context }: Omit<EditContext, "selection" | "side"> & { corrected: Masklet | undefined },
): Promise<MemoryEntry | null> {
  const { model, policy, geometry } = parts;
  const selection = corrected
    ? memoriesFor(corrected, frameIndex, directionFor(corrected, frameIndex), parts)
    : { memories: [], pointers: [] };
  const rules = { ...policy.edit, ...policy.transformersParity };
  const edited = await editObject(model, levels, { ...context, selection, side: geometry.m }, rules);
  if (!edited) return null;
  const maskLogits = cleanMask(edited.maskLogits, geometry.m, policy.mask);
  const present = hasPixels(maskLogits);
  const [memory] = await model.remember(levels, [
    { maskLogits, score: present ? CERTAIN : -CERTAIN, isInput: true },
  ]);
  const { pointer, score } = edited;
  return {
    frameIndex,
    kind: "prompted",
    memory: memory as Float32Array,
    pointer,
    maskLogits,
    score,
    present,
  };
}
