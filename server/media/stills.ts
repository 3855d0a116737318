import sharp, { type Sharp } from "sharp";
import { ProtocolError } from "../../protocol/errors.js";
import { bmpSize, readBmp } from "./bmp.js";
import { mediaUnsupported, readFailure } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { describeKind, type StillFormat, sniffBytes } from "./sniff.js";

// Pictures are read once and in order. A cache would only keep the last hundred of them in memory.
sharp.cache(false);

export interface StillFacts {
  /** Upright size: the EXIF orientation is applied. */
  width: number;
  height: number;
  format: StillFormat;
  /** Clockwise rotation of the EXIF orientation, already applied to the size. */
  rotationDeg: 0 | 90 | 180 | 270;
}

/** `media_unreadable` because the picture's bytes are damaged, not because the file is missing or forbidden. */
export class DamagedPictureError extends ProtocolError {
  constructor(message: string, cause?: unknown) {
    super("media_unreadable", message, undefined, { cause });
  }
}

/** Most headers end within this. Pictures with larger embedded thumbnails or profiles are read whole to be probed. */
const HEADER_BYTES = 64 * 1024;

/** By EXIF orientation. Of a mirrored picture, the rotation that remains when the mirroring is undone. */
const EXIF_ROTATION = { 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270 } as const;

/** The first bytes of a picture, enough for {@link probeStill}. */
export async function readStillHead(file: MediaFile, name: string): Promise<Uint8Array> {
  return file.read(0, HEADER_BYTES).catch(failReading(name));
}

/**
 * Reads the header of a picture. Error messages call it `name`.
 *
 * @param head from {@link readStillHead}, if it is read already
 * @throws DamagedPictureError, or `media_unsupported` when the file contains no picture or a larger one than the limit
 */
export async function probeStill(
  file: MediaFile,
  name: string,
  limits: MediaLimits,
  head?: Uint8Array,
): Promise<StillFacts> {
  const start = head ?? (await readStillHead(file, name));
  const format = formatOf(start, name);
  const facts = format === "bmp" ? upright(bmpSize(start)) : await readMetadata(file, name, limits, start);
  if (!facts) throw cannotRead(name, limits, new Error("the BMP header has no valid size"));
  if (facts.width * facts.height > limits.maxPixels) throw tooLarge(name, limits);
  return { ...facts, format };
}

function upright(size: { width: number; height: number } | null) {
  return size && { ...size, rotationDeg: 0 as const };
}

async function readMetadata(
  file: MediaFile,
  name: string,
  limits: MediaLimits,
  head: Uint8Array,
): Promise<Omit<StillFacts, "format">> {
  const metadata = await sharp(head, sharpOptions(limits))
    .metadata()
    .catch(async () => {
      const bytes = await file.readAll().catch(failReading(name));
      return sharp(bytes, sharpOptions(limits)).metadata();
    })
    .catch((error) => {
      throw cannotRead(name, limits, error);
    });
  const { width, height } = metadata.autoOrient;
  const orientation = metadata.orientation as keyof typeof EXIF_ROTATION | undefined;
  return { width, height, rotationDeg: (orientation && EXIF_ROTATION[orientation]) ?? 0 };
}

/**
 * A picture as `[height, width, 3]` uint8: upright, in sRGB, transparency over black, stretched with the resampling
 * that `decodeFrames` uses (bilinear over the area that a pixel covers). Of several pages or animation frames, the first.
 *
 * @throws DamagedPictureError
 */
export async function readStill(
  file: MediaFile,
  name: string,
  size: { width: number; height: number },
  limits: MediaLimits,
): Promise<Uint8Array> {
  const bytes = await file.readAll().catch(failReading(name));
  // Without this check sharp also reads SVG and others.
  const format = formatOf(bytes.subarray(0, HEADER_BYTES), name);
  try {
    if (format === "bmp") return await resizeRgb(await readBmp(file, bytes, limits), size);
    const picture = sharp(bytes, sharpOptions(limits)).autoOrient();
    return await toRgb(picture, size);
  } catch (error) {
    throw cannotRead(name, limits, error);
  }
}

/** Stretches a picture of `[height, width, 3]` uint8 as {@link readStill} does. */
export async function resizeRgb(
  picture: { rgb: Uint8Array; width: number; height: number },
  size: { width: number; height: number },
): Promise<Uint8Array> {
  const { rgb, width, height } = picture;
  if (width === size.width && height === size.height) return rgb;
  return toRgb(sharp(rgb, { raw: { width, height, channels: 3 }, limitInputPixels: false }), size);
}

/** The pixels of a picture in sRGB, transparency over black; stretched to `size` if given. */
export async function toRgb(picture: Sharp, size?: { width: number; height: number }): Promise<Uint8Array> {
  const opaque = picture.flatten({ background: "#000" }).toColourspace("srgb");
  const sized = size
    ? opaque.resize(size.width, size.height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
    : opaque;
  const { data, info } = await sized.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return info.channels === 3 ? data : greyToRgb(data, info.channels);
}

/** Formats of pictures in memory: sharp decodes them without a file. */
const FORMATS_IN_MEMORY: readonly StillFormat[] = ["jpeg", "png", "webp"];

/**
 * The upright size of a JPEG, PNG or WebP picture in memory. Error messages call it `name`.
 * @throws DamagedPictureError, or `media_unsupported` for other content
 */
export async function probePicture(
  bytes: Uint8Array,
  name: string,
  limits: MediaLimits,
): Promise<{ width: number; height: number }> {
  const format = formatOf(bytes.subarray(0, HEADER_BYTES), name);
  if (!FORMATS_IN_MEMORY.includes(format))
    throw mediaUnsupported(
      `${name} is a ${format.toUpperCase()} picture; expected a JPEG, PNG or WebP picture.`,
    );
  try {
    const { autoOrient } = await sharp(bytes, sharpOptions(limits)).metadata();
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (error) {
    throw cannotRead(name, limits, error);
  }
}

/** As {@link readStill}, for a picture that {@link probePicture} has accepted. */
export async function decodePicture(
  bytes: Uint8Array,
  name: string,
  size: { width: number; height: number },
  limits: MediaLimits,
): Promise<Uint8Array> {
  try {
    return await toRgb(sharp(bytes, sharpOptions(limits)).autoOrient(), size);
  } catch (error) {
    throw cannotRead(name, limits, error);
  }
}

function formatOf(head: Uint8Array, name: string): StillFormat {
  if (head.length === 0) throw new DamagedPictureError(`${name} is empty.`);
  const kind = sniffBytes(head);
  if (kind.kind === "image") return kind.format;
  if (kind.kind === "unknown" && !kind.isKnown)
    throw new DamagedPictureError(`${name} contains no readable picture.`);
  throw mediaUnsupported(`${name} contains no picture: it is ${describeKind(kind)}.`);
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
  return new DamagedPictureError(`${name} cannot be read: the picture is damaged.`, error);
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
