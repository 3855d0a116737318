/** A set of frame indices as intervals. A pass adds one interval, however many frames it visits. */

/** First and last frame of each interval, inclusive; ascending, with gaps between them. Never changed in place. */
export type FrameSet = readonly (readonly [first: number, last: number])[];

export function hasFrame(frames: FrameSet, frameIndex: number): boolean {
  const interval = frames[firstEndingFrom(frames, frameIndex)];
  return interval !== undefined && interval[0] <= frameIndex;
}

/** @param ascending without repetitions */
export function frameSetOf(ascending: Iterable<number>): FrameSet {
  const frames: [first: number, last: number][] = [];
  for (const index of ascending) {
    const open = frames.at(-1);
    if (open && open[1] === index - 1) open[1] = index;
    else frames.push([index, index]);
  }
  return frames;
}

/** @returns the same set when it contains the frame */
export function addFrame(frames: FrameSet, frameIndex: number): FrameSet {
  return hasFrame(frames, frameIndex) ? frames : addFrames(frames, [frameIndex, frameIndex]);
}

/** Adds the frames of an interval. */
export function addFrames(frames: FrameSet, [first, last]: FrameSet[number]): FrameSet {
  const before = frames.filter(([, end]) => end < first - 1);
  const after = frames.filter(([start]) => start > last + 1);
  const touched = frames.slice(before.length, frames.length - after.length);
  const joined = [
    Math.min(first, touched[0]?.[0] ?? first),
    Math.max(last, touched.at(-1)?.[1] ?? last),
  ] as const;
  return [...before, joined, ...after];
}

/** Removes the frames of an interval. */
export function removeFrames(frames: FrameSet, [first, last]: FrameSet[number]): FrameSet {
  return frames.flatMap(([start, end]): FrameSet => {
    if (end < first || start > last) return [[start, end]];
    const left: FrameSet = start < first ? [[start, first - 1]] : [];
    const right: FrameSet = end > last ? [[last + 1, end]] : [];
    return [...left, ...right];
  });
}

/** The frames of an interval that belong to a set. */
export function framesWithin(frames: FrameSet, [first, last]: FrameSet[number]): FrameSet {
  return frames
    .filter(([start, end]) => end >= first && start <= last)
    .map(([start, end]) => [Math.max(start, first), Math.min(end, last)]);
}

/** The frames that belong to both sets. */
export function commonFrames(a: FrameSet, b: FrameSet): FrameSet {
  return a.flatMap((interval) => framesWithin(b, interval));
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
