import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { ffmpegPath } from "../command/media.js";
import { openEncoder } from "../drawing/encode.js";
import { CLIP, drawActors, drawLandscape, PAN_PX } from "./scene.js";

/** The frames that are also written as pictures: two seconds. */
const PICTURES = 48;

/** Draws the demo's clip and writes it as a video. With a folder, writes its first frames there as JPEG pictures. */
export async function writeClip(path: string, picturesFolder?: string, signal?: AbortSignal): Promise<void> {
  const { width, height, fps, frameCount } = CLIP;
  if (picturesFolder !== undefined) await mkdir(picturesFolder, { recursive: true });
  const landscape = await sharp(Buffer.from(drawLandscape()))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const encoder = openEncoder(path, { width, height, fps, ffmpegPath: ffmpegPath() });
  try {
    for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
      signal?.throwIfAborted();
      const view = cutView(landscape.data, landscape.info.width, frameIndex * PAN_PX);
      const frame = await sharp(view, { raw: { width, height, channels: 3 } })
        .composite([{ input: Buffer.from(drawActors(frameIndex)) }])
        .removeAlpha()
        .raw()
        .toBuffer();
      if (picturesFolder !== undefined && frameIndex < PICTURES) {
        const name = `${String(frameIndex).padStart(4, "0")}.jpg`;
        const picture = sharp(frame, { raw: { width, height, channels: 3 } });
        await picture.jpeg({ quality: 92 }).toFile(join(picturesFolder, name));
      }
      await encoder.write(frame);
    }
    await encoder.finish();
  } finally {
    await encoder.abort();
  }
}

/** The part of the landscape, `[height, landscapeWidth, 3]`, in view from column `left` on. */
function cutView(landscape: Buffer, landscapeWidth: number, left: number): Buffer {
  const { width, height } = CLIP;
  const view = Buffer.alloc(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = (row * landscapeWidth + left) * 3;
    landscape.copy(view, row * width * 3, from, from + width * 3);
  }
  return view;
}
