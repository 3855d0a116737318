import { decodeByTime } from "./decode-by-time.js";
import { decodeInOrder, type Picture } from "./decode-in-order.js";
import type { DecoderRequest } from "./decoder-process.js";
import { mediaUnreadable } from "./errors.js";
import type { ProbedVideo } from "./probed-video.js";
import { timestampUs } from "./video-index.js";

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
  /** The picture cannot be decoded; `rgb` is the nearest one that can. */
  damaged?: true;
}

/**
 * How many frames in a row may be missing from a damaged video before it is unreadable. Up to this number each missing
 * frame repeats the picture before it, as in a player, or at the start the one after it, so that frames keep their numbers.
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
  async function* repeat(end: number, following?: Uint8Array): AsyncGenerator<DecodedFrame> {
    if (end - next > MAX_REPEATED_FRAMES) throw cannotDecode(next);
    while (next < end) {
      last ??= (await pictureBefore(request, next)) ?? following ?? (await pictureAfter(request, next));
      if (!last) throw cannotDecode(next);
      yield { ...frame(last), damaged: true };
    }
  }

  for await (const picture of decodePictures(request, request.startFrame, indexed)) {
    yield* repeat(picture.index, picture.rgb);
    last = picture.rgb;
    yield frame(picture.rgb);
  }
  yield* repeat(indexed);
  if (next < request.endFrame) {
    throw cutShortBefore(next);
  }
}

/** The pictures that can be decoded, each with its frame number. Numbers ascend and may have gaps. */
function decodePictures(request: DecodeRequest, start: number, end: number): AsyncGenerator<Picture> {
  return request.video.index.identity === "time"
    ? decodeByTime(request, start, end)
    : decodeInOrder(request, start, end);
}

/** The last picture that can be decoded among the {@link MAX_REPEATED_FRAMES} before frame `index`. */
async function pictureBefore(request: DecodeRequest, index: number): Promise<Uint8Array | undefined> {
  let last: Uint8Array | undefined;
  for await (const { rgb } of decodePictures(request, Math.max(0, index - MAX_REPEATED_FRAMES), index))
    last = rgb;
  return last;
}

/** The first picture that can be decoded among the {@link MAX_REPEATED_FRAMES} after frame `index`. */
async function pictureAfter(request: DecodeRequest, index: number): Promise<Uint8Array | undefined> {
  const end = Math.min(request.video.index.pts.length, index + 1 + MAX_REPEATED_FRAMES);
  for await (const { rgb } of decodePictures(request, index + 1, end)) return rgb;
  return undefined;
}

/** The error for a frame that the header announces and that the file ends before. */
export function cutShortBefore(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be read: the file was cut short before it.`);
}

function cannotDecode(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be decoded: the file is damaged.`);
}
