/** The video with the masks drawn on it. */
import { z } from "zod";
import { decodeMask, maskBox } from "../../../protocol/index.js";
import { drawMask } from "../../drawing/draw-mask.js";
import { colourOf } from "../../drawing/palette.js";
import { defineFormat, type ExportFile } from "../format.js";
import { readPictures } from "../pictures.js";
import type { ExportSource } from "../source.js";
import { timedVideo } from "../timed-video.js";

/** Width of the outline over the short side of the picture. */
const OUTLINE_THICKNESS = 1 / 240;

export const overlay = defineFormat({
  id: "overlay",
  title: "Video with the masks drawn on it",
  media: "video",
  packing: "file",
  needsPictures: true,
  options: z.strictObject({
    container: z
      .enum(["mp4", "webm", "gif"])
      .default("mp4")
      .describe("Form of the file; a GIF is at most 480 pixels wide"),
  }),
  async *files(source, { container }): AsyncGenerator<ExportFile> {
    const { name, width, height } = source.facts;
    yield {
      path: `${name}.overlay.${container}`,
      encoding: { container, width, height, channels: 3 },
      content: () => timedVideo(source, 3, drawnPictures(source)),
    };
  },
});

async function* drawnPictures(source: ExportSource) {
  const { width, height } = source.facts;
  const thickness = Math.max(1, Math.round(Math.min(width, height) * OUTLINE_THICKNESS));
  const reader = readPictures(source);
  try {
    for await (const frame of source.frames()) {
      // Repeated frames of damaged videos share one buffer.
      const rgb = Uint8Array.from(await reader.at(frame.frameIndex));
      const picture = { width, height, rgb };
      for (const { objectId, mask } of frame.masks) {
        drawMask(picture, decodeMask(mask), maskBox(mask), colourOf(objectId), thickness);
      }
      yield { frame, pixels: rgb };
    }
  } finally {
    await reader.close();
  }
}
