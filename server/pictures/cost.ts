/**
 * Memory and time that a piece of work takes at most, from the header alone. The factors were measured with libvips 8.18; the
 * test of this file compares them with the peak memory of real decoding.
 */
import { type Cost, type Header, isOfPixels, type PixelSize, type Work } from "./messages.js";

const MIB = 1024 ** 2;

/** Buffers that do not depend on the picture. */
const BASE_BYTES = 12 * MIB;
/** The file, messages that contained parts of it, and colour profiles. */
const INPUT_COPIES = 2.5;
/** Rows that libvips caches of a picture that is read from top to bottom. */
const CACHED_ROWS = 1600;
/** Rows in the buffers of the operations that follow the decoder. */
const PIPELINE_ROWS = 256;
/** The pixels of the result: in libvips, as a buffer, and on their way to the server. */
const RESULT_COPIES = 4;

/** Larger WebP pictures are shrunk while they are decoded; see `still.ts`. */
export const WEBP_WHOLE_PIXELS = 16 * MIB;

/** Pictures of an animation that are decoded together take this much. */
const CHUNK_BYTES = 24 * MIB;

/** @param inputBytes bytes of the file */
export function costOf(work: Work, header: Header | undefined, inputBytes: number): Cost {
  const input = BASE_BYTES + INPUT_COPIES * inputBytes;
  if (isOfPixels(work)) {
    const pixels = work.from.width * work.from.height;
    // A JPEG has at most as many bytes as its pixels, except for noise.
    const result = resultBytes(work.kind === "resize" ? work.size : work.from);
    return { bytes: input + pipelineBytes(work.from.width, 3) + result, pixels };
  }
  if (!header || work.kind === "probe") return { bytes: input, pixels: 0 };
  const pixels = header.stored.width * header.stored.height;
  if (work.kind === "pages") return pagesCost(work, header, input);
  if (work.kind === "mask") {
    // Pixels of libvips, then one byte of each, then the edges and their text.
    const decoded = decoderBytes(header, work.expected) + pixels * (header.channels <= 2 ? 2 : 4);
    return { bytes: input + decoded + pixels + MASK_EDGE_BYTES, pixels };
  }
  return {
    bytes: input + decoderBytes(header, work.size) + resultBytes(work.size),
    pixels: header.format === "jpeg" ? pixels / JPEG_SPEED : pixels,
  };
}

/** A JPEG is decoded this many times as fast as other formats: most of it is shrunk before its pixels exist. */
const JPEG_SPEED = 4;

/** Positions of the edges twice, their runs, and seven bytes of text for each; see `encodeMask`. */
const MASK_EDGE_BYTES = 48 * MIB;

function resultBytes({ width, height }: PixelSize): number {
  return RESULT_COPIES * 3 * width * height;
}

function pipelineBytes(width: number, pixelBytes: number): number {
  return PIPELINE_ROWS * width * pixelBytes;
}

function decoderBytes(header: Header, size: PixelSize): number {
  const { stored, channels, depthBytes, hasAlpha } = header;
  const { width, height } = stored;
  const pixels = width * height;
  const pixelBytes = channels * depthBytes;
  // Transparency is applied in floating point.
  const pipeline = pipelineBytes(width, hasAlpha ? Math.max(pixelBytes, 4 * channels) : pixelBytes);
  const rows = width * pixelBytes * Math.min(height, CACHED_ROWS) + pipeline;
  switch (header.format) {
    case "jpeg":
      return header.coefficientBytes + rows;
    case "png":
      return (header.isProgressive ? pixels * pixelBytes : 0) + rows;
    case "webp":
      return (webpShrink(header, size) > 1 ? 4.5 : hasAlpha ? 10.25 : 8.25) * pixels + pipeline;
    case "gif":
      return 8 * pixels + rows;
    case "tiff":
      // One strip or tile can contain the whole picture.
      return pixels * pixelBytes + rows;
  }
}

/**
 * The factor by which the decoder of a large WebP shrinks the picture. It is half of the whole factor, so that the rest is
 * the same resampling as that of other pictures. 1 for smaller pictures.
 */
export function webpShrink({ stored, orientation }: Header, size: PixelSize): number {
  const { width, height } = stored;
  if (width * height <= WEBP_WHOLE_PIXELS) return 1;
  const [across, down] = orientation >= 5 ? [size.height, size.width] : [size.width, size.height];
  return Math.max(1, Math.min(width / across, height / down) / 2);
}

/** Pictures of an animation change only in parts and are not resampled one by one. */
const PAGE_SPEED = 4;

function pagesCost(work: Extract<Work, { kind: "pages" }>, header: Header, input: number): Cost {
  const { stored, hasAlpha } = header;
  const count = work.end - work.first;
  // Every call decodes the file from its first picture.
  const pixels = (stored.width * stored.height * work.end) / PAGE_SPEED;
  const results = count * resultBytes(work.size);
  if (isDecodedAlone(stored)) return { bytes: input + decoderBytes(header, WHOLE) + results, pixels };
  // The canvas and the one before it; then the pictures as the decoder returns them, and in RGB.
  const canvases = (hasAlpha ? 6 : 4) * stored.width * stored.height + pipelineBytes(stored.width, 16);
  const pages = (hasAlpha ? 7 : 6) * count * stored.width * stored.height;
  return { bytes: input + canvases + pages + results / 2, pixels };
}

/** The result has the size of the picture: nothing is shrunk while it is decoded. */
const WHOLE: PixelSize = { width: Number.POSITIVE_INFINITY, height: Number.POSITIVE_INFINITY };

/** True for animations with pictures so large that each is stretched while it is decoded. */
export function isDecodedAlone({ width, height }: PixelSize): boolean {
  return 3 * width * height > CHUNK_BYTES;
}

/** Pictures of an animation that one piece of work may contain. */
export function pagesAtOnce(from: PixelSize, size: PixelSize): number {
  const bytes = 3 * Math.max(from.width * from.height, size.width * size.height);
  return Math.max(1, Math.floor(CHUNK_BYTES / bytes));
}
