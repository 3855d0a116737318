/**
 * Interactive segmentation of one image. Returns candidate masks and changes no state.
 *
 * Source: facebookresearch/sam2:sam2/sam2_image_predictor.py, here with the pack's `segment` graph.
 */
import { withCorners } from "./click-prompt.js";
import type { Candidates, Frame, PointPrompt } from "./model.js";
import { clampLogit, NO_PROMPT } from "./model-tensors.js";
import type { TrackerParts } from "./parts.js";
import { PromptError, unsupportedByPack } from "./prompts.js";

/** A batch of prompts on one image. Coordinates are relative to the frame, 0..1. */
export interface PredictionPrompt {
  /** Clicks: one list per prompt, all of the same length; empty lists for prompts without clicks. */
  points: readonly (readonly (readonly [x: number, y: number])[])[];
  /** For each click: 1 inside, 0 outside. */
  labels: readonly (readonly (0 | 1)[])[];
  /** One box per prompt; absent: no boxes. */
  boxesXyxy?: readonly (readonly [x0: number, y0: number, x1: number, y1: number])[];
  /** A mask to refine, the same for all prompts: logits, float32 [height, width]. */
  maskInput?: { logits: Float32Array; size: readonly [height: number, width: number] };
  /** True: three masks per prompt. False: one. */
  multimask: boolean;
}

/** A candidate mask of one prompt. */
export interface Candidate {
  /** float32 [m, m], clamped to ±32 */
  maskLogits: Float32Array;
  /** Predicted quality of the mask, about 0..1. */
  iou: number;
}

/**
 * @returns for each prompt its candidates, in the model's order
 * @throws PromptError when the pack does not support the prompt, or when `maskInput` has another size or contains NaN
 */
export async function predict(
  { capabilities, features, model, geometry, decode }: TrackerParts,
  frame: Frame,
  prompt: PredictionPrompt,
): Promise<Candidate[][]> {
  if (!capabilities.points) throw unsupportedByPack("points", capabilities);
  const previous = previousLogits(prompt.maskInput, geometry.m, capabilities.maskInput ?? true);
  const levels = await features.get(frame, false);
  const proposed = await model.propose(levels, pointPrompts(prompt), previous);
  return proposed.map((candidates) =>
    (prompt.multimask ? [1, 2, 3] : [singleMask(candidates, decode?.singleMaskStability)]).map((index) => ({
      maskLogits: (candidates.masks[index] as Float32Array).map(clampLogit),
      iou: candidates.ious[index] as number,
    })),
  );
}

function previousLogits(
  given: PredictionPrompt["maskInput"],
  side: number,
  isSupported: boolean,
): Float32Array | null {
  if (!given) return null;
  if (!isSupported) {
    throw new PromptError(
      "unsupported_by_pack",
      "This model pack does not support mask_input.",
      "mask_input",
    );
  }
  const { logits, size } = given;
  if (size[0] !== side || size[1] !== side) {
    throw new PromptError(
      "invalid_field",
      `mask_input.size: expected [${side}, ${side}], the size of this pack's low_res_masks, got [${size.join(", ")}]`,
      "mask_input.size",
    );
  }
  if (logits.some(Number.isNaN)) {
    throw new PromptError("invalid_field", "mask_input.data: expected numbers, got NaN", "mask_input.data");
  }
  return logits;
}

/** The corners of the box, then the clicks. A prompt with neither gets one point that the model ignores. */
function pointPrompts({ points, labels, boxesXyxy }: PredictionPrompt): PointPrompt[] {
  return points.map((clicks, row) => {
    const all = withCorners(boxesXyxy?.[row], { points: clicks, labels: labels[row] ?? [] });
    return all.points.length > 0 ? all : NO_PROMPT;
  });
}

/**
 * Selects the candidate when one mask is requested: the single-mask output, or, if that is not stable enough, the best of
 * the multimask outputs (`_dynamic_multimask_via_stability` of `facebookresearch/sam2:sam2/modeling/sam/mask_decoder.py`).
 * @param threshold lowest stability of the single-mask output; undefined: any
 */
function singleMask({ ious, stability }: Candidates, threshold: number | undefined): number {
  if (threshold === undefined || stability >= threshold) return 0;
  return [1, 2, 3].reduce((best, index) => ((ious[index] as number) > (ious[best] as number) ? index : best));
}
