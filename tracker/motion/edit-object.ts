/** Selects the graph that segments the object of clicks or a box, by the motion-based rules. */
import type { FrameFeatures } from "../../detector/graph.js";
import type { Selection } from "../../memory/select.js";
import { extendsPrompt, onlyExcludes, toPointPrompt } from "../click-prompt.js";
import type { PromptState } from "../masklet.js";
import { hasPixels } from "../masks/mask.js";
import type { Model, Prediction } from "../model.js";
import type { TrackerPolicy } from "../policy.js";
import { refineMask } from "./refine-mask.js";

/**
 * Number of clicks that a mask satisfies: positive clicks inside it, and negative clicks outside.
 * @param maskLogits float32 [side, side]
 */
export function countSatisfiedClicks(
  maskLogits: Float32Array,
  side: number,
  { points, labels }: PromptState,
): number {
  const cell = (relative: number) => Math.min(side - 1, Math.max(0, Math.floor(relative * side)));
  return points.filter(([x, y], index) => {
    const inside = (maskLogits[cell(y) * side + cell(x)] as number) > 0;
    return inside === (labels[index] === 1);
  }).length;
}

export interface EditContext {
  /** The merged prompt: all clicks and the box on the object on this frame, including the new ones. */
  prompt: PromptState;
  /** The prompt on this frame before the merge. */
  before: PromptState | undefined;
  /**
   * float32 [side, side]: the mask of this frame that may be refined, if there is one. It comes from the prompt, from the
   * object's memory, or is the one that is shown.
   */
  known: Float32Array | undefined;
  /** The object's memories of other frames. */
  selection: Selection;
  /** Side of the mask logits. */
  side: number;
}

export type EditRules = Pick<TrackerPolicy["edit"], "usePrevMemFrame"> &
  Pick<TrackerPolicy["transformersParity"], "maxPoints">;

/**
 * Segments the object of a prompt.
 * - The known mask of the frame is refined when the prompt is the first one there, contains the earlier one, refines a mask of
 *   the user, or consists of negative clicks alone.
 * - Other clicks on an object with memories of other frames: it is tracked to the frame. If the mask does not satisfy all
 *   clicks, the decoder refines it. The mask that satisfies more clicks is returned.
 * - All other prompts: the decoder segments the object without memory. A box marks the whole object, so it is never combined
 *   with memory.
 * @returns null for negative clicks alone without a mask that they can refine
 */
export async function editObject(
  model: Model,
  features: FrameFeatures,
  { prompt, before, known, selection, side }: EditContext,
  rules: EditRules,
): Promise<Prediction | null> {
  const { maxPoints, usePrevMemFrame } = rules;
  const excludes = onlyExcludes(prompt);
  const isContinued =
    excludes || prompt.refinesMask || (before ? extendsPrompt(before, prompt) : !prompt.box);
  if (isContinued && known && hasPixels(known))
    return refineMask(model, features, { mask: known, side, prompt, before }, maxPoints);
  const points = toPointPrompt(prompt, maxPoints);
  const isCombined = !prompt.box && !prompt.refinesMask && selection.memories.length > 0;
  if (!usePrevMemFrame || !isCombined) return excludes ? null : model.segment(features, points, null);

  const tracked = await model.trackPrompted(features, selection, points);
  const mask = tracked.maskLogits;
  const satisfied = countSatisfiedClicks(mask, side, prompt);
  if (satisfied === prompt.points.length) return tracked;
  const refined = hasPixels(mask)
    ? await refineMask(model, features, { mask, side, prompt, before: undefined }, maxPoints)
    : await model.segment(features, points, null);
  return countSatisfiedClicks(refined.maskLogits, side, prompt) > satisfied ? refined : tracked;
}
