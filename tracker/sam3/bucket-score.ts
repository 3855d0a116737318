/** The score of a tracked frame for SAM 3's memory selection. */
import type { Prediction } from "../model.js";

type Scores = Pick<Prediction, "score" | "iou">;

/**
 * Presence times predicted mask quality, 0..1. Presence is 0 for an absent object, otherwise `2p - 1`, where p is the
 * probability of the object score. The objects of a bucket share one score: mean presence times mean quality.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracker_base.py.
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
