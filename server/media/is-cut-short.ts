import { open, stat } from "node:fs/promises";

/**
 * True when an MP4 or QuickTime file ends before the data that its boxes announce: an interrupted download or copy whose
 * index, at the front, still lists every frame.
 */
export async function isCutShort(path: string): Promise<boolean> {
  const { size } = await stat(path);
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(16);
    let offset = 0;
    while (offset + 8 <= size) {
      await file.read(header, 0, 16, offset);
      const length = header.readUInt32BE(0);
      if (length === 0) return false; // the last box extends to the end of the file
      const bytes = length === 1 ? Number(header.readBigUInt64BE(8)) : length;
      if (bytes < 8) return false;
      offset += bytes;
    }
    return offset > size;
  } finally {
    await file.close();
  }
}
