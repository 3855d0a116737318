/** COCO instances (https://cocodataset.org/#format-data), with the fields of video data sets: `video_id` and `track_id`. */
import { z } from "zod";
import { maskArea, maskBox } from "../../../protocol/index.js";
import { categoryNumbers, collectionOfOne, type ExportCollection, numberedVideos } from "../collection.js";
import { defineFormat, type ExportFile, jsonElements, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { piecesOf } from "../outlines.js";
import { pictureName } from "../source.js";

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
    yield fileOf(collectionOfOne(source), given);
  },
  collection: fileOf,
});

function fileOf(collection: ExportCollection, given: Options): ExportFile {
  return textFile(`${collection.name}.coco.json`, () => write(collection, given));
}

async function* write(collection: ExportCollection, given: Options): AsyncGenerator<string> {
  yield `{"info":${JSON.stringify({ description: collection.name, version: "1.0" })},"licenses":[],\n`;
  yield '"videos":[';
  yield* jsonElements(videos(collection));
  yield '],\n"tracks":[';
  yield* jsonElements(tracks(collection));
  yield `],\n"categories":${JSON.stringify(categoryList(collection))},\n"images":[\n`;
  yield* jsonElements(images(collection));
  yield '\n],\n"annotations":[\n';
  yield* jsonElements(annotations(collection, given));
  yield "\n]}\n";
}

export function categoryList({ categories }: ExportCollection) {
  return categories.map((name, at) => ({ id: at + 1, name, supercategory: "object" }));
}

async function* videos(collection: ExportCollection) {
  for await (const { videoId: id, source } of numberedVideos(collection)) {
    const { fileName, width, height, numFrames, fps, isPicture } = source.facts;
    if (!isPicture) yield { id, name: fileName, file_name: fileName, width, height, length: numFrames, fps };
  }
}

async function* tracks(collection: ExportCollection) {
  const categories = categoryNumbers(collection);
  for await (const { videoId, source, firstTrack } of numberedVideos(collection)) {
    if (source.facts.isPicture) continue;
    for (const { objectId, name, category } of source.objects) {
      yield { id: firstTrack + objectId, name, video_id: videoId, category_id: categories.get(category) };
    }
  }
}

/** Pictures belong to no video. */
async function* images(collection: ExportCollection) {
  for await (const { videoId, source, firstImage } of numberedVideos(collection)) {
    const { width, height, isPicture } = source.facts;
    for await (const { frameIndex, timestampUs } of source.frames()) {
      yield {
        id: firstImage + frameIndex + 1,
        file_name: pictureName(source, frameIndex),
        width,
        height,
        ...(!isPicture && {
          video_id: videoId,
          frame_id: frameIndex,
          frame_index: frameIndex,
          timestamp_us: timestampUs,
        }),
      };
    }
  }
}

async function* annotations(collection: ExportCollection, { masks: form, polygon_tolerance_px }: Options) {
  const categories = categoryNumbers(collection);
  let id = 1;
  for await (const { videoId, source, firstImage, firstTrack } of numberedVideos(collection)) {
    const categoryOf = new Map(source.objects.map(({ objectId, category }) => [objectId, category]));
    for await (const { frameIndex, masks } of source.frames()) {
      for (const { objectId, score, mask } of masks) {
        yield {
          id: id++,
          image_id: firstImage + frameIndex + 1,
          ...(!source.facts.isPicture && { video_id: videoId }),
          category_id: categories.get(categoryOf.get(objectId) ?? ""),
          ...(!source.facts.isPicture && { track_id: firstTrack + objectId }),
          iscrowd: 0,
          score,
          area: maskArea(mask),
          bbox: maskBox(mask),
          segmentation: form === "rle" ? mask : piecesOf(mask, polygon_tolerance_px),
        };
      }
    }
  }
}
