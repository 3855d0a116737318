/** Masks in the formats `png` and `label_map`. */
import { decode } from "fast-png";
import type { Mask } from "../../protocol/rle.js";

/** @param base64 one of `out_png_masks`. @throws RangeError when it is not a greyscale PNG of 1 bit per pixel. */
export function maskOfPng(base64: string): Mask {
  const { width, height, depth, channels, data } = decodePng(base64);
  if (depth !== 1 || channels !== 1) {
    throw new RangeError(`expected a PNG with 1 channel of 1 bit, got ${channels} of ${depth} bits`);
  }
  const rowBytes = Math.ceil(width / 8);
  const pixels = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      pixels[at] = ((data[y * rowBytes + (x >>> 3)] as number) >>> (7 - (x & 7))) & 1;
    }
  }
  return { width, height, data: pixels };
}

/** One picture for all objects. */
export interface LabelMap {
  width: number;
  height: number;
  /** `[height, width]` row by row: 1 + the position of the object in `out_obj_ids`, or 0. */
  labels: Uint8Array | Uint8ClampedArray | Uint16Array;
}

/** @param base64 `out_label_map`. @throws RangeError when it is not a greyscale PNG of 8 or 16 bits per pixel. */
export function decodeLabelMap(base64: string): LabelMap {
  const { width, height, depth, channels, data } = decodePng(base64);
  if (depth < 8 || channels !== 1) {
    throw new RangeError(`expected a PNG with 1 channel of 8 or 16 bits, got ${channels} of ${depth} bits`);
  }
  return { width, height, labels: data };
}

/** The pixels with this label. Pixels that a later object covers have the label of that object. */
export function maskOfLabel({ width, height, labels }: LabelMap, label: number): Mask {
  const data = new Uint8Array(width * height);
  for (let at = 0; at < data.length; at++) if (labels[at] === label) data[at] = 1;
  return { width, height, data };
}

function decodePng(base64: string) {
  try {
    return decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch (cause) {
    throw new RangeError(`expected a PNG in base64: ${(cause as Error).message}`, { cause });
  }
}
