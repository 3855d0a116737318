/** Pictures of frames for people: upright, with square pixels, as JPEG. */
import { FIXED_LIMITS } from "../protocol/index.js";
import { DEFAULT_MEDIA_LIMITS } from "./media/limits.js";
import type { MediaFrame, MediaSource } from "./media/source.js";
import type { OwnerPictures } from "./pictures/pictures.js";
import { sourceOf } from "./pictures/source.js";

export interface PictureRange {
  /** Frame indices, both inclusive. */
  first: number;
  last: number;
  /** The picture is at most this wide, in pixels. */
  maxWidth?: number;
  /** A person waits for the picture. */
  urgent?: boolean;
  /** Ends the decoding at once. */
  signal: AbortSignal;
}

export interface FramePicture {
  index: number;
  jpeg: Uint8Array;
}

interface Size {
  width: number;
  height: number;
}

/** The size of a picture with the aspect ratio of the video: not larger than the video, than `maxWidth`, and than the limit. */
export function pictureSize({ width, height }: Size, maxWidth = width): Size {
  const byPixels = Math.sqrt(FIXED_LIMITS.framePicturePixels.value / (width * height));
  const scale = Math.min(1, maxWidth / width, byPixels);
  const scaled = (side: number) => Math.max(1, Math.floor(side * scale + 1e-6));
  return { width: scaled(width), height: scaled(height) };
}

/**
 * The pictures of a stretch, decoded in one pass: by the decoder whose frames are tracked, so that frame N is the same picture.
 * One frame is encoded, in a picture process, while the next one is decoded.
 */
export async function* framePictures(
  media: MediaSource,
  { pictures, closing }: { pictures: OwnerPictures; closing: AbortSignal },
  { first, last, maxWidth, urgent = false, signal }: PictureRange,
): AsyncGenerator<FramePicture, void, undefined> {
  const either = AbortSignal.any([signal, closing]);
  const size = pictureSize(media.facts, maxWidth);

  async function encode({ index, rgb }: MediaFrame): Promise<FramePicture> {
    const request = { limits: DEFAULT_MEDIA_LIMITS, signal: either };
    const { jpeg } = await pictures.run({ kind: "encode", from: size }, sourceOf(rgb), request);
    return { index, jpeg };
  }

  const range = { startFrame: first, count: last - first + 1, direction: "forward", urgent } as const;
  let encoding: Promise<FramePicture> | undefined;
  for await (const frame of media.frames({ ...range, ...size, signal: either })) {
    const next = encode(frame);
    // It is awaited in its turn; until then a rejection has no handler.
    next.catch(() => {});
    if (encoding) yield await encoding;
    encoding = next;
  }
  if (encoding) yield await encoding;
}
