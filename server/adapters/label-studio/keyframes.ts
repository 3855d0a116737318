/**
 * Tracks as the keyframes of a video region. Between two keyframes Label Studio interpolates the box; after a keyframe with `enabled`
 * false the object is gone until the next one.
 */
import { type PercentBox, uprightBox } from "./boxes.js";
import { createFrameClock } from "./frame-clock.js";
import type { Keyframe } from "./schemas.js";
import { lastAtMost } from "./search.js";

/** Keyframes are left out where interpolation gives the box within this many percent of the frame. */
const TOLERANCE = 0.3;
/** Differences of boxes below this come from rounding. */
const SAME = 0.01;

export const boxOf = ({ x, y, width, height }: Keyframe): PercentBox => [x, y, width, height];

/** A keyframe without rotation, as masklet writes them. @param size of the frame in pixels */
export function uprightKeyframe(keyframe: Keyframe, size: { width: number; height: number }): Keyframe {
  const [x, y, width, height] = uprightBox(boxOf(keyframe), keyframe.rotation, size);
  return { ...keyframe, rotation: 0, x, y, width, height };
}

/** The largest difference of the sides of two boxes. */
const distance = (a: PercentBox, b: PercentBox) =>
  Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]), Math.abs(a[2] - b[2]), Math.abs(a[3] - b[3]));

function between(a: PercentBox, b: PercentBox, share: number): PercentBox {
  const mix = (side: 0 | 1 | 2 | 3) => a[side] + (b[side] - a[side]) * share;
  return [mix(0), mix(1), mix(2), mix(3)];
}

/** A track over the frames of the video. */
export interface Track {
  /** [frames, 4]: x, y of the top left corner, width, height, 0 to 1 of the frame. The width is 0 where the object is not visible. */
  boxes: Float64Array;
  /** Of the frames, ascending. */
  timesUs: readonly number[];
  /** Frames a second of Label Studio. */
  rate: number;
  /** Frames that Label Studio counts. */
  frameCount: number;
}

/** The keyframes of a track on the frames that Label Studio counts. */
export function keyframesOfTrack({ boxes, timesUs, rate, frameCount }: Track): Keyframe[] {
  const { indexOf } = createFrameClock(timesUs, rate, frameCount);
  const shown = Array.from({ length: frameCount }, (_, at): PercentBox | undefined => {
    const [x = 0, y = 0, width = 0, height = 0] = boxes.subarray(4 * indexOf(at + 1));
    return width > 0 ? [100 * x, 100 * y, 100 * width, 100 * height] : undefined;
  });
  return keyframesOf(shown, rate);
}

/**
 * The keyframes of a list of boxes.
 * @param boxes by frame: entry n - 1 is frame n; undefined where the object is not visible
 * @param rate frames a second of Label Studio
 */
export function keyframesOf(boxes: readonly (PercentBox | undefined)[], rate: number): Keyframe[] {
  const sequence: Keyframe[] = [];
  for (let first = 0; first < boxes.length; first++) {
    if (!boxes[first]) continue;
    let last = first;
    while (boxes[last + 1]) last++;
    const run = boxes.slice(first, last + 1) as PercentBox[];
    for (const at of corners(run)) {
      const [x, y, width, height] = run[at] as PercentBox;
      const frame = first + at + 1;
      const isEnd = first + at === last && last + 1 < boxes.length;
      const sides = { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height) };
      sequence.push({ frame, enabled: !isEnd, rotation: 0, ...sides, time: frame / rate });
    }
    first = last;
  }
  return sequence;
}

/** The places of a run that interpolation needs, ascending: the method of Ramer, Douglas and Peucker. */
function corners(run: readonly PercentBox[]): number[] {
  const kept = new Set([0, run.length - 1]);
  const stretches: [number, number][] = [[0, run.length - 1]];
  for (let stretch = stretches.pop(); stretch; stretch = stretches.pop()) {
    const [from, to] = stretch;
    let [farthest, most] = [0, TOLERANCE];
    for (let at = from + 1; at < to; at++) {
      const expected = between(run[from] as PercentBox, run[to] as PercentBox, (at - from) / (to - from));
      const far = distance(expected, run[at] as PercentBox);
      if (far > most) [farthest, most] = [at, far];
    }
    if (farthest === 0) continue;
    kept.add(farthest);
    stretches.push([from, farthest], [farthest, to]);
  }
  return [...kept].sort((a, b) => a - b);
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;

/** The box that Label Studio shows on a frame; undefined where it shows none. @param sequence ascending */
export function shownBox(sequence: readonly Keyframe[], frame: number): PercentBox | undefined {
  const at = lastAtMost(sequence, frame, (keyframe) => keyframe.frame);
  const [previous, next] = [sequence[at], sequence[at + 1]];
  if (!previous) return undefined;
  if (previous.frame === frame) return boxOf(previous);
  if (!previous.enabled) return undefined;
  if (!next) return boxOf(previous);
  const share = (frame - previous.frame) / (next.frame - previous.frame);
  return between(boxOf(previous), boxOf(next), share);
}

export interface Correction {
  frame: number;
  /** Present when the box was drawn or moved. */
  box?: PercentBox;
  /** Present when the object was declared to be gone after the frame: up to this frame, inclusive. */
  goneUntil?: number;
  /** Present when the object was sent as gone after the frame and is shown there now: up to this frame, inclusive. */
  backUntil?: number;
}

/**
 * What an annotator has changed since the region was sent. Keyframes of an earlier answer come back unchanged, and are no corrections.
 * @param sent the earlier answer; empty for a region that the annotator has drawn
 */
export function correctionsOf(
  sequence: readonly Keyframe[],
  sent: readonly Keyframe[],
  frameCount: number,
): Correction[] {
  const known = new Map(sent.map((keyframe) => [keyframe.frame, keyframe]));
  const returns = sent.flatMap(({ frame, enabled }, at): Correction[] => {
    const backUntil = (sent[at + 1]?.frame ?? frameCount + 1) - 1;
    return !enabled && backUntil > frame && shownBox(sequence, frame + 1) ? [{ frame, backUntil }] : [];
  });
  const changes = sequence.flatMap((keyframe, at): Correction[] => {
    const { frame, enabled } = keyframe;
    const own = known.get(frame);
    const expected = shownBox(sent, frame);
    const isMoved = !expected || distance(expected, boxOf(keyframe)) > SAME;
    const wasEnabled = own?.enabled ?? true;
    const isGone = !enabled && (wasEnabled || isMoved);
    const goneUntil = (sequence[at + 1]?.frame ?? frameCount + 1) - 1;
    if (!isMoved && !(isGone && wasEnabled)) return [];
    return [
      {
        frame,
        ...(isMoved && { box: boxOf(keyframe) }),
        ...(isGone && goneUntil > frame && { goneUntil }),
      },
    ];
  });
  // A stretch that has returned can be divided by a later end.
  return [...returns, ...changes];
}
