/** Reads the mask of a request: COCO run lengths, a PNG picture, or polygons. */
import { type CocoRle, type MaskInput, maskArea, ProtocolError } from "../protocol/index.js";
import { rleOfPolygons } from "../protocol/polygons.js";
import { rleOfTurns, turnsOf } from "../protocol/rle.js";
import { DEFAULT_MEDIA_LIMITS } from "./media/limits.js";
import { sniffBytes } from "./media/sniff.js";
import { type OwnerPictures, PictureError } from "./pictures/pictures.js";
import { sourceOf } from "./pictures/source.js";
import { checkPixel, type FrameSize } from "./prompts.js";

export interface MaskReading {
  pictures: OwnerPictures;
  signal?: AbortSignal;
}

/**
 * @returns the mask as compressed run lengths in their shortest form
 * @throws ProtocolError invalid_field for a mask that cannot be read, has another size than the source, has too many edges,
 * or has no pixel; server_busy
 */
export async function readMask(mask: MaskInput, size: FrameSize, reading: MaskReading): Promise<CocoRle> {
  const rle = await rleOf(mask, size, reading);
  if (maskArea(rle) === 0) throw invalid("mask", "expected at least one pixel inside, got none");
  return rle;
}

async function rleOf(
  { rle, polygons, png = "" }: MaskInput,
  size: FrameSize,
  reading: MaskReading,
): Promise<CocoRle> {
  if (polygons) return readPolygons(polygons, size);
  return rle ? shortest(rle, size) : rleOfPng(png, size, reading);
}

function readPolygons(polygons: NonNullable<MaskInput["polygons"]>, size: FrameSize): CocoRle {
  for (const [row, ring] of polygons.entries())
    ring.forEach((value, at) => {
      checkPixel(value, at % 2 === 0 ? size.width : size.height, `mask.polygons[${row}][${at}]`);
    });
  return rleOfPolygons(polygons, [size.height, size.width]);
}

/** The time depends on the number of runs, not of pixels. */
function shortest(
  { size: [height, width], counts }: NonNullable<MaskInput["rle"]>,
  size: FrameSize,
): CocoRle {
  checkSize({ width, height }, size, "mask.rle.size");
  if (Array.isArray(counts)) return rleOfTurns(turnsOfRuns(counts, size), [height, width]);
  try {
    return rleOfTurns(turnsOf({ size: [height, width], counts }), [height, width]);
  } catch (cause) {
    throw invalid("mask.rle.counts", (cause as Error).message, cause);
  }
}

/**
 * @param counts lengths of runs, column by column, that alternate and start outside
 * @returns the positions at which the mask begins and ends
 */
function turnsOfRuns(counts: readonly number[], { width, height }: FrameSize): Int32Array {
  const pixels = width * height;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== pixels)
    throw invalid("mask.rle.counts", `expected runs of ${pixels} pixels in all, got ${total}`);
  const turns: number[] = [];
  let position = 0;
  for (const [index, count] of counts.entries()) {
    if (index % 2 === 1 && count > 0) {
      // Runs without pixels between them are one.
      if (turns.at(-1) === position) turns.pop();
      else turns.push(position);
      turns.push(position + count);
    }
    position += count;
  }
  return Int32Array.from(turns);
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The prefix of the text that a canvas of a browser returns. */
const DATA_URL = "data:image/png;base64,";

async function rleOfPng(text: string, size: FrameSize, reading: MaskReading): Promise<CocoRle> {
  const base64 = text.startsWith(DATA_URL) ? text.slice(DATA_URL.length) : text;
  if (!BASE64.test(base64)) throw invalid("mask.png", "expected base64 text");
  const bytes = Buffer.from(base64, "base64");
  const kind = sniffBytes(bytes);
  if (kind.kind === "image" && kind.format !== "png")
    throw invalid("mask.png", `expected a PNG picture, got ${kind.format}`);
  const work = { kind: "mask", format: "png", expected: { width: size.width, height: size.height } } as const;
  const request = { ...reading, limits: DEFAULT_MEDIA_LIMITS };
  const { header, rle } = await reading.pictures.run(work, sourceOf(bytes), request).catch((error) => {
    throw error instanceof PictureError ? maskError(error) : error;
  });
  checkSize(header.stored, size, "mask.png");
  if (!rle) throw new Error("the mask was not decoded");
  return rle;
}

function maskError(error: PictureError): ProtocolError {
  if (error.kind === "too_detailed") return invalid("mask.png", error.message, error);
  if (error.kind === "exhausted")
    return invalid("mask.png", "the picture takes more memory or time to decode than a mask may take", error);
  return invalid("mask.png", "expected a PNG picture that can be read", error);
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
