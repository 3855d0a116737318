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

/** Fields, hidden reference frames and placeholders: a video may have more packets than frames. */
const MAX_PACKETS_PER_FRAME = 3;

export interface FrameLimit {
  maxFrames: number;
  maxPackets: number;
  /** The error for a file with more frames. */
  exceeded(): Error;
}

/**
 * The limit on the frames of a file. It is lower for a small file, so that a few kilobytes cannot cause the work of millions of
 * frames.
 *
 * @param what how messages call the file, such as "video"
 */
export function frameLimit(
  { maxFrames, minBytesPerFrame }: MediaLimits,
  fileBytes: number,
  what: "video" | "animation",
): FrameLimit {
  const bySize = Math.floor(fileBytes / minBytesPerFrame);
  const limit = Math.min(maxFrames, FRAMES_OF_ANY_FILE + bySize);
  const reason = limit < maxFrames ? `, which is the limit for a file of ${fileBytes} bytes` : "";
  return {
    maxFrames: limit,
    // Packets that show no picture take bytes as well.
    maxPackets: Math.min(
      MAX_PACKETS_PER_FRAME * maxFrames,
      MAX_PACKETS_PER_FRAME * FRAMES_OF_ANY_FILE + bySize,
    ),
    exceeded: () => mediaUnsupported(`The ${what} has more than ${limit} frames${reason}.`),
  };
}
