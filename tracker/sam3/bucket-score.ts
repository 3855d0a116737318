/** How good a look at an object a tracked frame is, which SAM 3's memory selection goes by. */
import type { Prediction } from "../model.js";

type Look = Pick<Prediction, "score" | "iou">;

/**
 * Presence (0 when absent, else twice the probability beyond a half) times predicted mask quality. For several objects of
 * one bucket the product of the means, not the mean of the products: one value for all, as in
 * facebookresearch/sam3:sam3/model/sam3_tracker_base.py.
 */
export function bucketScore(looks: readonly Look[]): number {
  const mean = (values: number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const presence = looks.map(({ score }) => (score > 0 ? 2 * sigmoid(score) - 1 : 0));
  return mean(presence) * mean(looks.map(({ iou }) => iou));
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
