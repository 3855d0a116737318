/** Decoding of videos whose pictures are identified by their order, not by their times. */
import { type DecoderRequest, type DecoderRun, runDecoder, seekTo } from "./decoder-process.js";
import type { ProbedVideo } from "./probed-video.js";
import type { VideoIndex } from "./video-index.js";

export interface Picture {
  /** Number of its frame. */
  index: number;
  rgb: Uint8Array;
}

/** Frames `from` … `to - 1`, counted from `entry`. */
interface Stretch {
  entry: number;
  /** Undefined for the start of the file. */
  seekTicks: number | undefined;
  from: number;
  to: number;
}

/**
 * The pictures of frames `start` … `end - 1` that can be decoded. The video is divided at `keyframes`; each stretch is decoded
 * by a process of its own that starts at the keyframe. Which picture has which number therefore does not depend on `start`,
 * also in a damaged video.
 */
export async function* decodeInOrder(
  request: DecoderRequest & { video: ProbedVideo },
  start: number,
  end: number,
): AsyncGenerator<Picture> {
  for (const stretch of stretchesOf(request.video.index, start, end)) yield* decodeStretch(request, stretch);
}

function stretchesOf({ keyframes, seekTicks }: VideoIndex, start: number, end: number): Stretch[] {
  const entries = [0, ...keyframes];
  return entries.flatMap((entry, i) => {
    const from = Math.max(start, entry);
    const to = Math.min(end, entries[i + 1] ?? Number.POSITIVE_INFINITY);
    return from < to ? [{ entry, seekTicks: i === 0 ? undefined : seekTicks?.[i - 1], from, to }] : [];
  });
}

async function* decodeStretch(
  request: DecoderRequest & { video: ProbedVideo },
  stretch: Stretch,
): AsyncGenerator<Picture> {
  const { index } = request.video;
  const { entry, seekTicks, from, to } = stretch;
  if (seekTicks !== undefined) {
    const run = {
      seek: seekTo(index, seekTicks),
      ...countingFromKeyframe(from - entry, to - entry),
      threads: 1,
    };
    let next = from;
    let landed = false;
    for await (const { ticks, rgb } of runDecoder(request, run)) {
      if (!landed) {
        landed = isNear(index, entry, ticks);
        if (!landed) break;
        // The keyframe is decoded for this check also when the frames wanted begin later.
        if (from > entry) continue;
      }
      yield { index: next++, rgb };
    }
    if (landed) return;
  }
  const before = index.picturesBefore ?? 0;
  const filter = `trim=start_frame=${before + from}:end_frame=${before + to}`;
  let next = from;
  for await (const { rgb } of runDecoder(request, { seek: [], filter, pictures: before + to, threads: 1 })) {
    yield { index: next++, rgb };
  }
}

/**
 * Selects the first keyframe, which has number 0, and the pictures with numbers `from` … `to - 1` counted from it. Pictures
 * before it depend on what was not decoded. A register of the expression keeps the count.
 */
function countingFromKeyframe(from: number, to: number): Pick<DecoderRun, "filter" | "pictures"> {
  const count = "st(0,ld(0)+gt(key+ld(0),0))";
  const wanted = `eq(ld(0),1)+gt(ld(0),${Math.max(1, from)})*lte(ld(0),${to})`;
  const pictures = to - Math.max(1, from) + 1;
  return { filter: `select='${count};${wanted}',trim=end_frame=${pictures}`, pictures: to };
}

/** True when a time is that of frame `entry`, give or take the frames that a decoder holds back to reorder them. */
function isNear({ pts }: VideoIndex, entry: number, ticks: number): boolean {
  const lowest = pts[entry - 4] ?? Number.NEGATIVE_INFINITY;
  const highest = pts[entry + 4] ?? Number.POSITIVE_INFINITY;
  return ticks >= lowest && ticks <= highest;
}
