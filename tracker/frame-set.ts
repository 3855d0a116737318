/** A set of frame indices as intervals. A pass adds one interval, however many frames it visits. */

/** First and last frame of each interval, inclusive; ascending, with gaps between them. Never changed in place. */
export type FrameSet = readonly (readonly [first: number, last: number])[];

export function hasFrame(frames: FrameSet, frameIndex: number): boolean {
  const interval = frames[firstEndingFrom(frames, frameIndex)];
  return interval !== undefined && interval[0] <= frameIndex;
}

/** @returns the same set when it contains the frame */
export function addFrame(frames: FrameSet, frameIndex: number): FrameSet {
  if (hasFrame(frames, frameIndex)) return frames;
  const start = firstEndingFrom(frames, frameIndex - 1);
  const [before, after] = [frames[start], frames[start + 1]];
  const joinsBefore = before?.[1] === frameIndex - 1;
  const next = joinsBefore ? after : before;
  const joinsAfter = next?.[0] === frameIndex + 1;
  const joined = [
    joinsBefore ? before[0] : frameIndex,
    joinsAfter ? (next as FrameSet[number])[1] : frameIndex,
  ] as const;
  const replaced = Number(joinsBefore) + Number(joinsAfter);
  return [...frames.slice(0, start), joined, ...frames.slice(start + replaced)];
}

/** Index of the first interval that ends at or after a frame. */
function firstEndingFrom(frames: FrameSet, frameIndex: number): number {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((frames[middle] as FrameSet[number])[1] < frameIndex) low = middle + 1;
    else high = middle;
  }
  return low;
}
