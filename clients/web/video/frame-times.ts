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
 *
 * With as many pictures on both sides, only the distances between them count, because players differ in where time 0 is. The
 * browser's demuxer also lists the pictures that an edit list hides, at the start or at the end: then the times themselves
 * have to agree.
 *
 * @param serverUs of all frames, ascending, in microseconds
 * @param browserUs presentation times of the packets, in any order
 * @returns the browser's time of each frame in microseconds; or why the two disagree
 */
export function matchTimes(
  serverUs: ArrayLike<number>,
  browserUs: readonly number[],
): { timesUs: Float64Array } | { reason: string } {
  const sorted = Float64Array.from(browserUs).sort();
  const { length } = serverUs;
  const counts = `the browser counts ${sorted.length} pictures, the server ${length}`;
  if (sorted.length < length) return { reason: counts };
  const first = sorted.length === length ? 0 : nearestIndex(sorted, serverUs[0] as number);
  if (first + length > sorted.length) return { reason: counts };
  const timesUs = sorted.subarray(first, first + length);
  const offsetUs =
    length === 0 || sorted.length > length ? 0 : (timesUs[0] as number) - (serverUs[0] as number);
  for (let frame = 0; frame < length; frame++) {
    const differenceUs = (timesUs[frame] as number) - (serverUs[frame] as number) - offsetUs;
    if (Math.abs(differenceUs) > TOLERANCE_US) {
      const times = `the times of frame ${frame} differ by ${Math.round(differenceUs)} µs`;
      return { reason: sorted.length === length ? times : `${counts}, and ${times}` };
    }
    if (frame > 0 && timesUs[frame] === timesUs[frame - 1]) {
      return { reason: `frames ${frame - 1} and ${frame} have one time in the browser` };
    }
  }
  return { timesUs };
}

function nearestIndex(ascending: ArrayLike<number>, value: number): number {
  const before = Math.max(0, frameAtTime(ascending, value));
  const after = Math.min(ascending.length - 1, before + 1);
  const distance = (at: number) => Math.abs((ascending[at] as number) - value);
  return distance(after) < distance(before) ? after : before;
}

/**
 * The frame whose time a decoder reports, or undefined for a picture that is none of the frames.
 * @param roundingUs decoders round times
 */
export function frameOfTime(
  timesUs: ArrayLike<number>,
  timeUs: number,
  roundingUs: number,
): number | undefined {
  const frame = nearestIndex(timesUs, timeUs);
  return Math.abs((timesUs[frame] as number) - timeUs) <= roundingUs ? frame : undefined;
}
