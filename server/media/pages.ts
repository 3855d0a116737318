/** Animated GIF and WebP, decoded by sharp. */
import sharp from "sharp";
import { type Animation, type AnimationPicture, type AnimationRange, shownDelayMs } from "./animation.js";
import { mediaUnreadable } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { resizeRgb, toRgb } from "./stills.js";

/** Memory for pictures that are decoded together. Each call of sharp decodes the file from its first picture. */
const CHUNK_BYTES = 64 * 1024 * 1024;

/** Null for a file of one picture, and for a file whose header is damaged. */
export async function openPages(
  file: MediaFile,
  codec: "gif" | "webp",
  limits: MediaLimits,
): Promise<Animation | null> {
  // A damaged header is reported by the reader of single pictures.
  const metadata = await sharp(await file.readAll(), { pages: 1, limitInputPixels: limits.maxPixels })
    .metadata()
    .catch(() => null);
  const { width, height, pages = 1, delay = [] } = metadata ?? {};
  if (!width || !height || pages < 2) return null;
  return {
    width,
    height,
    codec,
    delaysMs: Array.from({ length: pages }, (_, page) => shownDelayMs(delay[page] ?? 0)),
    read: (range) => readPages(file, { width, height }, range),
  };
}

async function* readPages(
  file: MediaFile,
  size: { width: number; height: number },
  range: AnimationRange,
): AsyncGenerator<AnimationPicture> {
  const pageBytes = size.width * size.height * 3;
  const step = Math.max(1, Math.floor(CHUNK_BYTES / pageBytes));
  let last: Uint8Array | undefined;
  for (let page = range.first; page < range.end; page += step) {
    const count = Math.min(step, range.end - page);
    const chunk = await readChunk(file, page, count);
    for (let i = 0; i < count; i++) {
      range.signal.throwIfAborted();
      // A copy: a frame that is kept must not keep the chunk.
      const rgb = chunk
        ? chunk.slice(i * pageBytes, (i + 1) * pageBytes)
        : await readChunk(file, page + i, 1);
      last = rgb
        ? await resizeRgb({ rgb, ...size }, range)
        : (last ?? (await pageBefore(file, page + i, size, range)));
      yield rgb ? { rgb: last } : { rgb: last, damaged: true };
    }
  }
}

/** Pages one below the other, `[count · height, width, 3]` uint8; null when one of them is damaged. */
async function readChunk(file: MediaFile, page: number, pages: number): Promise<Uint8Array | null> {
  const options = { page, pages, failOn: "error", limitInputPixels: false, sequentialRead: true } as const;
  return toRgb(sharp(await file.readAll(), options)).catch(() => null);
}

async function pageBefore(
  file: MediaFile,
  page: number,
  size: { width: number; height: number },
  wanted: { width: number; height: number },
): Promise<Uint8Array> {
  for (let before = page - 1; before >= 0; before--) {
    const rgb = await readChunk(file, before, 1);
    if (rgb) return resizeRgb({ rgb, ...size }, wanted);
  }
  throw mediaUnreadable(`Frame ${page} cannot be decoded: the animation is damaged.`);
}
