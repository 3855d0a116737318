/**
 * Ultralytics YOLO: a text file a frame. Segmentation lines are `class x y x y …`; tracking lines are
 * `class x_centre y_centre width height id`, as `yolo track save_txt=True` writes them. Coordinates are fractions of the frame.
 */
import { z } from "zod";
import { maskBox } from "../../../protocol/index.js";
import { defineFormat, type ExportFile, textFile } from "../format.js";
import { polygonTolerance } from "../options.js";
import { outlineOf } from "../outlines.js";
import { categoriesOf, categoryIds, type ExportMask, type ExportSource, frameName } from "../source.js";

export const yoloSeg = defineFormat({
  id: "yolo-seg",
  title: "YOLO segmentation",
  media: "text",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({ polygon_tolerance_px: polygonTolerance }),
  files: (source, { polygon_tolerance_px }) =>
    yoloFiles(source, ({ mask }) => {
      const { width, height } = source.facts;
      const ring = outlineOf(mask, polygon_tolerance_px) ?? [];
      return ring.map((value, at) => decimal(value / (at % 2 === 0 ? width : height))).join(" ");
    }),
});

export const yoloTrack = defineFormat({
  id: "yolo-track",
  title: "YOLO tracking (boxes)",
  media: "text",
  packing: "zip",
  needsPictures: false,
  options: z.strictObject({}),
  files: (source) =>
    yoloFiles(source, ({ mask, objectId }) => {
      const { width, height } = source.facts;
      const [x, y, boxWidth, boxHeight] = maskBox(mask);
      const values = [(x + boxWidth / 2) / width, (y + boxHeight / 2) / height];
      return [...values, boxWidth / width, boxHeight / height]
        .map(decimal)
        .join(" ")
        .concat(` ${objectId + 1}`);
    }),
});

async function* yoloFiles(
  source: ExportSource,
  line: (mask: ExportMask) => string,
): AsyncGenerator<ExportFile> {
  const { name } = source.facts;
  const names = [...categoriesOf(source.objects).keys()];
  // Without `path`, Ultralytics reads the folders next to this file; with `path: .`, those of the working folder.
  yield textFile("data.yaml", () => [
    "train: images/train\nval: images/train\nnames:\n",
    ...names.map((label, at) => `  ${at}: ${JSON.stringify(label)}\n`),
  ]);
  const categories = categoryIds(source.objects);
  for await (const { frameIndex, masks } of source.frames()) {
    yield textFile(`labels/train/${name}_${frameName(frameIndex, 6)}.txt`, () =>
      masks.map((mask) => `${(categories.get(mask.objectId) ?? 1) - 1} ${line(mask)}\n`),
    );
  }
}

/** Six decimals are finer than a hundredth of a pixel of the largest frame. */
const decimal = (value: number) => String(Number(value.toFixed(6)));
