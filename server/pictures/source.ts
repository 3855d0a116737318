/** The bytes of a picture. */
import type { MediaFile } from "../media/media-file.js";

/** Most headers end within this. */
export const HEAD_BYTES = 64 * 1024;

/** Bytes that can be read more than once. */
export interface PictureSource {
  byteLength: number;
  /** The bytes in order. Leaving the loop early releases everything. */
  parts(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** The first {@link HEAD_BYTES} bytes or more, or everything, if they are in memory. */
  head?: Uint8Array;
}

/** Bytes in memory. */
export function sourceOf(bytes: Uint8Array): PictureSource {
  return { byteLength: bytes.length, parts: () => [bytes], head: bytes };
}

const PART_BYTES = 1024 * 1024;

/** A file, which is read in parts while they are sent. */
export async function fileSource(file: MediaFile, head?: Uint8Array): Promise<PictureSource> {
  const byteLength = await file.size();
  return {
    byteLength,
    ...(head && { head }),
    async *parts() {
      for (let start = 0; start < byteLength; start += PART_BYTES)
        yield await file.read(start, Math.min(PART_BYTES, byteLength - start));
    },
  };
}

/** A source that yields fewer or more bytes than it announces. */
export class ChangedSourceError extends Error {
  constructor() {
    super("the file has changed while it was read");
  }
}
