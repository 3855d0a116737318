/** MOT 1.1: boxes as `gt/gt.txt` and `det/det.txt` (https://motchallenge.net/instructions/), in the layout of CVAT. */
import { z } from "zod";
import { maskBox } from "../../../protocol/index.js";
import { defineFormat, textFile } from "../format.js";
import { categoriesOf, categoryIds, type ExportSource, STILLS_FPS } from "../source.js";

export const mot = defineFormat({
  id: "mot",
  title: "MOT 1.1 (boxes)",
  media: "text",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({}),
  async *files(source) {
    const { name, width, height, numFrames, fps } = source.facts;
    yield textFile("gt/gt.txt", () => lines(source, "gt"));
    yield textFile("gt/labels.txt", () =>
      [...categoriesOf(source.objects).keys()].map((label) => `${label}\n`),
    );
    yield textFile("det/det.txt", () => lines(source, "det"));
    yield textFile("seqinfo.ini", () => [
      `[Sequence]\nname=${name}\nimDir=img1\nframeRate=${fps ?? STILLS_FPS}\n`,
      `seqLength=${numFrames}\nimWidth=${width}\nimHeight=${height}\nimExt=.jpg\n`,
    ]);
  },
});

/** Frames and ids count from 1. Boxes are left, top, width and height in pixels. */
async function* lines({ objects, frames }: ExportSource, kind: "gt" | "det"): AsyncGenerator<string> {
  const categories = categoryIds(objects);
  for await (const { frameIndex, masks } of frames()) {
    for (const { objectId, mask, score } of masks) {
      const box = maskBox(mask).join(",");
      yield kind === "gt"
        ? `${frameIndex + 1},${objectId + 1},${box},1,${categories.get(objectId)},1.0\n`
        : `${frameIndex + 1},-1,${box},${score},-1,-1,-1\n`;
    }
  }
}
