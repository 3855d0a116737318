import type { MediaFile } from "./media-file.js";
import { createPagedReader } from "./paged-reader.js";

/**
 * True when an MP4 or QuickTime file ends before the data that its boxes announce: an interrupted download or copy whose
 * index, at the front, still lists every frame.
 */
export async function isCutShort(file: MediaFile): Promise<boolean> {
  const size = await file.size();
  const read = createPagedReader(file);
  let offset = 0;
  while (offset + 8 <= size) {
    const header = await read(offset, 16);
    if (header.length < 8) return false;
    const length = header.readUInt32BE(0);
    if (length === 0) return false; // the last box extends to the end of the file
    if (length === 1 && header.length < 16) return false;
    const bytes = length === 1 ? Number(header.readBigUInt64BE(8)) : length;
    if (bytes < 8) return false;
    offset += bytes;
  }
  return offset > size;
}
