import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { ProtocolError } from "../../protocol/errors.js";
import { mediaUnreadable, mediaUnsupported, readFailure } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import { readHead, sniffBytes } from "./sniff.js";

// Pictures are read once and in order. A cache would only keep the last hundred of them in memory.
sharp.cache(false);

export interface StillFacts {
  /** Upright size: the EXIF orientation is applied. */
  width: number;
  height: number;
  format: "jpeg" | "png" | "webp";
  /** Clockwise rotation of the EXIF orientation, already applied to the size. */
  rotationDeg: 0 | 90 | 180 | 270;
}

/** Most headers end within this. Pictures with larger embedded thumbnails or profiles are read whole to be probed. */
const HEADER_BYTES = 64 * 1024;

/** By EXIF orientation. Of a mirrored picture, the rotation that remains when the mirroring is undone. */
const EXIF_ROTATION = { 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270 } as const;

/** Reads the header of a picture. Error messages call it `name`. */
export async function probeStill(path: string, name: string, limits: MediaLimits): Promise<StillFacts> {
  const head = await readHead(path, HEADER_BYTES).catch(failReading(name));
  const format = formatOf(head, name);
  const metadata = await sharp(head, sharpOptions(limits))
    .metadata()
    .catch(async () => {
      const bytes = await readFile(path).catch(failReading(name));
      return sharp(bytes, sharpOptions(limits)).metadata();
    })
    .catch((error) => {
      throw cannotRead(name, limits, error);
    });
  const { width, height } = metadata.autoOrient;
  if (width * height > limits.maxPixels) throw tooLarge(name, limits);
  const orientation = metadata.orientation as keyof typeof EXIF_ROTATION | undefined;
  return { width, height, format, rotationDeg: (orientation && EXIF_ROTATION[orientation]) ?? 0 };
}

/**
 * A picture as `[height, width, 3]` uint8: upright, in sRGB, transparency over black, stretched with the resampling
 * that `decodeFrames` uses (bilinear over the area that a pixel covers).
 */
export async function readStill(
  path: string,
  name: string,
  size: { width: number; height: number },
  limits: MediaLimits,
): Promise<Uint8Array> {
  const bytes = await readFile(path).catch(failReading(name));
  // Without this check sharp also reads SVG, TIFF and others.
  formatOf(bytes.subarray(0, HEADER_BYTES), name);
  try {
    const { data, info } = await sharp(bytes, sharpOptions(limits))
      .autoOrient()
      .flatten({ background: "#000" })
      .toColourspace("srgb")
      .resize(size.width, size.height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return info.channels === 3 ? data : greyToRgb(data, info.channels);
  } catch (error) {
    throw cannotRead(name, limits, error);
  }
}

function formatOf(head: Uint8Array, name: string): StillFacts["format"] {
  if (head.length === 0) throw mediaUnreadable(`${name} is empty.`);
  const kind = sniffBytes(head);
  if (kind.kind !== "image") throw mediaUnsupported(`${name} does not contain a JPEG, PNG or WebP picture.`);
  return kind.format;
}

function sharpOptions(limits: MediaLimits) {
  return { limitInputPixels: limits.maxPixels, failOn: "error", sequentialRead: true } as const;
}

function failReading(name: string) {
  return (error: unknown): never => {
    throw readFailure(error, name);
  };
}

function cannotRead(name: string, limits: MediaLimits, error: unknown): Error {
  if (error instanceof ProtocolError) return error;
  if (error instanceof Error && /pixel limit/i.test(error.message)) return tooLarge(name, limits);
  return mediaUnreadable(`${name} cannot be read: the picture is damaged.`, error);
}

function tooLarge(name: string, limits: MediaLimits): Error {
  return mediaUnsupported(`${name} is larger than ${limits.maxPixels} pixels.`);
}

function greyToRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) rgb.fill(data[i * channels] as number, i * 3, i * 3 + 3);
  return rgb;
}
