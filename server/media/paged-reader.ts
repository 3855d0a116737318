import type { MediaFile } from "./media-file.js";

/** Reads fewer bytes where the file ends. */
export type Read = (start: number, bytes: number) => Promise<Buffer>;

const PAGE_BYTES = 4096;

/** Reads small pieces that follow each other, such as headers: a page of the file serves many of them. */
export function createPagedReader(file: Pick<MediaFile, "read">): Read {
  let pageStart = 0;
  let page: Buffer = Buffer.alloc(0);
  return async (start, bytes) => {
    if (bytes > PAGE_BYTES) return file.read(start, bytes);
    if (start < pageStart || start + bytes > pageStart + page.length) {
      page = await file.read(start, PAGE_BYTES);
      pageStart = start;
    }
    return page.subarray(start - pageStart, start - pageStart + bytes);
  };
}
