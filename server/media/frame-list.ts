/** Turns times, in the order of packets or of decoding, into the frames of a video. */
import type { VideoIndex } from "./video-index.js";

export type FrameList = Pick<VideoIndex, "pts" | "keyframes" | "identity" | "seekTicks" | "picturesBefore">;

export interface TimedPicture {
  /** Presentation time; NaN when unknown. */
  ticks: number;
  isKey: boolean;
  /** True when it is decoded for the pictures that refer to it, and not shown. */
  isHidden?: boolean;
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
export function framesByTime(pictures: readonly TimedPicture[]): FrameList | null {
  const firstKey = pictures.find(({ isKey }) => isKey)?.ticks ?? Number.NaN;
  const shown = pictures
    .filter(({ ticks, isHidden }) => !isHidden && !(ticks < firstKey))
    .sort((a, b) => a.ticks - b.ticks);
  if (shown.length === 0) return null;
  if (Number.isNaN(firstKey) || shown.some(({ ticks }) => Number.isNaN(ticks))) return null;
  const pts = Float64Array.from(shown, ({ ticks }) => ticks);
  if (pts.some((tick, i) => i > 0 && tick === pts[i - 1])) return null;
  const keyframes = Int32Array.from(shown.flatMap(({ isKey }, i) => (isKey ? [i] : [])));
  return { pts, keyframes, identity: "time" };
}

export interface OrderedFrames {
  /** Times in presentation order; those that are missing or occur twice are changed as little as possible. */
  ticks: readonly number[];
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
function strictlyAscending(ticks: readonly number[], frameTicks: number): Float64Array {
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
