/** The quality of a tracked frame as a memory, which SAM 3's memory selection compares. */
import type { Prediction } from "../model.js";

type Scores = Pick<Prediction, "score" | "iou">;

/**
 * Presence times predicted mask quality. Presence is 0 for an absent object, otherwise `2p - 1` with the probability p of
 * the object score. Several objects of a bucket share one value: the product of the two means, as in
 * facebookresearch/sam3:sam3/model/sam3_tracker_base.py.
 */
export function bucketScore(predictions: readonly Scores[]): number {
  const mean = (values: number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const presence = predictions.map(({ score }) => (score > 0 ? 2 * sigmoid(score) - 1 : 0));
  return mean(presence) * mean(predictions.map(({ iou }) => iou));
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
