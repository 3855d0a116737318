import { MEDIA_LIMITS } from "../../protocol/limits.js";

/** Limits of one media file; `MEDIA_LIMITS` in the registry holds values and reasons. */
export type MediaLimits = Record<keyof typeof MEDIA_LIMITS, number>;

export const DEFAULT_MEDIA_LIMITS: MediaLimits = {
  maxPixels: MEDIA_LIMITS.maxPixels.value,
  maxSidePx: MEDIA_LIMITS.maxSidePx.value,
  maxPictureFileBytes: MEDIA_LIMITS.maxPictureFileBytes.value,
  maxFrames: MEDIA_LIMITS.maxFrames.value,
  stallTimeoutMs: MEDIA_LIMITS.stallTimeoutMs.value,
};
