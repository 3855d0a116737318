/**
 * Frames as the page of Label Studio counts and shows them, by the rate of the labeling configuration, which need not be that of the video
 * (`goToFrame` and `frameSteppedTime` in its component VideoCanvas).
 */
import { MEDIA_LIMITS, ProtocolError } from "../../../protocol/index.js";
import { lastAtMost } from "./search.js";

export interface FrameClock {
  /** How many frames Label Studio counts. */
  readonly frameCount: number;
  /** The frame of the video that Label Studio shows as frame n. */
  indexOf(frame: number): number;
}

/** The page rounds the time of a frame to this step, and goes one step further. */
const STEP_S = 0.002;

/** The time at which the page shows frame n, in microseconds after the start of the video. */
function shownUs(frame: number, rate: number): number {
  // As the page computes it, so that halves are rounded like there. Chromium cuts the time to whole microseconds.
  const shownS = Math.round((frame - 1) / rate / STEP_S) * STEP_S + STEP_S;
  return Math.floor(shownS * 1e6);
}

/**
 * @param timesUs of the frames, ascending
 * @param frameCount as Label Studio states it; undefined: by the duration, as the page computes it
 * @throws ProtocolError invalid_field for more frames than a video can have
 */
export function createFrameClock(timesUs: readonly number[], rate: number, frameCount?: number): FrameClock {
  const [start = 0] = timesUs;
  const count = frameCount ?? Math.max(1, Math.round((durationUs(timesUs) / 1e6) * rate));
  const most = MEDIA_LIMITS.maxFrames.value;
  if (count > most) {
    const message = `framesCount: expected at most ${most} frames at ${rate} frames per second, got ${count}.`;
    throw new ProtocolError("invalid_field", message, "framesCount");
  }
  return {
    frameCount: count,
    indexOf(frame) {
      const place = lastAtMost(timesUs, start + shownUs(frame, rate), (one) => one);
      return Math.max(0, place);
    },
  };
}

/** The last frame lasts as long as the others do on average. */
function durationUs(timesUs: readonly number[]): number {
  const length = (timesUs.at(-1) ?? 0) - (timesUs[0] ?? 0);
  return timesUs.length > 1 ? (length * timesUs.length) / (timesUs.length - 1) : 0;
}
