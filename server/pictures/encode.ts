/** Encodes pictures with libvips. Runs in the picture process. */
import { sharp } from "./libvips.js";
import type { PixelSize } from "./messages.js";

/** Artefacts at this quality are not visible beside the outline of a mask. */
const JPEG_QUALITY = 90;

/** @param rgb `[from.height, from.width, 3]` uint8 */
export async function encodeJpeg(rgb: Uint8Array, from: PixelSize): Promise<Uint8Array> {
  const picture = sharp(rgb, { raw: { ...from, channels: 3 }, limitInputPixels: false });
  return picture.jpeg({ quality: JPEG_QUALITY }).toBuffer();
}
