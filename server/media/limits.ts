/** What one file may cost before it is refused. Every number guards against a small file that asks for a lot. */
export interface MediaLimits {
  /** Pixels of one picture, as the header declares them: higher admits bigger pictures, 3 bytes of memory each. */
  maxPixels: number;
  /** Frames of one video or folder: the index costs 8 bytes per frame. */
  maxFrames: number;
  /** Time for one run of ffprobe. Files without a usable index are decoded once, which is what takes long. */
  probeTimeoutMs: number;
  /** How long ffmpeg may stay silent while somebody waits for a frame. */
  stallTimeoutMs: number;
}

export const DEFAULT_MEDIA_LIMITS: MediaLimits = {
  maxPixels: 128 * 1024 * 1024,
  maxFrames: 2_000_000,
  probeTimeoutMs: 120_000,
  stallTimeoutMs: 120_000,
};
