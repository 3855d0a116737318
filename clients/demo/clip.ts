import sharp from "sharp";
import { ffmpegPath } from "../command/media.js";
import { openEncoder } from "../drawing/encode.js";
import { CLIP, drawActors, drawLandscape, PAN_PX } from "./scene.js";

/** Draws the demo's clip and writes it as a video. */
export async function writeClip(path: string): Promise<void> {
  const { width, height, fps, frameCount } = CLIP;
  const landscape = await sharp(Buffer.from(drawLandscape()))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const encoder = openEncoder(path, { width, height, fps, ffmpegPath: ffmpegPath() });
  try {
    for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
      const view = cutView(landscape.data, landscape.info.width, frameIndex * PAN_PX);
      const frame = await sharp(view, { raw: { width, height, channels: 3 } })
        .composite([{ input: Buffer.from(drawActors(frameIndex)) }])
        .removeAlpha()
        .raw()
        .toBuffer();
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
