/** What the server does differently for videos whose pictures take long to decode. */

interface Sized {
  /** See `maxPicturePixels` of `box/limits.ts`: twice the pixels that the header states. */
  maxPicturePixels: number;
}

/** Pictures of 4K video and below are decoded in less time than ffmpeg takes to start. */
const UHD_PIXELS = 2 * 4096 * 2304;

/** Pictures of 8K video take a part of a second, larger ones seconds. */
const FULL_UHD_PIXELS = 2 * 8192 * 4320;

/**
 * The priority of a decoder: that of other processes for pictures for which a user waits, unless their size would slow down the
 * requests of all other users.
 */
export function decoderPriority({ urgent, maxPicturePixels }: Sized & { urgent: boolean }): "normal" | "low" {
  return urgent && maxPicturePixels <= FULL_UHD_PIXELS ? "normal" : "low";
}

/** Whether a decoder that reads one frame for a user also reads those beside it. */
export function readsNearbyFrames({ maxPicturePixels }: Sized): boolean {
  return maxPicturePixels <= UHD_PIXELS;
}
