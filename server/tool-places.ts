import { decoderPlaces } from "./media/box/limits.js";
import type { ToolPlaces } from "./media/places.js";
import type { OwnerId } from "./session-owner.js";
import type { Shares } from "./shares/shares.js";

/**
 * How long the video of a session waits for its inspection. An owner that opens many long videos at once waits for its own;
 * another owner's turn comes first.
 */
export const SESSION_WAIT_MS = 60_000;

/** An upload waits longer: its bytes have arrived, and its sender would have to send them again. */
export const UPLOAD_WAIT_MS = 10 * 60_000;

/** The places of an owner's processes, from its shares. */
export function toolPlaces(
  shares: Pick<Shares, "wait">,
  owner: OwnerId,
  maxWaitMs = SESSION_WAIT_MS,
): ToolPlaces {
  return {
    probe: (signal) => shares.wait("probes", owner, { maxWaitMs, ...(signal && { signal }) }),
    decode: ({ maxPicturePixels, ...options }) =>
      shares.wait("decoders", owner, { maxWaitMs, amount: decoderPlaces(maxPicturePixels), ...options }),
  };
}
