/**
 * Interactive segmentation of one picture: prompts in, candidate masks out, nothing remembered. This is the image
 * predictor of SAM and SAM 2 (`facebookresearch/sam2:sam2/sam2_image_predictor.py`) on the pack's `segment` graph.
 */
import { withCorners } from "./click-prompt.js";
import { type Candidates, type Frame, type PointPrompt, PREVIOUS_LOGIT } from "./model.js";
import type { TrackerParts } from "./parts.js";
import { PromptError, unsupportedByPack } from "./prompts.js";

/** All coordinates relative to the frame. */
export interface PredictionPrompt {
  /** Clicks: one list per prompt of the batch, all of one length; none at all is a list of empty lists. */
  points: readonly (readonly (readonly [x: number, y: number])[])[];
  labels: readonly (readonly (0 | 1)[])[];
  /** x0, y0, x1, y1: one per prompt of the batch, or none at all. */
  boxesXyxy?: readonly (readonly [x0: number, y0: number, x1: number, y1: number])[];
  /** Logits to go on from, for every prompt of the batch. */
  maskInput?: { logits: Float32Array; size: readonly [height: number, width: number] };
  /** Three masks per prompt, or one. */
  multimask: boolean;
}

/** One proposed mask. */
export interface Candidate {
  /** float32 [m, m], within ±32 */
  maskLogits: Float32Array;
  /** Predicted quality of the mask, about 0..1. */
  iou: number;
}

/** @returns for each prompt of the batch its candidates, in the model's order. @throws PromptError */
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
      maskLogits: (candidates.masks[index] as Float32Array).map(clamp),
      iou: candidates.ious[index] as number,
    })),
  );
}

const clamp = (logit: number) => Math.max(-PREVIOUS_LOGIT, Math.min(PREVIOUS_LOGIT, logit));

function previousLogits(
  given: PredictionPrompt["maskInput"],
  side: number,
  isSupported: boolean,
): Float32Array | null {
  if (!given) return null;
  if (!isSupported) {
    throw new PromptError("unsupported_by_pack", "This model pack cannot go on from a mask.", "mask_input");
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

/** The corners of the box, then the clicks; one point that is none where nothing else is. */
function pointPrompts({ points, labels, boxesXyxy }: PredictionPrompt): PointPrompt[] {
  return points.map((clicks, row) => {
    const all = withCorners(boxesXyxy?.[row], { points: clicks, labels: labels[row] ?? [] });
    return all.points.length > 0 ? all : { points: [[0, 0]], labels: [-1] };
  });
}

/**
 * Which mask stands for a prompt when one is wanted: the one made for that, unless its edge is so unsure that the best of
 * the three is better (`_dynamic_multimask_via_stability` of `facebookresearch/sam2:sam2/modeling/sam/mask_decoder.py`).
 */
function singleMask({ ious, stability }: Candidates, threshold: number | undefined): number {
  if (threshold === undefined || stability >= threshold) return 0;
  return [1, 2, 3].reduce((best, index) => ((ious[index] as number) > (ious[best] as number) ? index : best));
}
