/** Reads the header of a picture file. Runs in the picture process. */
import { coefficientBytes } from "./jpeg-header.js";
import { READ_OPTIONS, sharp } from "./libvips.js";
import type { Header, PictureFormat } from "./messages.js";

const DEPTH_BYTES: Record<string, number> = {
  ...{ uchar: 1, char: 1, ushort: 2, short: 2, uint: 4, int: 4, float: 4 },
  ...{ complex: 8, double: 8, dpcomplex: 16 },
};

/** EXIF orientations whose width is the stored height. */
const isTurned = (orientation: number) => orientation >= 5 && orientation <= 8;

/**
 * @param bytes a file, or its beginning
 * @throws Error when the header is damaged or does not end within `bytes`
 */
export async function readHeader(bytes: Uint8Array, format: PictureFormat): Promise<Header> {
  const metadata = await sharp(bytes, READ_OPTIONS).metadata();
  if (metadata.format !== format) throw new Error(`expected ${format}, got ${metadata.format}`);
  const { width, height, orientation = 1, pages = 1, delay = [] } = metadata;
  const upright = isTurned(orientation) ? { width: height, height: width } : { width, height };
  return {
    format,
    ...upright,
    orientation,
    stored: { width, height },
    channels: metadata.channels,
    depthBytes: DEPTH_BYTES[metadata.depth] ?? 16,
    hasAlpha: metadata.hasAlpha,
    isProgressive: metadata.isProgressive,
    coefficientBytes: format === "jpeg" ? coefficientBytes(bytes) : 0,
    // TIFF files also have several pages, which are different pictures.
    pages: format === "gif" || format === "webp" ? pages : 1,
    delaysMs: delay,
  };
}
