/** COCO instances (https://cocodataset.org/#format-data), with the fields of video data sets: `video_id` and `track_id`. */
import { z } from "zod";
import { maskArea, maskBox } from "../../../protocol/index.js";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { piecesOf } from "../outlines.js";
import { categoriesOf, categoryIds, type ExportSource, frameName } from "../source.js";

const options = z.strictObject({
  masks: z.enum(["rle", "polygons"]).default("rle").describe("Form of the masks; polygons simplify them"),
  polygon_tolerance_px: polygonTolerance,
});

type Options = z.output<typeof options>;

export const coco = defineFormat({
  id: "coco",
  title: "COCO",
  media: "text",
  packing: "file",
  needsPictures: false,
  options,
  async *files(source, given) {
    yield textFile(`${source.facts.name}.coco.json`, () => write(source, given));
  },
});

async function* write(source: ExportSource, given: Options): AsyncGenerator<string> {
  const { name, fileName, width, height, numFrames, fps } = source.facts;
  const video = { id: 1, name: fileName, file_name: fileName, width, height, length: numFrames, fps };
  const tracks = source.objects.map((object) => ({
    id: object.objectId,
    name: object.name,
    video_id: 1,
    category_id: categoryIds(source.objects).get(object.objectId),
  }));
  yield `{"info":${JSON.stringify({ description: name, version: "1.0" })},"licenses":[],\n`;
  yield `"videos":[${JSON.stringify(video)}],\n"tracks":${JSON.stringify(tracks)},\n`;
  yield `"categories":${JSON.stringify(categoryList(source))},\n"images":[\n`;
  yield* jsonElements(images(source));
  yield '\n],\n"annotations":[\n';
  yield* jsonElements(annotations(source, given));
  yield "\n]}\n";
}

export function categoryList({ objects }: ExportSource) {
  return [...categoriesOf(objects)].map(([name, id]) => ({ id, name, supercategory: "object" }));
}

async function* images(source: ExportSource) {
  const { name, width, height } = source.facts;
  for await (const { frameIndex, timestampUs } of source.frames()) {
    yield {
      id: frameIndex + 1,
      file_name: `${name}/${frameName(frameIndex)}.jpg`,
      width,
      height,
      video_id: 1,
      frame_id: frameIndex,
      frame_index: frameIndex,
      timestamp_us: timestampUs,
    };
  }
}

async function* annotations(source: ExportSource, { masks: form, polygon_tolerance_px }: Options) {
  const categories = categoryIds(source.objects);
  let id = 1;
  for await (const { frameIndex, masks } of source.frames()) {
    for (const { objectId, score, mask } of masks) {
      yield {
        id: id++,
        image_id: frameIndex + 1,
        video_id: 1,
        category_id: categories.get(objectId),
        track_id: objectId,
        iscrowd: 0,
        score,
        area: maskArea(mask),
        bbox: maskBox(mask),
        segmentation: form === "rle" ? mask : piecesOf(mask, polygon_tolerance_px),
      };
    }
  }
}
