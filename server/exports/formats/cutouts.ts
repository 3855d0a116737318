/** The objects cut out of the pictures: the pixels of the masks, everything else transparent. */
import { z } from "zod";
import { decodeMask, maskBox, type PixelBox, uniteMasks } from "../../../protocol/index.js";
import { encodePng } from "../../png.js";
import { cropMask } from "../crop.js";
import { defineFormat, type ExportFile } from "../format.js";
import { cutOut, readPictures } from "../pictures.js";
import { type ExportMask, type ExportSource, frameName } from "../source.js";
import { timedVideo } from "../timed-video.js";
import { objectFolder } from "./masks.js";

export const cutoutPngs = defineFormat({
  id: "cutout-png",
  title: "Cut-outs as PNG",
  media: "pictures",
  packing: "zip",
  needsPictures: true,
  options: z.strictObject({
    crop: z.enum(["true", "false"]).default("false").describe("true: only the box of the mask"),
  }),
  async *files(source, { crop }): AsyncGenerator<ExportFile> {
    const reader = readPictures(source);
    try {
      for await (const { frameIndex, masks } of source.frames()) {
        for (const mask of masks) {
          yield {
            path: `${objectFolder(mask)}/${frameName(frameIndex)}.png`,
            async *content() {
              yield await cutOutPng(await reader.at(frameIndex), mask, source, crop === "true");
            },
          };
        }
      }
    } finally {
      await reader.close();
    }
  },
});

async function cutOutPng(
  rgb: Uint8Array,
  { mask }: ExportMask,
  { facts }: ExportSource,
  isCropped: boolean,
): Promise<Uint8Array> {
  const box = maskBox(mask);
  const { width, height } = isCropped ? { width: box[2], height: box[3] } : facts;
  const { data } = decodeMask(isCropped ? cropMask(mask, box) : mask);
  const rgba = cutOut(isCropped ? cropPicture(rgb, facts.width, box) : rgb, data);
  return encodePng(rgba, { width, height, bitDepth: 8, rowBytes: 4 * width, colours: "rgba" });
}

function cropPicture(rgb: Uint8Array, stride: number, [x, y, width, height]: PixelBox): Uint8Array {
  const cropped = new Uint8Array(3 * width * height);
  for (let row = 0; row < height; row++) {
    const from = 3 * ((y + row) * stride + x);
    cropped.set(rgb.subarray(from, from + 3 * width), 3 * width * row);
  }
  return cropped;
}

export const cutoutVideo = defineFormat({
  id: "cutout-webm",
  title: "Cut-outs as WebM with transparency",
  media: "video",
  packing: "file",
  needsPictures: true,
  options: z.strictObject({}),
  async *files(source): AsyncGenerator<ExportFile> {
    const { name, width, height } = source.facts;
    yield {
      path: `${name}.cutout.webm`,
      encoding: { container: "webm", width, height, channels: 4 },
      content: () => timedVideo(source, 4, cutOutPictures(source)),
    };
  },
});

async function* cutOutPictures(source: ExportSource) {
  const { width, height } = source.facts;
  const reader = readPictures(source);
  try {
    for await (const frame of source.frames()) {
      const rgb = await reader.at(frame.frameIndex);
      const masks = frame.masks.map(({ mask }) => mask);
      const inside = masks.length > 0 ? decodeMask(uniteMasks(masks)).data : new Uint8Array(width * height);
      yield { frame, pixels: cutOut(rgb, inside) };
    }
  } finally {
    await reader.close();
  }
}
