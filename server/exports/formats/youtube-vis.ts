/** YouTube-VIS: one annotation a track, with a mask or null for each frame of the video (https://youtube-vos.org/dataset/vis/). */
import { z } from "zod";
import { type CocoRle, maskArea, maskBox } from "../../../protocol/index.js";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { categoryIds, type ExportSource, frameName } from "../source.js";
import { categoryList } from "./coco.js";

export const youtubeVis = defineFormat({
  id: "youtube-vis",
  title: "YouTube-VIS",
  media: "text",
  packing: "file",
  needsPictures: false,
  options: z.strictObject({}),
  async *files(source) {
    yield textFile(`${source.facts.name}.youtube-vis.json`, () => write(source));
  },
});

async function* write(source: ExportSource): AsyncGenerator<string> {
  const { name, width, height } = source.facts;
  const frames: number[] = [];
  for await (const { frameIndex } of source.frames()) frames.push(frameIndex);
  const fileNames = frames.map((frame) => `${name}/${frameName(frame)}.jpg`);
  const video = { id: 1, width, height, length: frames.length, file_names: fileNames, frame_indices: frames };
  yield `{"info":${JSON.stringify({ description: name, version: "1.0" })},"licenses":[],\n`;
  yield `"videos":[${JSON.stringify(video)}],\n"categories":${JSON.stringify(categoryList(source))},\n`;
  yield '"annotations":[\n';
  yield* jsonElements(annotations(source, frames));
  yield "\n]}\n";
}

/** The ids are those of the objects plus 1: tools take 0 for no annotation. */
async function* annotations(source: ExportSource, frames: readonly number[]) {
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
      segmentations,
      bboxes: segmentations.map((mask) => mask && maskBox(mask)),
      areas: segmentations.map((mask) => mask && maskArea(mask)),
    };
  }
}
