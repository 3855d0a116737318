import { type DecoderRequest, runDecoder } from "./decoder-process.js";
import { mediaUnreadable } from "./errors.js";
import type { ProbedVideo } from "./probe.js";
import { frameAt, keyframeBefore, timestampUs, type VideoIndex } from "./video-index.js";

export interface DecodeRequest extends DecoderRequest {
  video: ProbedVideo;
  /** The range of frames: `startFrame` is inclusive, `endFrame` exclusive. */
  startFrame: number;
  endFrame: number;
}

export interface DecodedFrame {
  index: number;
  /** See `MediaSource.timeOf`. */
  timestampUs: number;
  /** `[height, width, 3]` uint8, upright; a buffer of its own. */
  rgb: Uint8Array;
}

/**
 * How many frames in a row may be missing from a damaged video before it is unreadable. Up to this number each missing
 * frame repeats the picture before it, as in a player, so that frames keep their numbers.
 */
const MAX_REPEATED_FRAMES = 30;

/**
 * The frames `startFrame` … `endFrame - 1` in order, one ffmpeg process at a time. ffmpeg pauses while the consumer
 * pauses. When the consumer stops (`return()`, `break`, an error, the signal), ffmpeg is killed, and the generator
 * finishes after it has ended.
 *
 * Throws `media_unreadable` with the number of the first frame that a damaged or truncated file does not yield.
 */
export async function* decodeFrames(request: DecodeRequest): AsyncGenerator<DecodedFrame, void, undefined> {
  const { index } = request.video;
  const indexed = Math.min(request.endFrame, index.pts.length);
  let next = request.startFrame;
  let last: Uint8Array | undefined;

  const frame = (rgb: Uint8Array): DecodedFrame => {
    const position = next++;
    return { index: position, timestampUs: timestampUs(index, position), rgb };
  };
  async function* repeatLast(end: number, fallback?: Uint8Array) {
    if (end - next > MAX_REPEATED_FRAMES) throw cannotDecode(next);
    while (next < end) {
      last ??= (await pictureBefore(request, next)) ?? fallback;
      if (!last) throw cannotDecode(next);
      yield frame(last);
    }
  }

  for await (const picture of decodePictures(request, request.startFrame, indexed)) {
    yield* repeatLast(picture.index, picture.rgb);
    last = picture.rgb;
    yield frame(picture.rgb);
  }
  yield* repeatLast(indexed);
  if (next < request.endFrame) {
    throw cutShortBefore(next);
  }
}

/**
 * Decodes the first frame, to check while the video is opened that it can be decoded and that ffmpeg reports the time in
 * the index. Where the two differ (ffmpeg and ffprobe may be of different versions), the index returned has `byCount` set.
 */
export async function verifyIndex(
  request: Omit<DecodeRequest, "startFrame" | "endFrame">,
): Promise<VideoIndex> {
  const { index } = request.video;
  const start = index.pts[0] as number;
  let ticks = await firstTicks(request, "trim=end_frame=1");
  if (ticks === undefined) throw mediaUnreadable("No frame of the video can be decoded.");
  // Some decoders output damaged pictures before the first keyframe. The index does not contain them.
  if (ticks < start) ticks = await firstTicks(request, `trim=start_pts=${start}`);
  return ticks !== undefined && frameAt(index, ticks) >= 0 ? index : { ...index, byCount: true };
}

async function firstTicks(request: DecoderRequest, filter: string) {
  for await (const picture of runDecoder(request, { seek: [], filter, pictures: 1 })) return picture.ticks;
  return undefined;
}

interface Picture {
  index: number;
  rgb: Uint8Array;
}

/** The pictures that can be decoded, each with its frame number. Numbers ascend and may have gaps. */
async function* decodePictures(request: DecodeRequest, start: number, end: number): AsyncGenerator<Picture> {
  const { index } = request.video;
  if (start >= end) return;
  if (index.byCount) {
    let position = start;
    const filter = `trim=start_frame=${start}:end_frame=${end}`;
    for await (const { rgb } of runDecoder(request, { seek: [], filter, pictures: end })) {
      if (position >= end) break;
      yield { index: position++, rgb };
    }
    return;
  }

  const filter = `trim=start_pts=${index.pts[start]}:end_pts=${(index.pts[end - 1] as number) + 1}`;
  const keyframe = keyframeBefore(index, start);
  // The times of the pictures show when a seek landed after the first frame wanted: then decode from the start.
  const fromStart = { seek: [], filter, pictures: end };
  const runs =
    keyframe > 0
      ? [{ seek: seekTo(request.video, keyframe), filter, pictures: end - keyframe }, fromStart]
      : [fromStart];
  for (const run of runs) {
    let landed = run === fromStart;
    for await (const { ticks, rgb } of runDecoder(request, run)) {
      const position = frameAt(index, ticks);
      if (position < start || position >= end) continue;
      landed ||= position === start;
      if (!landed) break;
      yield { index: position, rgb };
    }
    if (landed) return;
  }
}

/** The last picture that can be decoded among the {@link MAX_REPEATED_FRAMES} before frame `index`. */
async function pictureBefore(request: DecodeRequest, index: number): Promise<Uint8Array | undefined> {
  let last: Uint8Array | undefined;
  for await (const { rgb } of decodePictures(request, Math.max(0, index - MAX_REPEATED_FRAMES), index))
    last = rgb;
  return last;
}

function seekTo({ index }: ProbedVideo, keyframe: number): string[] {
  // A microsecond more than the keyframe's time: rounding must not put the target before it.
  const timeS = (index.pts[keyframe] as number) * index.timeBaseS + 1e-6;
  return ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", timeS.toFixed(6)];
}

/** The error for a frame that the header announces and that the file ends before. */
export function cutShortBefore(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be read: the file was cut short before it.`);
}

function cannotDecode(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be decoded: the file is damaged.`);
}
