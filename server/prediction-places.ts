/** Limits the pixels that `predict` requests compute: each mask has the size of the picture. */
import { ProtocolError } from "../protocol/index.js";
import type { OwnerId } from "./session-owner.js";
import type { Lease, Shares } from "./shares/shares.js";

/**
 * Waits until the owner may compute masks of so many pixels, together with its other `predict` requests.
 * @throws ProtocolError prediction_too_large when the request alone exceeds the limit, server_busy after the longest wait; the
 * reason of the signal
 */
export type PredictionPlaces = (pixels: number, signal: AbortSignal) => Promise<Lease>;

/** @param maxPixels the setting `maxPredictedPixelsPerOwner` */
export function predictionPlaces(
  shares: Pick<Shares, "wait">,
  owner: OwnerId,
  maxPixels: number,
): PredictionPlaces {
  return async (amount, signal) => {
    if (amount > maxPixels) {
      const limit = "maxPredictedPixelsPerOwner";
      const message =
        `The masks of this request have ${amount} pixels (prompts x masks of each x pixels of the frame), ` +
        `the limit is ${maxPixels} (${limit}). Send fewer prompts at once, or set multimask_output to false.`;
      throw new ProtocolError("prediction_too_large", message, undefined, { limit });
    }
    return shares.wait("predictedPixels", owner, { amount, signal, urgent: true });
  };
}
