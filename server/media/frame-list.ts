/** Turns times, in the order of packets or of decoding, into the frames of a video. */
import { sortByTicks } from "./sort-by-ticks.js";
import type { VideoIndex } from "./video-index.js";

export type FrameList = Pick<VideoIndex, "pts" | "keyframes" | "identity" | "seekTicks" | "picturesBefore">;

/** Pictures in the order of their packets; the values of picture `i` are at position `i` of each column. */
export interface TimedPictures {
  /** Presentation time; NaN when unknown. */
  ticks: Float64Array;
  /** 1 for a picture at which decoding can start. */
  isKey: Uint8Array;
  /** 1 for a picture that is decoded for those that refer to it, and not shown. */
  isHidden?: Uint8Array;
}

export interface EntryPoint {
  /** Number of the frame that a decoder started here yields first. */
  frame: number;
  /** Time to seek to. */
  seekTicks: number;
}

/**
 * Frames that their times identify. Pictures before the first keyframe are left out: with them, a clip cut from a longer
 * one begins, and they decode to nothing.
 *
 * @returns null when a time is missing or occurs twice, or when there is no keyframe
 */
export async function framesByTime({ ticks, isKey, isHidden }: TimedPictures): Promise<FrameList | null> {
  const firstKey = ticks[isKey.indexOf(1)] ?? Number.NaN;
  if (Number.isNaN(firstKey)) return null;
  const positions = new Uint32Array(ticks.length);
  let count = 0;
  let keys = 0;
  for (let i = 0; i < ticks.length; i++) {
    const time = ticks[i] as number;
    if (isHidden?.[i] === 1 || time < firstKey) continue;
    if (Number.isNaN(time)) return null;
    positions[count++] = i;
    if (isKey[i] === 1) keys++;
  }
  if (count === 0) return null;
  const shown = positions.subarray(0, count);
  await sortByTicks(shown, ticks);
  const pts = new Float64Array(count);
  const keyframes = new Int32Array(keys);
  for (let i = 0, key = 0; i < count; i++) {
    const position = shown[i] as number;
    pts[i] = ticks[position] as number;
    if (i > 0 && pts[i] === pts[i - 1]) return null;
    if (isKey[position] === 1) keyframes[key++] = i;
  }
  return { pts, keyframes, identity: "time" };
}

export interface OrderedFrames {
  /** Times in presentation order; those that are missing or occur twice are changed as little as possible. */
  ticks: ArrayLike<number>;
  /** Duration of a frame, where neighbours give none. */
  frameTicks: number;
  /** Where decoding can start, ascending; those too close to others to be distinguished are left out. */
  entries: readonly EntryPoint[];
  /** See `VideoIndex.picturesBefore`. */
  picturesBefore: number;
}

/** Frames that their order identifies. */
export function framesInOrder({ ticks, frameTicks, entries, picturesBefore }: OrderedFrames): FrameList {
  const used = distantEntries(entries);
  return {
    pts: strictlyAscending(ticks, frameTicks),
    keyframes: Int32Array.from(used, ({ frame }) => frame),
    seekTicks: Float64Array.from(used, ({ seekTicks }) => seekTicks),
    identity: "order",
    picturesBefore,
  };
}

/** A seek that lands on another keyframe is detected by its time, which may be off by a few frames. */
const MIN_ISOLATION_FRAMES = 8;

/** Each stretch between entry points is decoded by a process of its own. */
const MIN_STRETCH_FRAMES = 250;

function distantEntries(entries: readonly EntryPoint[]): EntryPoint[] {
  const used: EntryPoint[] = [];
  for (const [i, entry] of entries.entries()) {
    const before = entries[i - 1]?.frame ?? Number.NEGATIVE_INFINITY;
    const after = entries[i + 1]?.frame ?? Number.POSITIVE_INFINITY;
    if (Math.min(entry.frame - before, after - entry.frame) < MIN_ISOLATION_FRAMES) continue;
    if (entry.frame - (used.at(-1)?.frame ?? 0) >= MIN_STRETCH_FRAMES) used.push(entry);
  }
  return used;
}

/**
 * Missing times are placed evenly between their neighbours, and of several pictures with one time the later ones evenly
 * before the next time. Times never decrease: a lower one counts as equal to the one before it.
 */
function strictlyAscending(ticks: ArrayLike<number>, frameTicks: number): Float64Array {
  const times = Float64Array.from(ticks);
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < times.length; i++) {
    const time = times[i] as number;
    if (time > highest) highest = time;
    else times[i] = Number.NaN; // placed below, as a missing one
  }
  const first = times.findIndex((time) => !Number.isNaN(time));
  for (let i = first - 1; i >= 0; i--) times[i] = (times[i + 1] as number) - frameTicks;
  if (first < 0) return times.map((_, i) => i * frameTicks);
  for (let i = first; i < times.length; ) {
    let next = i + 1;
    while (next < times.length && Number.isNaN(times[next])) next++;
    const start = times[i] as number;
    const step = next < times.length ? ((times[next] as number) - start) / (next - i) : frameTicks;
    for (let j = i + 1; j < next; j++) times[j] = start + step * (j - i);
    i = next;
  }
  return times;
}
