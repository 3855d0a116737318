/** Packs prompts and masks into batched input tensors, and copies the values of one object from a batched output. */
import { float32, int32, type Tensor } from "../detector/graph.js";
import type { PointPrompt } from "./model.js";

/** Largest magnitude of the mask logits of a mask prompt, as in `facebookresearch/sam2:sam2/sam2_image_predictor.py`. */
const MAX_LOGIT = 32;

export function clampLogit(logit: number): number {
  return Math.max(-MAX_LOGIT, Math.min(MAX_LOGIT, logit));
}

/** The prompt of a tracked frame without clicks: one point with the label of "no point". */
export const NO_PROMPT: PointPrompt = { points: [[0, 0]], labels: [-1] };

/**
 * @param prompts with the same number N of points each
 * @returns `points` float32 [B, N, 2], `labels` int32 [B, N]
 */
export function stackPoints(prompts: readonly PointPrompt[]): Record<"points" | "labels", Tensor> {
  const B = prompts.length;
  const N = prompts[0]?.points.length ?? 0;
  const coordinates = new Float32Array(B * N * 2);
  const kinds = new Int32Array(B * N);
  prompts.forEach(({ points, labels }, b) => {
    coordinates.set(points.flat(), b * N * 2);
    kinds.set(labels, b * N);
  });
  return { points: float32([B, N, 2], coordinates), labels: int32([B, N], kinds) };
}

/** The same points for B objects. */
export function repeatPoints(prompt: PointPrompt, B: number): Record<"points" | "labels", Tensor> {
  return stackPoints(Array.from({ length: B }, () => prompt));
}

/** @returns float32 [B, 1, side, side] */
export function stackMasks(masks: readonly Float32Array[], side: number): Tensor {
  const stacked = new Float32Array(masks.length * side * side);
  masks.forEach((mask, b) => {
    stacked.set(mask, b * side * side);
  });
  return float32([masks.length, 1, side, side], stacked);
}

/**
 * Masks as inside and outside, without logits.
 * @param masks logits, float32 [side, side] each
 * @returns float32 [B, 1, side, side], 1 inside and 0 outside
 */
export function stackInside(masks: readonly Float32Array[], side: number): Tensor {
  const inside = new Float32Array(masks.length * side * side);
  masks.forEach((mask, b) => {
    mask.forEach((logit, pixel) => {
      if (logit > 0) inside[b * side * side + pixel] = 1;
    });
  });
  return float32([masks.length, 1, side, side], inside);
}

/** The same mask for B prompts, or zeros. @returns float32 [B, 1, side, side] */
export function repeatMask(mask: Float32Array | undefined, B: number, side: number): Tensor {
  const repeated = new Float32Array(B * side * side);
  for (let b = 0; mask && b < B; b++) repeated.set(mask, b * side * side);
  return float32([B, 1, side, side], repeated);
}

/** @returns float32 [B] */
export function stackScalars(values: readonly number[]): Tensor {
  return float32([values.length], Float32Array.from(values));
}

/**
 * The values of one object.
 * @param size values per object
 * @returns a copy, so that the result does not keep the other objects of the batch alive
 */
export function sliceBatch(data: Float32Array, index: number, size: number): Float32Array {
  return data.slice(index * size, (index + 1) * size);
}
