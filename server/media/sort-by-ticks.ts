/** Sorting of times without blocking the thread that serves sockets. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Steps of the first pass for each value. Decoders hold back at most 16 pictures, so that times are nearly sorted. */
const STEPS_PER_VALUE = 32;

/** Values that are sorted or merged at once: a few milliseconds. */
const CHUNK = 16_384;

/**
 * Sorts positions by their times, in place. Nearly sorted times, as those of packets, take one pass; any others are sorted in
 * chunks with pauses.
 *
 * @param positions of values in `ticks`
 * @param ticks without NaN
 */
export async function sortByTicks(positions: Uint32Array<ArrayBuffer>, ticks: Float64Array): Promise<void> {
  if (sortNearlySorted(positions, ticks)) return;
  let sorted = positions;
  let spare = new Uint32Array(positions.length);
  for (let start = 0; start < sorted.length; start += CHUNK) {
    sorted.subarray(start, start + CHUNK).sort((a, b) => (ticks[a] as number) - (ticks[b] as number));
    await nextTurn();
  }
  for (let width = CHUNK; width < sorted.length; width *= 2) {
    for (let start = 0; start < sorted.length; start += 2 * width) {
      await merge(sorted, spare, start, width, ticks);
    }
    [sorted, spare] = [spare, sorted];
  }
  if (sorted !== positions) positions.set(sorted);
}

/** False when it takes too many steps; the positions are then partly sorted. */
function sortNearlySorted(positions: Uint32Array, ticks: Float64Array): boolean {
  let steps = positions.length * STEPS_PER_VALUE;
  for (let i = 1; i < positions.length; i++) {
    const position = positions[i] as number;
    const time = ticks[position] as number;
    let at = i;
    while (at > 0 && (ticks[positions[at - 1] as number] as number) > time) {
      positions[at] = positions[at - 1] as number;
      at--;
      steps--;
    }
    positions[at] = position;
    if (steps < 0) return false;
  }
  return true;
}

async function merge(
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  width: number,
  ticks: Float64Array,
): Promise<void> {
  const middle = Math.min(from.length, start + width);
  const end = Math.min(from.length, start + 2 * width);
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const isLeft =
      right >= end ||
      (left < middle && (ticks[from[left] as number] as number) <= (ticks[from[right] as number] as number));
    to[at] = from[isLeft ? left++ : right++] as number;
    if (at % CHUNK === CHUNK - 1) await nextTurn();
  }
}
