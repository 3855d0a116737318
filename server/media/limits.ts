import { MEDIA_LIMITS } from "../../protocol/limits.js";
import { mediaUnsupported } from "./errors.js";

/** Limits of one media file; `MEDIA_LIMITS` in the registry holds values and reasons. */
export type MediaLimits = Record<keyof typeof MEDIA_LIMITS, number>;

export const DEFAULT_MEDIA_LIMITS: MediaLimits = {
  maxPixels: MEDIA_LIMITS.maxPixels.value,
  maxSidePx: MEDIA_LIMITS.maxSidePx.value,
  maxPictureFileBytes: MEDIA_LIMITS.maxPictureFileBytes.value,
  maxFrames: MEDIA_LIMITS.maxFrames.value,
  minBytesPerFrame: MEDIA_LIMITS.minBytesPerFrame.value,
  stallTimeoutMs: MEDIA_LIMITS.stallTimeoutMs.value,
};

/** Frames that a file of any size may have: they cost little. */
const FRAMES_OF_ANY_FILE = 10_000;

export interface FrameLimit {
  maxFrames: number;
  /** The error for a file with more frames. */
  exceeded(): Error;
}

/**
 * The limit on the frames of a file: a small file that asks for the work of millions of frames is refused while they are
 * counted.
 *
 * @param what how messages call the file, such as "video"
 */
export function frameLimit(
  { maxFrames, minBytesPerFrame }: MediaLimits,
  fileBytes: number,
  what: "video" | "animation",
): FrameLimit {
  const bySize = FRAMES_OF_ANY_FILE + Math.floor(fileBytes / minBytesPerFrame);
  const limit = Math.min(maxFrames, bySize);
  const reason = limit < maxFrames ? `, which is the limit for a file of ${fileBytes} bytes` : "";
  return {
    maxFrames: limit,
    exceeded: () => mediaUnsupported(`The ${what} has more than ${limit} frames${reason}.`),
  };
}
