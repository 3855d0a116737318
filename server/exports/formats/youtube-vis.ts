/** YouTube-VIS: one annotation a track, with a mask or null for each frame of the video (https://youtube-vos.org/dataset/vis/). */
import { z } from "zod";
import { type CocoRle, maskArea, maskBox, turnsOf } from "../../../protocol/index.js";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { categoryIds, type ExportSource, frameName } from "../source.js";
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
    yield textFile(`${source.facts.name}.youtube-vis.json`, () => write(source, given));
  },
});

async function* write(source: ExportSource, given: Options): AsyncGenerator<string> {
  const { name, width, height } = source.facts;
  const frames: number[] = [];
  for await (const { frameIndex } of source.frames()) frames.push(frameIndex);
  const fileNames = frames.map((frame) => `${name}/${frameName(frame)}.jpg`);
  const video = { id: 1, width, height, length: frames.length, file_names: fileNames, frame_indices: frames };
  yield `{"info":${JSON.stringify({ description: name, version: "1.0" })},"licenses":[],\n`;
  yield `"videos":[${JSON.stringify(video)}],\n"categories":${JSON.stringify(categoryList(source))},\n`;
  yield '"annotations":[\n';
  yield* jsonElements(annotations(source, frames, given));
  yield "\n]}\n";
}

/** The ids are those of the objects plus 1: tools take 0 for no annotation. */
async function* annotations(source: ExportSource, frames: readonly number[], { counts }: Options) {
  const { width, height } = source.facts;
  const categories = categoryIds(source.objects);
  const position = new Map(frames.map((frame, at) => [frame, at]));
  for (const { objectId } of source.objects) {
    const segmentations: (CocoRle | null)[] = frames.map(() => null);
    let scores = 0;
    let count = 0;
    for await (const { frameIndex, masks } of source.frames()) {
      const own = masks.find((one) => one.objectId === objectId);
      if (!own) continue;
      segmentations[position.get(frameIndex) as number] = own.mask;
      scores += own.score;
      count++;
    }
    if (count === 0) continue;
    yield {
      id: objectId + 1,
      video_id: 1,
      category_id: categories.get(objectId),
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

/** Run lengths in column order, the first one outside the mask. */
function uncompressed(mask: CocoRle): { size: CocoRle["size"]; counts: number[] } {
  const [height, width] = mask.size;
  const ends = [...turnsOf(mask), height * width];
  return { size: mask.size, counts: ends.map((end, at) => end - (ends[at - 1] ?? 0)).filter(isRun) };
}

/** False for the run after a mask that reaches the last pixel. */
const isRun = (length: number, at: number) => length > 0 || at === 0;
