/** Animated GIF and WebP, decoded by a picture process. */
import { pagesAtOnce } from "../pictures/cost.js";
import { PictureError } from "../pictures/pictures.js";
import type { PictureSource } from "../pictures/source.js";
import { type Animation, type AnimationPicture, type AnimationRange, shownDelayMs } from "./animation.js";
import { mediaUnreadable } from "./errors.js";
import type { MediaFile } from "./media-file.js";
import { cannotRead, type PixelSize, type StillReading, stillSource } from "./stills.js";

const NAME = "The animation";

/**
 * Null for a file of one picture, and for a file whose header is damaged, which the reader of single pictures reports.
 *
 * @throws ProtocolError media_unsupported for a file that takes too much memory, or server_busy
 */
export async function openPages(
  file: MediaFile,
  codec: "gif" | "webp",
  reading: StillReading,
): Promise<Animation | null> {
  const source = await stillSource(file, undefined, NAME, reading);
  const header = await reading.pictures.probe(source, codec, { ...reading, isWhole: true }).catch((error) => {
    if (error instanceof PictureError && error.kind !== "exhausted") return null;
    throw cannotRead(NAME, reading, error);
  });
  if (!header || header.pages < 2) return null;
  const { stored, pages, delaysMs } = header;
  return {
    ...stored,
    codec,
    delaysMs: Array.from({ length: pages }, (_, page) => shownDelayMs(delaysMs[page] ?? 0)),
    read: (range) => readPages({ source, codec, stored, reading }, range),
  };
}

interface Pages {
  source: PictureSource;
  codec: "gif" | "webp";
  stored: PixelSize;
  reading: StillReading;
}

/** The decoder starts from the first picture of the file each time, so pictures are decoded in groups. */
async function* readPages(file: Pages, range: AnimationRange): AsyncGenerator<AnimationPicture> {
  const step = pagesAtOnce(file.stored, range);
  let last: Uint8Array | undefined;
  for (let page = range.first; page < range.end; page += step) {
    const pictures = await decode(file, { ...range, first: page, end: Math.min(range.end, page + step) });
    for (const [i, rgb] of pictures.entries()) {
      range.signal.throwIfAborted();
      // A copy: a frame that is kept must not keep the others of its group.
      last = rgb?.slice() ?? last ?? (await pictureBefore(file, page + i, range)).slice();
      yield rgb ? { rgb: last } : { rgb: last, damaged: true };
    }
  }
}

/** Null in place of a damaged picture. */
async function decode(
  { source, codec, reading }: Pages,
  { first, end, width, height, signal }: AnimationRange,
): Promise<(Uint8Array | null)[]> {
  const work = { kind: "pages", format: codec, first, end, size: { width, height } } as const;
  try {
    return (await reading.pictures.run(work, source, { ...reading, signal })).pictures;
  } catch (error) {
    throw cannotRead(NAME, { ...reading, signal }, error);
  }
}

/** The last readable picture before `page`. */
async function pictureBefore(file: Pages, page: number, range: AnimationRange): Promise<Uint8Array> {
  const step = pagesAtOnce(file.stored, range);
  for (let end = page; end > 0; end -= step) {
    const pictures = await decode(file, { ...range, first: Math.max(0, end - step), end });
    const readable = pictures.findLast((picture) => picture !== null);
    if (readable) return readable;
  }
  throw mediaUnreadable(`Frame ${page} cannot be decoded: the animation is damaged.`);
}
