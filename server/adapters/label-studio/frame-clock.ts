/**
 * Frames as Label Studio counts them: frame n is the picture at (n - 1) / rate seconds, by the rate of the labeling configuration,
 * which need not be that of the video.
 */
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
 */
export function createFrameClock(timesUs: readonly number[], rate: number, frameCount?: number): FrameClock {
  const [start = 0] = timesUs;
  const end = timesUs.at(-1) ?? start;
  return {
    frameCount: frameCount ?? Math.floor(((end - start + TOLERANCE_US) / 1e6) * rate) + 1,
    indexOf(frame) {
      const timeUs = start + ((frame - 1) / rate) * 1e6 + TOLERANCE_US;
      let [low, high] = [0, timesUs.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((timesUs[middle] as number) <= timeUs) low = middle;
        else high = middle - 1;
      }
      return low;
    },
  };
}
