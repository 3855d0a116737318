/** YouTube-VIS: one annotation a track, with a mask or null for each frame of the video (https://youtube-vos.org/dataset/vis/). */
import { z } from "zod";
import { type CocoRle, maskArea, maskBox, turnsOf } from "../../../protocol/index.js";
import { categoryNumbers, collectionOfOne, type ExportCollection, numberedVideos } from "../collection.js";
import { defineFormat, type ExportFile, jsonElements, textFile } from "../format.js";
import { type ExportSource, pictureName } from "../source.js";
import { categoryList } from "./coco.js";

const options = z.strictObject({
  counts: z
    .enum(["compressed", "uncompressed"])
    .default("compressed")
    .describe(
      "Run lengths as text, or as numbers in the form of the published annotations, which TrackEval needs",
    ),
});

type Options = z.output<typeof options>;

export const youtubeVis = defineFormat({
  id: "youtube-vis",
  title: "YouTube-VIS",
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
  return textFile(`${collection.name}.youtube-vis.json`, () => write(collection, given));
}

async function* write(collection: ExportCollection, given: Options): AsyncGenerator<string> {
  yield `{"info":${JSON.stringify({ description: collection.name, version: "1.0" })},"licenses":[],\n`;
  yield '"videos":[';
  yield* jsonElements(videos(collection));
  yield `],\n"categories":${JSON.stringify(categoryList(collection))},\n"annotations":[\n`;
  yield* jsonElements(annotations(collection, given));
  yield "\n]}\n";
}

async function framesOf(source: ExportSource): Promise<number[]> {
  const frames: number[] = [];
  for await (const { frameIndex } of source.frames()) frames.push(frameIndex);
  return frames;
}

async function* videos(collection: ExportCollection) {
  for await (const { videoId: id, source } of numberedVideos(collection)) {
    const { width, height } = source.facts;
    const frames = await framesOf(source);
    const file_names = frames.map((frame) => pictureName(source, frame));
    yield { id, width, height, length: frames.length, file_names, frame_indices: frames };
  }
}

/** In a file of one video the ids are those of the objects plus 1: tools take 0 for no annotation. */
async function* annotations(collection: ExportCollection, { counts }: Options) {
  const categories = categoryNumbers(collection);
  for await (const { videoId, source, firstTrack } of numberedVideos(collection)) {
    const { width, height } = source.facts;
    const frames = await framesOf(source);
    const position = new Map(frames.map((frame, at) => [frame, at]));
    for (const { objectId, category } of source.objects) {
      const segmentations: (CocoRle | null)[] = frames.map(() => null);
      let [scores, count] = [0, 0];
      for await (const { frameIndex, masks } of source.frames()) {
        const own = masks.find((one) => one.objectId === objectId);
        if (!own) continue;
        segmentations[position.get(frameIndex) as number] = own.mask;
        scores += own.score;
        count++;
      }
      if (count === 0) continue;
      yield {
        id: firstTrack + objectId + 1,
        video_id: videoId,
        category_id: categories.get(category),
        iscrowd: 0,
        width,
        height,
        length: frames.length,
        score: scores / count,
        segmentations:
          counts === "compressed" ? segmentations : segmentations.map((mask) => mask && uncompressed(mask)),
        bboxes: segmentations.map((mask) => mask && maskBox(mask)),
        areas: segmentations.map((mask) => mask && maskArea(mask)),
      };
    }
  }
}

/** Run lengths in column order, the first one outside the mask. */
function uncompressed(mask: CocoRle): { size: CocoRle["size"]; counts: number[] } {
  const [height, width] = mask.size;
  const ends = [...turnsOf(mask), height * width];
  return { size: mask.size, counts: ends.map((end, at) => end - (ends[at - 1] ?? 0)).filter(isRun) };
}

/** False for the run after a mask that reaches the last pixel. */
const isRun = (length: number, at: number) => length > 0 || at === 0;
