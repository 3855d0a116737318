/** Pictures that take far more memory or time than their size suggests. */
import { deflateSync } from "node:zlib";

/** A lossless WebP of 11585×11585 in 38 bytes. */
export const unfoldingWebp = Buffer.from("UklGRh4AAABXRUJQVlA4TBEAAAAvQC1QCwdQhSJXof+BiOh/AAA=", "base64");

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length);
  chunk.write(type, 4, "latin1");
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A black PNG of 64×64 with many texts, each of which unfolds to `textBytes`. */
export function pngWithTexts(texts: number, textBytes: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(64);
  header.writeUInt32BE(64, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const text = deflateSync(Buffer.alloc(textBytes, "A"), { level: 9 });
  const chunks = Array.from({ length: texts }, (_, index) =>
    pngChunk("zTXt", Buffer.concat([Buffer.from(`key ${index}\0\0`, "latin1"), text])),
  );
  const rows = deflateSync(Buffer.alloc(64 * (1 + 64 * 3)));
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk("IHDR", header),
    ...chunks,
    pngChunk("IDAT", rows),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}
