import { mediaUnsupported } from "./errors.js";
import type { MediaFile } from "./media-file.js";
import { createPagedReader } from "./paged-reader.js";

/**
 * Pictures of a WebP animation. libwebp finds a picture by walking through all before it, so that the time grows with the
 * square of their number: 20,000 pictures take seconds, 300,000 take minutes. At 30 pictures a second these are 11 minutes.
 */
const MAX_PICTURES = 20_000;

/** An animation has at most five other chunks: VP8X, ANIM, ICCP, EXIF and XMP. */
const OTHER_CHUNKS = 5;

const RIFF_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;

/**
 * Throws `media_unsupported` for a WebP file with more than {@link MAX_PICTURES}, or as many other chunks. Damaged
 * files pass.
 */
export async function checkWebpPictures(file: MediaFile): Promise<void> {
  const read = createPagedReader(file);
  let chunks = 0;
  for (let at = RIFF_HEADER_BYTES; ; ) {
    const header = await read(at, CHUNK_HEADER_BYTES);
    if (header.length < CHUNK_HEADER_BYTES) return;
    if (++chunks > MAX_PICTURES + OTHER_CHUNKS) {
      throw mediaUnsupported(`The animation has more than ${MAX_PICTURES} pictures, the limit for WebP.`);
    }
    const bytes = header.readUInt32LE(4);
    at += CHUNK_HEADER_BYTES + bytes + (bytes % 2);
  }
}
