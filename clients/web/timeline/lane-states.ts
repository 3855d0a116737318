/** The state of one object on every frame, in typed arrays: what a lane of the timeline draws. */

/** Values of `LaneStates.state`. */
export const STATE = { none: 0, present: 1, occluded: 2, lost: 3, absent: 4 } as const;

/** Bits of `LaneStates.flags`. */
export const FLAG = { suspect: 1, locked: 2, corrected: 4, prompt: 8 } as const;

export type StateName = keyof typeof STATE;

/** All arrays have one entry per frame of the video. */
export interface LaneStates {
  /** A value of `STATE`. */
  readonly state: Uint8Array;
  /** A sum of `FLAG` bits. */
  readonly flags: Uint8Array;
  /** The object score of the tracker times 255. 0 where `state` is not `present`. */
  readonly score: Uint8Array;
}

/** A range of frames, both ends inclusive. */
export interface FrameRange {
  readonly first: number;
  readonly last: number;
}

/** The range between two frames, given in any order. */
export function rangeOf(a: number, b: number): FrameRange {
  return { first: Math.min(a, b), last: Math.max(a, b) };
}

/** Ranges of consecutive frames whose value in `values` passes the test. */
export function runsOf(values: Uint8Array, passes: (value: number) => boolean): FrameRange[] {
  const runs: FrameRange[] = [];
  let first = -1;
  for (let frame = 0; frame < values.length; frame++) {
    const isIn = passes(values[frame] as number);
    if (isIn && first < 0) first = frame;
    if (!isIn && first >= 0) {
      runs.push({ first, last: frame - 1 });
      first = -1;
    }
  }
  if (first >= 0) runs.push({ first, last: values.length - 1 });
  return runs;
}

/** Sorts ranges and joins those that overlap or touch. */
export function joinRanges(ranges: readonly FrameRange[]): FrameRange[] {
  const joined: FrameRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = joined.at(-1);
    if (previous && range.first <= previous.last + 1) {
      joined[joined.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) };
    } else joined.push(range);
  }
  return joined;
}

/** The parts of `ranges` that are outside `removed`. */
export function subtractRange(ranges: readonly FrameRange[], removed: FrameRange): FrameRange[] {
  return ranges.flatMap(({ first, last }) => {
    if (last < removed.first || first > removed.last) return [{ first, last }];
    const parts: FrameRange[] = [];
    if (first < removed.first) parts.push({ first, last: removed.first - 1 });
    if (last > removed.last) parts.push({ first: removed.last + 1, last });
    return parts;
  });
}

export const countFrames = (ranges: readonly FrameRange[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
