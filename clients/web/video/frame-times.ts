/** Which picture of the browser's demuxer is frame n of the server: by presentation time. */

/** The last frame that is displayed at the time; -1 before the first one. @param timesUs ascending */
export function frameAtTime(timesUs: ArrayLike<number>, timeUs: number): number {
  let low = 0;
  let high = timesUs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timesUs[middle] as number) <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Times of containers are rounded to their own clocks. */
const TOLERANCE_US = 1500;

/**
 * Compares the times of the server with those of the browser.
 * @param serverUs of all frames, ascending, in microseconds
 * @param browserUs presentation times of the packets, in any order
 * @returns the browser's times in microseconds in display order, one per frame; or why the two disagree
 */
export function matchTimes(
  serverUs: ArrayLike<number>,
  browserUs: readonly number[],
): { timesUs: Float64Array } | { reason: string } {
  if (browserUs.length !== serverUs.length) {
    return { reason: `the browser counts ${browserUs.length} pictures, the server ${serverUs.length}` };
  }
  const timesUs = Float64Array.from(browserUs).sort();
  // Players differ in where time 0 is.
  const offsetUs = timesUs.length > 0 ? (timesUs[0] as number) - (serverUs[0] as number) : 0;
  for (let frame = 0; frame < timesUs.length; frame++) {
    const differenceUs = (timesUs[frame] as number) - (serverUs[frame] as number) - offsetUs;
    if (Math.abs(differenceUs) > TOLERANCE_US) {
      return { reason: `the times of frame ${frame} differ by ${Math.round(differenceUs)} µs` };
    }
    if (frame > 0 && timesUs[frame] === timesUs[frame - 1]) {
      return { reason: `frames ${frame - 1} and ${frame} have one time in the browser` };
    }
  }
  return { timesUs };
}
