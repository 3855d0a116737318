/**
 * Frames as Label Studio counts them: frame n is the picture at (n - 1) / rate seconds, by the rate of the labeling configuration,
 * which need not be that of the video.
 */
import { MEDIA_LIMITS, ProtocolError } from "../../../protocol/index.js";
import { lastAtMost } from "./search.js";

export interface FrameClock {
  /** How many frames Label Studio counts. */
  readonly frameCount: number;
  /** The frame of the video that Label Studio shows as frame n. */
  indexOf(frame: number): number;
}

/** A picture is shown from its time on. Times are rounded to microseconds, and rates are seldom whole. */
const TOLERANCE_US = 1000;

/**
 * @param timesUs of the frames, ascending
 * @param frameCount as Label Studio states it; undefined: by the time of the last frame
 * @throws ProtocolError invalid_field for more frames than a video can have
 */
export function createFrameClock(timesUs: readonly number[], rate: number, frameCount?: number): FrameClock {
  const [start = 0] = timesUs;
  const end = timesUs.at(-1) ?? start;
  const count = frameCount ?? Math.floor(((end - start + TOLERANCE_US) / 1e6) * rate) + 1;
  const most = MEDIA_LIMITS.maxFrames.value;
  if (count > most) {
    const message = `framesCount: expected at most ${most} frames at ${rate} frames per second, got ${count}.`;
    throw new ProtocolError("invalid_field", message, "framesCount");
  }
  return {
    frameCount: count,
    indexOf(frame) {
      const timeUs = start + ((frame - 1) / rate) * 1e6 + TOLERANCE_US;
      return Math.max(
        0,
        lastAtMost(timesUs, timeUs, (one) => one),
      );
    },
  };
}
