/** Reads the mask of a request: COCO run lengths, a PNG picture, or polygons. */
import sharp from "sharp";
import {
  type CocoRle,
  decodeMask,
  encodeMask,
  type MaskInput,
  maskArea,
  ProtocolError,
} from "../protocol/index.js";
import { rleOfPolygons } from "../protocol/polygons.js";
import { checkPixel, type FrameSize } from "./prompts.js";

/**
 * @returns the mask as compressed run lengths in their shortest form
 * @throws ProtocolError invalid_field for a mask that cannot be read, has another size than the source, or has no pixel.
 */
export async function readMask(mask: MaskInput, size: FrameSize): Promise<CocoRle> {
  const { width, height } = size;
  const rle = mask.polygons
    ? readPolygons(mask.polygons, size)
    : encodeMask(await bitsOf(mask, size), width, height);
  if (maskArea(rle) === 0) throw invalid("mask", "expected at least one pixel inside, got none");
  return rle;
}

/** uint8 [height, width], 1 inside and 0 outside */
async function bitsOf({ rle, png = "" }: MaskInput, size: FrameSize): Promise<Uint8Array> {
  return rle ? bitsOfRle(rle, size) : bitsOfPng(png, size);
}

function readPolygons(polygons: NonNullable<MaskInput["polygons"]>, size: FrameSize): CocoRle {
  for (const [row, ring] of polygons.entries())
    ring.forEach((value, at) => {
      checkPixel(value, at % 2 === 0 ? size.width : size.height, `mask.polygons[${row}][${at}]`);
    });
  return rleOfPolygons(polygons, [size.height, size.width]);
}

function bitsOfRle(
  { size: [height, width], counts }: NonNullable<MaskInput["rle"]>,
  size: FrameSize,
): Uint8Array {
  checkSize({ width, height }, size, "mask.rle.size");
  if (Array.isArray(counts)) return bitsOfRuns(counts, size);
  try {
    return decodeMask({ size: [height, width], counts }).data;
  } catch (cause) {
    throw invalid("mask.rle.counts", (cause as Error).message, cause);
  }
}

/** @param counts lengths of runs, column by column, that alternate and start outside */
function bitsOfRuns(counts: readonly number[], { width, height }: FrameSize): Uint8Array {
  const pixels = width * height;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== pixels)
    throw invalid("mask.rle.counts", `expected runs of ${pixels} pixels in all, got ${total}`);
  const bits = new Uint8Array(pixels);
  let position = 0;
  counts.forEach((count, index) => {
    const end = position + count;
    if (index % 2 === 1)
      for (let at = position; at < end; at++) bits[(at % height) * width + Math.floor(at / height)] = 1;
    position = end;
  });
  return bits;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The prefix of the text that a canvas of a browser returns. */
const DATA_URL = "data:image/png;base64,";

async function bitsOfPng(text: string, size: FrameSize): Promise<Uint8Array> {
  const base64 = text.startsWith(DATA_URL) ? text.slice(DATA_URL.length) : text;
  if (!BASE64.test(base64)) throw invalid("mask.png", "expected base64 text");
  const bytes = Buffer.from(base64, "base64");
  const unreadable = (cause: unknown) =>
    invalid("mask.png", "expected a PNG picture that can be read", cause);
  const { format, width, height } = await sharp(bytes)
    .metadata()
    .catch((cause) => {
      throw unreadable(cause);
    });
  if (format !== "png") throw invalid("mask.png", `expected a PNG picture, got ${format}`);
  checkSize({ width, height }, size, "mask.png");
  const picture = await sharp(bytes, { failOn: "error" })
    .toColourspace("rgb16")
    .ensureAlpha()
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true })
    .catch((cause) => {
      throw unreadable(cause);
    });
  const values = new Uint16Array(picture.data.buffer, picture.data.byteOffset, picture.data.byteLength / 2);
  const bits = new Uint8Array(width * height);
  for (let pixel = 0; pixel < bits.length; pixel++) {
    const at = 4 * pixel;
    if (values[at + 3] && (values[at] || values[at + 1] || values[at + 2])) bits[pixel] = 1;
  }
  return bits;
}

function checkSize(seen: FrameSize, expected: FrameSize, field: string): void {
  if (seen.width === expected.width && seen.height === expected.height) return;
  throw invalid(
    field,
    `expected the size of the source, ${expected.width}x${expected.height} pixels, got ${seen.width}x${seen.height}`,
  );
}

function invalid(field: string, problem: string, cause?: unknown): ProtocolError {
  return new ProtocolError("invalid_field", `${field}: ${problem}`, field, { cause });
}
