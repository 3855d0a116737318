/** Pictures that take far more memory or time than their size suggests. */
import { deflateSync } from "node:zlib";
import { PNG_SIGNATURE, pngChunk } from "../../server/png.js";

/** A lossless WebP of 11585×11585 in 38 bytes. */
export const unfoldingWebp = Buffer.from("UklGRh4AAABXRUJQVlA4TBEAAAAvQC1QCwdQhSJXof+BiOh/AAA=", "base64");

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
