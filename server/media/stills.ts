/** Reads still pictures. Their pixels come from picture processes; only the first bytes are looked at here. */
import { ProtocolError } from "../../protocol/errors.js";
import type { Header, PictureFormat } from "../pictures/messages.js";
import { type OwnerPictures, PictureError } from "../pictures/pictures.js";
import { fileSource, HEAD_BYTES, type PictureSource, sourceOf } from "../pictures/source.js";
import { bmpSize, bmpSource } from "./bmp.js";
import { mediaUnsupported, readFailure } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { describeKind, type StillFormat, sniffBytes } from "./sniff.js";

/** How pictures are read: by whom, within which limits, and until when. */
export interface StillReading {
  pictures: OwnerPictures;
  limits: MediaLimits;
  signal?: AbortSignal;
}

export interface PixelSize {
  width: number;
  height: number;
}

export interface StillFacts extends PixelSize {
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

/** By EXIF orientation. Of a mirrored picture, the rotation that remains when the mirroring is undone. */
const EXIF_ROTATION = { 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270 } as const;

/** The first bytes of a picture, enough for {@link probeStill}. */
export async function readStillHead(file: MediaFile, name: string): Promise<Uint8Array> {
  return file.read(0, HEAD_BYTES).catch(failReading(name));
}

/**
 * Reads the header of a picture. Error messages call it `name`.
 *
 * @param head from {@link readStillHead}, if it is read already
 * @throws DamagedPictureError; `media_unsupported` when the file contains no picture or a larger one than the limit;
 * `server_busy`
 */
export async function probeStill(
  file: MediaFile,
  name: string,
  reading: StillReading,
  head?: Uint8Array,
): Promise<StillFacts> {
  const start = head ?? (await readStillHead(file, name));
  const format = formatOf(start, name);
  try {
    if (format === "bmp") return { ...checkedBmpSize(start, reading.limits), format, rotationDeg: 0 };
    const source = await stillSource(file, start, name, reading);
    return { ...factsOf(await reading.pictures.probe(source, format, reading)), format };
  } catch (error) {
    throw cannotRead(name, reading, error);
  }
}

function checkedBmpSize(head: Uint8Array, { maxPixels, maxSidePx }: MediaLimits): PixelSize {
  const size = bmpSize(head);
  if (!size) throw new Error("the BMP header has no valid size");
  if (size.width * size.height > maxPixels || Math.max(size.width, size.height) > maxSidePx)
    throw new PictureError("too_large", "the BMP is larger than the limit");
  return size;
}

function factsOf({ width, height, orientation }: Header): Omit<StillFacts, "format"> {
  return { width, height, rotationDeg: EXIF_ROTATION[orientation as keyof typeof EXIF_ROTATION] ?? 0 };
}

/**
 * A picture as `[height, width, 3]` uint8: upright, in sRGB, transparency over black, stretched with the resampling
 * that `decodeFrames` uses (bilinear over the area that a pixel covers). Of several pages or animation frames, the first.
 *
 * @throws DamagedPictureError; `media_unsupported` when it takes too much memory or time; `server_busy`
 */
export async function readStill(
  file: MediaFile,
  name: string,
  size: PixelSize,
  reading: StillReading,
): Promise<Uint8Array> {
  const { pictures, limits } = reading;
  const head = await readStillHead(file, name);
  const format = formatOf(head, name);
  try {
    if (format === "bmp") {
      const from = checkedBmpSize(head, limits);
      const work = { kind: "resize", from, size } as const;
      return (await pictures.run(work, bmpSource(file, from, limits), reading)).rgb;
    }
    const source = await stillSource(file, head, name, reading);
    return pixelsOf(await pictures.run({ kind: "still", format, size }, source, reading));
  } catch (error) {
    throw cannotRead(name, reading, error);
  }
}

/** @throws `media_unsupported` for a file that is too large, or the error of the file system */
export async function stillSource(
  file: MediaFile,
  head: Uint8Array | undefined,
  name: string,
  { limits }: StillReading,
): Promise<PictureSource> {
  const source = await fileSource(file, head).catch(failReading(name));
  if (source.byteLength <= limits.maxPictureFileBytes) return source;
  throw mediaUnsupported(`${name} is larger than ${limits.maxPictureFileBytes} bytes.`);
}

function pixelsOf({ rgb }: { rgb?: Uint8Array }): Uint8Array {
  if (!rgb) throw new Error("the picture has another size than expected");
  return rgb;
}

/** Formats of pictures in memory: libvips decodes them without a file. */
const FORMATS_IN_MEMORY = ["jpeg", "png", "webp"] as const satisfies PictureFormat[];

/**
 * The first picture of JPEG, PNG or WebP bytes, as {@link readStill}. Error messages call it `name`.
 *
 * @param expected a picture of another size is not decoded
 * @returns the upright size of the picture; `rgb` is absent when it is another one than expected
 * @throws as {@link readStill}; `media_unsupported` for other formats
 */
export async function readPicture(
  bytes: Uint8Array,
  name: string,
  { size, expected }: { size: PixelSize; expected?: PixelSize },
  reading: StillReading,
): Promise<PixelSize & { rgb?: Uint8Array }> {
  const found = formatOf(bytes.subarray(0, HEAD_BYTES), name);
  const format = FORMATS_IN_MEMORY.find((known) => known === found);
  if (!format)
    throw mediaUnsupported(
      `${name} is a ${found.toUpperCase()} picture; expected a JPEG, PNG or WebP picture.`,
    );
  try {
    const work = { kind: "still", format, size, ...(expected && { expected }) } as const;
    const { header, rgb } = await reading.pictures.run(work, sourceOf(bytes), reading);
    return { width: header.width, height: header.height, ...(rgb && { rgb }) };
  } catch (error) {
    throw cannotRead(name, reading, error);
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

function failReading(name: string) {
  return (error: unknown): never => {
    throw readFailure(error, name);
  };
}

/** The error of a request for a picture that was not decoded. */
export function cannotRead(name: string, { limits, signal }: StillReading, error: unknown): unknown {
  if (error instanceof ProtocolError || signal?.aborted || isAbort(error)) return error;
  if (error instanceof PictureError && error.kind === "too_large") return tooLarge(name, limits, error);
  if (error instanceof PictureError && error.kind === "exhausted") return tooCostly(name, error);
  const failure = readFailure(error, name);
  if (failure instanceof ProtocolError) return failure;
  return new DamagedPictureError(`${name} cannot be read: the picture is damaged.`, error);
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function tooLarge(name: string, { maxPixels, maxSidePx }: MediaLimits, cause: Error): ProtocolError {
  const message = `${name} is larger than ${maxPixels} pixels, or wider or higher than ${maxSidePx}.`;
  return new ProtocolError("media_unsupported", message, undefined, { cause, limit: "maxPixels" });
}

function tooCostly(name: string, cause: Error): ProtocolError {
  const message = `${name} takes more memory or time to decode than a picture may take (maxPictureBytes).`;
  return new ProtocolError("media_unsupported", message, undefined, { cause, limit: "maxPictureBytes" });
}
