/** SA-V: the JSON of one video, of our exports and of the training set. */
import { z } from "zod";
import { type CocoRle, maskArea } from "../../../protocol/index.js";
import { ImportError, type ImportFormat, type Item, jsonOf, textOf } from "../annotation.js";

const mask = z.looseObject({ size: z.tuple([z.int().min(1), z.int().min(1)]), counts: z.string() });
const perObject = <T extends z.ZodType>(value: T) => z.array(value).exactOptional();

const schema = z.looseObject({
  video_frame_count: z.number().min(1),
  video_duration: z.number().exactOptional(),
  masklet: z.array(z.array(mask.nullable())),
  masklet_id: perObject(z.int().min(0)),
  // Of our exports.
  masklet_category: perObject(z.string()),
  masklet_frame_index: z.array(z.int().min(0)).exactOptional(),
});

/** The data set has videos of 24 frames a second with masks for 6 of them. */
const FRAMES_PER_MASK = 4;

export const saV: ImportFormat = {
  id: "sa-v",
  title: "SA-V",
  extensions: [".json"],
  content: "masks",
  *read(files): Generator<Item> {
    const file = jsonOf(textOf(files, /\.json$/), schema);
    const { masklet, masklet_id: ids, masklet_category: categories, video_duration } = file;
    const numFrames = Math.round(file.video_frame_count);
    const fps = video_duration && video_duration > 0 ? numFrames / video_duration : undefined;
    yield { madeFor: { numFrames, ...(fps !== undefined && { fps }) } };
    const frames = file.masklet_frame_index ?? framesOf(masklet.length, numFrames);
    if (frames.length !== masklet.length)
      throw new ImportError(
        `masklet_frame_index: expected ${masklet.length} values, one for each entry of masklet, got ${frames.length}`,
      );
    for (const [row, masks] of masklet.entries()) {
      if (ids && masks.length !== ids.length)
        throw new ImportError(
          `masklet[${row}]: expected ${ids.length} masks, as masklet_id has values, got ${masks.length}`,
        );
      for (const [at, one] of masks.entries()) {
        // The mask of an object that is not on the frame has no pixels.
        if (!one || isEmpty(one)) continue;
        const objectId = ids?.[at] ?? at;
        const category = categories?.[at];
        yield {
          ...{ frameIndex: frames[row] as number, track: String(objectId), objectId },
          ...(category && { category }),
          size: { width: one.size[1], height: one.size[0] },
          mask: { size: one.size, counts: one.counts },
        };
      }
    }
  },
};

/** A damaged mask is not empty: it is reported later. */
function isEmpty(rle: CocoRle): boolean {
  try {
    return maskArea(rle) === 0;
  } catch {
    return false;
  }
}

/** The frame of each row of masks, in a file that does not contain it. */
function framesOf(numRows: number, numFrames: number): number[] {
  const steps = [1, FRAMES_PER_MASK];
  const step = steps.find((step) => numRows === Math.ceil(numFrames / step));
  if (step === undefined) {
    const [all, some] = steps.map((step) => Math.ceil(numFrames / step));
    throw new ImportError(
      `masklet: expected masks of every frame (${all} entries) or of every fourth (${some}), got ${numRows} entries`,
    );
  }
  return Array.from({ length: numRows }, (_, row) => row * step);
}
