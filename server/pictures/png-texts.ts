/** Texts in PNG files. They do not change the picture, and a text of a few bytes can unfold to megabytes. */

const SIGNATURE_BYTES = 8;
/** Length, type and checksum. */
const FRAME_BYTES = 12;
const TEXTS = new Set(["tEXt", "zTXt", "iTXt"]);

/** Removes the texts, in place. Returns the part of `png` that is used then. A damaged file stays as it is from the damage on. */
export function withoutTexts(png: Buffer): Buffer {
  let kept = SIGNATURE_BYTES;
  let at = SIGNATURE_BYTES;
  while (at + FRAME_BYTES <= png.length) {
    const end = at + FRAME_BYTES + png.readUInt32BE(at);
    if (end > png.length) break;
    if (!TEXTS.has(png.toString("latin1", at + 4, at + 8))) {
      png.copyWithin(kept, at, end);
      kept += end - at;
    }
    at = end;
  }
  png.copyWithin(kept, at);
  return png.subarray(0, kept + png.length - at);
}
