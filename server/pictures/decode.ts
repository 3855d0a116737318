/** Decodes pictures with libvips. Runs in the picture process. */
import type { Sharp } from "sharp";
import { type CocoRle, encodeMask } from "../../protocol/rle.js";
import { isDecodedAlone, webpShrink } from "./cost.js";
import { READ_OPTIONS, sharp } from "./libvips.js";
import type { Header, PixelSize } from "./messages.js";

/** A mask has more edges than the server stores. */
export class TooDetailedError extends Error {}

/**
 * The first picture of a file as `[height, width, 3]` uint8: upright, in sRGB, transparency over black, stretched with the
 * resampling that the decoder of videos uses (bilinear over the area that a pixel covers).
 */
export async function decodeStill(bytes: Uint8Array, header: Header, size: PixelSize): Promise<Uint8Array> {
  const shrink = header.format === "webp" ? webpShrink(header, size) : 1;
  const picture = sharp(bytes, READ_OPTIONS).autoOrient();
  if (shrink === 1) return toRgb(picture, size);
  // The decoder shrinks JPEG pictures with and without `fastShrinkOnLoad`, also by half of the whole factor.
  const half = { width: Math.round(header.width / shrink), height: Math.round(header.height / shrink) };
  const shrunk = picture.resize(half.width, half.height, { fit: "fill", fastShrinkOnLoad: true });
  return resizeRgb(await toRgb(shrunk), half, size);
}

/**
 * Pictures `first` … `end - 1` of an animation; null in place of a damaged one. The decoder starts from the first picture of
 * the file each time, so they are decoded together. Where that fails, each half is tried.
 */
export async function decodePages(
  bytes: Uint8Array,
  from: PixelSize,
  { first, end, size }: { first: number; end: number; size: PixelSize },
): Promise<(Uint8Array | null)[]> {
  if (isDecodedAlone(from)) {
    const pictures: (Uint8Array | null)[] = [];
    for (let page = first; page < end; page++)
      pictures.push(await toRgb(sharp(bytes, { ...READ_OPTIONS, page, pages: 1 }), size).catch(() => null));
    return pictures;
  }
  const pageBytes = from.width * from.height * 3;
  const count = end - first;
  // `[count · height, width, 3]` uint8, one picture below the other
  const options = { ...READ_OPTIONS, page: first, pages: count };
  const together = await toRgb(sharp(bytes, options)).catch(() => null);
  if (!together) {
    if (count === 1) return [null];
    const middle = first + Math.floor(count / 2);
    const before = await decodePages(bytes, from, { first, end: middle, size });
    return [...before, ...(await decodePages(bytes, from, { first: middle, end, size }))];
  }
  const pictures: Uint8Array[] = [];
  for (let at = 0; at < together.length; at += pageBytes)
    pictures.push(await resizeRgb(together.subarray(at, at + pageBytes), from, size));
  return pictures;
}

/** Stretches `[height, width, 3]` uint8 as {@link decodeStill} does. */
export async function resizeRgb(rgb: Uint8Array, from: PixelSize, size: PixelSize): Promise<Uint8Array> {
  if (from.width === size.width && from.height === size.height) return rgb;
  return toRgb(sharp(rgb, { raw: { ...from, channels: 3 }, limitInputPixels: false }), size);
}

async function toRgb(picture: Sharp, size?: PixelSize): Promise<Uint8Array> {
  const opaque = picture.flatten({ background: "#000" }).toColourspace("srgb");
  const sized = size
    ? opaque.resize(size.width, size.height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
    : opaque;
  const { data, info } = await sized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return info.channels === 3 ? data : greyToRgb(data, info.channels);
}

function greyToRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) rgb.fill(data[i * channels] as number, i * 3, i * 3 + 3);
  return rgb;
}

/**
 * A mask: pixels that are neither black nor fully transparent.
 * @param maxEdges pixels that differ from the one above them, or from outside the picture
 * @throws TooDetailedError
 */
export async function decodeMask(bytes: Uint8Array, header: Header, maxEdges: number): Promise<CocoRle> {
  // 16 bits, so that the smallest value stays above 0. The result saturates: what is above 255 becomes 255.
  const isGrey = header.channels <= 2;
  const { data, info } = await sharp(bytes, READ_OPTIONS)
    .toColourspace(isGrey ? "grey16" : "rgb16")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = header.stored;
  const bits = bitsOf(data, info.channels, header.hasAlpha);
  if (countEdges(bits, width) > maxEdges)
    throw new TooDetailedError(`expected at most ${maxEdges} changes between a pixel and the one above it`);
  return encodeMask(bits, width, height);
}

/** @returns uint8 for each pixel, 1 inside and 0 outside */
function bitsOf(data: Uint8Array, channels: number, hasAlpha: boolean): Uint8Array {
  const bits = new Uint8Array(data.length / channels);
  const colours = hasAlpha ? channels - 1 : channels;
  for (let pixel = 0; pixel < bits.length; pixel++) {
    const at = channels * pixel;
    if (hasAlpha && data[at + colours] === 0) continue;
    for (let band = 0; band < colours; band++) if (data[at + band] !== 0) bits[pixel] = 1;
  }
  return bits;
}

function countEdges(bits: Uint8Array, width: number): number {
  let edges = 0;
  for (let at = 0; at < bits.length; at++) {
    const above = at < width ? 0 : bits[at - width];
    if (bits[at] !== above) edges++;
  }
  return edges;
}
