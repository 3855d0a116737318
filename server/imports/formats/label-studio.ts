/** Label Studio JSON: video rectangles, and brush masks with one task a frame. */
import { z } from "zod";
import type { PixelBox } from "../../../protocol/index.js";
import { decodeBrush } from "../../exports/brush.js";
import { frameOfName, type ImportFormat, type Item, jsonOf, textOf } from "../annotation.js";

const value = z.looseObject({
  framesCount: z.int().min(1).exactOptional(),
  sequence: z
    .array(
      z.looseObject({
        frame: z.int().min(1),
        x: z.number(),
        y: z.number(),
        width: z.number(),
        height: z.number(),
      }),
    )
    .exactOptional(),
  labels: z.array(z.string()).exactOptional(),
  brushlabels: z.array(z.string()).exactOptional(),
  rle: z.array(z.int().min(0).max(255)).exactOptional(),
});

const schema = z.array(
  z.looseObject({
    data: z.looseObject({ image: z.string().exactOptional(), frame_index: z.int().min(0).exactOptional() }),
    annotations: z.array(
      z.looseObject({
        result: z.array(
          z.looseObject({
            id: z.string().default(""),
            type: z.string(),
            original_width: z.int().min(1).exactOptional(),
            original_height: z.int().min(1).exactOptional(),
            value: value.exactOptional(),
          }),
        ),
      }),
    ),
  }),
);

export const labelStudio: ImportFormat = {
  id: "label-studio",
  title: "Label Studio",
  extensions: [".json"],
  content: "masks",
  *read(files, video): Generator<Item> {
    const tasks = jsonOf(textOf(files), schema);
    const counts = tasks.flatMap(({ annotations }) =>
      annotations.flatMap(({ result }) => result.flatMap((one) => one.value?.framesCount ?? [])),
    );
    if (counts[0] !== undefined) yield { madeFor: { numFrames: counts[0] } };
    for (const [at, task] of tasks.entries()) {
      for (const result of task.annotations.flatMap((one) => one.result)) {
        const where = `[${at}], result ${result.id}`;
        const category = result.value?.labels?.[0] ?? result.value?.brushlabels?.[0];
        // `object-N` and `object-N-FRAME` are the ids of our exports.
        const own = /^object-(\d+)(-\d+)?$/.exec(result.id)?.[1];
        const common = {
          track: own ?? result.id,
          ...(own !== undefined && { objectId: Number(own) }),
          ...(category !== undefined && { category }),
        };
        if (result.type === "videorectangle" && result.value?.sequence) {
          for (const { frame, x, y, width, height } of result.value.sequence) {
            const box = [
              (x * video.width) / 100,
              (y * video.height) / 100,
              (width * video.width) / 100,
              (height * video.height) / 100,
            ] as PixelBox;
            yield { ...common, frameIndex: frame - 1, box };
          }
        } else if (result.type === "brushlabels" && result.value?.rle) {
          const [width, height] = [
            result.original_width ?? video.width,
            result.original_height ?? video.height,
          ];
          const frameIndex = task.data.frame_index ?? frameOfName(task.data.image ?? "") ?? at;
          // A mask of another size is reported with its size, and needs no pixels.
          const isSameSize = width === video.width && height === video.height;
          const mask = isSameSize ? { mask: decodeBrush(result.value.rle, width, height) } : {};
          yield { ...common, frameIndex, size: { width, height }, ...mask };
        } else yield { skipped: `results of the type ${result.type} are not supported`, where };
      }
    }
  },
};
