/** labelme: a JSON a frame, with a polygon for each piece of a mask, or with masks (https://github.com/wkentaro/labelme). */
import { z } from "zod";
import { type CocoRle, maskBox } from "../../../protocol/index.js";
import { encodeMaskPng } from "../../png.js";
import { cropMask } from "../crop.js";
import { defineFormat, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { piecesOf } from "../outlines.js";
import { frameName } from "../source.js";

const options = z.strictObject({
  masks: z
    .enum(["polygons", "masks"])
    .default("polygons")
    .describe("Form of the masks; polygons simplify them"),
  polygon_tolerance_px: polygonTolerance,
});

type Options = z.output<typeof options>;

/** The version of the file format. */
const VERSION = "5.5.0";

export const labelme = defineFormat({
  id: "labelme",
  title: "labelme",
  media: "text",
  packing: "zip",
  needsPictures: false,
  options,
  async *files({ facts, objects, frames }, given) {
    const known = new Map(objects.map((object) => [object.objectId, object]));
    for await (const { frameIndex, masks } of frames()) {
      const name = frameName(frameIndex);
      yield textFile(`${name}.json`, async function* () {
        const shapes = [];
        for (const { objectId, mask } of masks) {
          const { category = "object", name: description = "" } = known.get(objectId) ?? {};
          const common = { label: category, group_id: objectId, description, flags: {} };
          for (const shape of await shapesOf(mask, given)) shapes.push({ ...common, ...shape });
        }
        const picture = { imagePath: `${name}.jpg`, imageData: null };
        const size = { imageHeight: facts.height, imageWidth: facts.width };
        yield `${JSON.stringify({ version: VERSION, flags: {}, shapes, ...picture, ...size })}\n`;
      });
    }
  },
});

async function shapesOf(mask: CocoRle, { masks: form, polygon_tolerance_px }: Options) {
  if (form === "polygons") {
    return piecesOf(mask, polygon_tolerance_px).map((ring) => ({
      shape_type: "polygon",
      points: pairs(ring),
      mask: null,
    }));
  }
  const [x, y, width, height] = maskBox(mask);
  const png = await encodeMaskPng(cropMask(mask, [x, y, width, height]));
  // The corners of labelme's masks are the first and the last pixel.
  const points = [
    [x, y],
    [x + width - 1, y + height - 1],
  ];
  return [{ shape_type: "mask", points, mask: png.toString("base64") }];
}

function pairs(ring: readonly number[]): number[][] {
  return Array.from({ length: ring.length / 2 }, (_, at) => ring.slice(2 * at, 2 * at + 2));
}
