/** Decoding of videos whose pictures are identified by their times. */
import { createReliability, startsFor } from "./concealment.js";
import type { Picture } from "./decode-in-order.js";
import { type DecoderRequest, runDecoder, seekTo } from "./decoder-process.js";
import type { ProbedVideo } from "./probed-video.js";
import { frameAt, keyframeBefore } from "./video-index.js";

type Request = DecoderRequest & { video: ProbedVideo };

/** `next` is the first frame that is still wanted, `end` is exclusive. */
interface Remaining {
  next: number;
  end: number;
}

/**
 * How a run ended. `misplaced`: it did not start at the requested keyframe. `damaged`: the next picture contains concealed
 * damage, and its pixels could differ in another run.
 */
type Outcome = "complete" | "misplaced" | "damaged";

/**
 * The pictures of frames `start` … `end - 1` that can be decoded, from the keyframe before `start` on. From the first
 * concealed damage on, the video is decoded so that a frame has the same picture in every range: by one thread, and
 * from an earlier keyframe.
 */
export async function* decodeByTime(
  request: Request,
  start: number,
  end: number,
): AsyncGenerator<Picture, void, undefined> {
  if (start >= end) return;
  const { index } = request.video;
  const rest: Remaining = { next: start, end };
  let outcome = yield* decodeFrom(request, Math.max(0, keyframeBefore(index, start)), rest);
  if (outcome === "misplaced") outcome = yield* decodeFrom(request, 0, rest);
  if (outcome !== "damaged") return;
  for (const keyframe of startsFor(index, rest.next)) {
    outcome = yield* decodeExactly(request, keyframe, rest);
    if (outcome === "complete") return;
    if (outcome === "misplaced") break;
  }
  yield* decodeExactly(request, 0, rest);
}

/** @param keyframe 0 for the start of the file */
async function* decodeFrom(
  request: Request,
  keyframe: number,
  rest: Remaining,
): AsyncGenerator<Picture, Outcome> {
  const { index } = request.video;
  const { next: start, end } = rest;
  const from = index.pts[start] as number;
  const to = (index.pts[end - 1] as number) + 1;
  const run =
    keyframe === 0
      ? { seek: [], filter: `trim=start_pts=${from}:end_pts=${to}`, pictures: end }
      : {
          seek: seekTo(index, index.pts[keyframe] as number),
          filter: `select='key+gte(pts,${from})',trim=end_pts=${to}`,
          pictures: end - keyframe,
        };
  let landed = keyframe === 0;
  for await (const { ticks, isKey, isConcealed, rgb } of runDecoder(request, run)) {
    if (isConcealed) return "damaged";
    const position = frameAt(index, ticks);
    landed ||= isKey && position === keyframe;
    // A damaged video may yield two pictures with one time, and pictures with times of no frame.
    if (position < rest.next || position >= end) continue;
    // The seek reached another picture, or the container marks a picture as a keyframe that is none.
    const skips = keyframe > 0 && rest.next === start && position > start;
    if (!landed || skips) return "misplaced";
    rest.next = position + 1;
    yield { index: position, rgb };
  }
  return keyframe > 0 && rest.next === start ? "misplaced" : "complete";
}

/** Decodes with one thread, and every picture from the keyframe on: where damage ends, they become reliable. */
async function* decodeExactly(
  request: Request,
  keyframe: number,
  rest: Remaining,
): AsyncGenerator<Picture, Outcome> {
  const { index } = request.video;
  const { next: start, end } = rest;
  const run = {
    seek: keyframe === 0 ? [] : seekTo(index, index.pts[keyframe] as number),
    filter:
      keyframe === 0
        ? `trim=start_pts=${index.pts[start]}:end_pts=${(index.pts[end - 1] as number) + 1}`
        : `trim=end_pts=${(index.pts[end - 1] as number) + 1}`,
    pictures: end - keyframe,
    threads: 1,
  };
  const { isReliable } = createReliability(index, keyframe);
  let landed = keyframe === 0;
  for await (const { ticks, isKey, isConcealed, rgb } of runDecoder(request, run)) {
    const position = frameAt(index, ticks);
    landed ||= isKey && position === keyframe;
    const reliable = keyframe === 0 || isReliable({ frame: position, isConcealed });
    if (position < rest.next || position >= end) continue;
    if (!landed) return "misplaced";
    if (!reliable) return "damaged";
    rest.next = position + 1;
    yield { index: position, rgb };
  }
  return keyframe > 0 && rest.next === start ? "misplaced" : "complete";
}
