/** Masks as black and white pictures, a folder an object; and as videos, one an object. */
import { z } from "zod";
import { decodeMask, rleOfTurns } from "../../../protocol/index.js";
import { encodeMaskPng } from "../../png.js";
import { defineFormat, type ExportFile } from "../format.js";
import { type ExportObject, type ExportSource, frameName } from "../source.js";
import { timedVideo } from "../timed-video.js";

export const maskPngs = defineFormat({
  id: "mask-png",
  title: "Masks as PNG",
  media: "pictures",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({}),
  async *files({ facts, objects, frames }): AsyncGenerator<ExportFile> {
    const empty = rleOfTurns(new Int32Array(), [facts.height, facts.width]);
    for await (const { frameIndex, masks } of frames()) {
      for (const object of objects) {
        const own = masks.find(({ objectId }) => objectId === object.objectId);
        yield {
          path: `${objectFolder(object)}/${frameName(frameIndex)}.png`,
          async *content() {
            yield await encodeMaskPng(own?.mask ?? empty);
          },
        };
      }
    }
  },
});

export const maskVideos = defineFormat({
  id: "mask-mp4",
  title: "Masks as MP4",
  media: "video",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({}),
  async *files(source): AsyncGenerator<ExportFile> {
    const { width, height } = source.facts;
    for (const object of source.objects) {
      yield {
        path: `${objectFolder(object)}.mp4`,
        encoding: { container: "mp4", width, height, channels: 1 },
        content: () => timedVideo(source, 1, maskPictures(source, object)),
      };
    }
  },
});

/** 255 inside, 0 outside: `[height, width]` uint8. */
async function* maskPictures({ facts, frames }: ExportSource, { objectId }: ExportObject) {
  const { width, height } = facts;
  for await (const frame of frames()) {
    const own = frame.masks.find((one) => one.objectId === objectId);
    const pixels = own
      ? decodeMask(own.mask).data.map((value) => 255 * value)
      : new Uint8Array(width * height);
    yield { frame, pixels };
  }
}

export const objectFolder = ({ objectId }: Pick<ExportObject, "objectId">) => `object_${objectId}`;
