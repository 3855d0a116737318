/** COCO and YouTube-VIS, as `server/exports/formats` writes them and as their tools do. */
import { z } from "zod";
import {
  type CocoRle,
  type PixelBox,
  rleOfPolygons,
  rleOfTurns,
  uniteMasks,
} from "../../../protocol/index.js";
import { frameOfName, type ImportFormat, type Item, jsonOf, textOf } from "../annotation.js";

const size = z.tuple([z.int().min(1), z.int().min(1)]);
const segmentation = z.union([
  z.array(z.array(z.number())),
  z.looseObject({ size, counts: z.union([z.string(), z.array(z.int().min(0))]) }),
]);
type Segmentation = z.output<typeof segmentation>;

const bbox = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const categories = z.array(z.looseObject({ id: z.int(), name: z.string().max(1000) })).default([]);

const cocoSchema = z.looseObject({
  images: z.array(
    z.looseObject({
      id: z.int(),
      file_name: z.string().default(""),
      width: z.int().exactOptional(),
      height: z.int().exactOptional(),
      frame_index: z.int().min(0).exactOptional(),
    }),
  ),
  videos: z
    .array(z.looseObject({ length: z.number().exactOptional(), fps: z.number().nullish() }))
    .exactOptional(),
  categories,
  annotations: z.array(
    z.looseObject({
      id: z.int().exactOptional(),
      image_id: z.int(),
      category_id: z.int().exactOptional(),
      track_id: z.int().min(0).exactOptional(),
      segmentation: segmentation.nullish(),
      bbox: bbox.nullish(),
    }),
  ),
});

export const coco: ImportFormat = {
  id: "coco",
  title: "COCO",
  extensions: [".json"],
  content: "masks",
  *read(files): Generator<Item> {
    const file = jsonOf(textOf(files), cocoSchema);
    const names = new Map(file.categories.map(({ id, name }) => [id, name]));
    const [video, ...others] = file.videos ?? [];
    if (video && others.length === 0) {
      const { length, fps } = video;
      yield { madeFor: { ...(length && { numFrames: length }), ...(fps && { fps }) } };
    }
    const images = new Map(file.images.map((image, at) => [image.id, { ...image, at }]));
    for (const [at, one] of file.annotations.entries()) {
      const where = `annotations[${at}]`;
      const image = images.get(one.image_id);
      if (!image) {
        yield { skipped: "its image_id is not in images", where };
        continue;
      }
      const { width, height } = image;
      const picture = width !== undefined && height !== undefined ? { width, height } : undefined;
      const mask = one.segmentation ? maskOf(one.segmentation, picture) : undefined;
      const name = names.get(one.category_id ?? -1);
      yield {
        frameIndex: image.frame_index ?? frameOfName(image.file_name) ?? image.at,
        // Without a track, every annotation is an object of its own.
        track: one.track_id === undefined ? where : String(one.track_id),
        ...(one.track_id !== undefined && { objectId: one.track_id }),
        ...(name !== undefined && { category: name }),
        ...(picture && { size: picture }),
        ...(mask && { mask }),
        ...(one.bbox && { box: one.bbox as PixelBox }),
      };
    }
  },
};

const youtubeVisSchema = z.looseObject({
  videos: z.array(
    z.looseObject({
      id: z.int(),
      width: z.int(),
      height: z.int(),
      file_names: z.array(z.string()).default([]),
      frame_indices: z.array(z.int().min(0)).exactOptional(),
    }),
  ),
  categories,
  annotations: z.array(
    z.looseObject({
      id: z.int(),
      video_id: z.int(),
      category_id: z.int().exactOptional(),
      segmentations: z.array(segmentation.nullable()),
      bboxes: z.array(bbox.nullable()).exactOptional(),
    }),
  ),
});

export const youtubeVis: ImportFormat = {
  id: "youtube-vis",
  title: "YouTube-VIS",
  extensions: [".json"],
  content: "masks",
  *read(files): Generator<Item> {
    const file = jsonOf(textOf(files), youtubeVisSchema);
    const names = new Map(file.categories.map(({ id, name }) => [id, name]));
    const [first] = file.videos;
    for (const [at, one] of file.annotations.entries()) {
      const where = `annotations[${at}]`;
      const video = file.videos.find(({ id }) => id === one.video_id);
      if (!video || video !== first) {
        yield { skipped: "it belongs to another video than the first of the file", where };
        continue;
      }
      const { width, height, file_names, frame_indices } = video;
      for (const [position, segment] of one.segmentations.entries()) {
        if (!segment) continue;
        const name = names.get(one.category_id ?? -1);
        const mask = maskOf(segment, { width, height });
        yield {
          frameIndex: frame_indices?.[position] ?? frameOfName(file_names[position] ?? "") ?? position,
          track: String(one.id),
          ...(one.id > 0 && { objectId: one.id - 1 }),
          ...(name !== undefined && { category: name }),
          size: { width, height },
          ...(mask && { mask }),
        };
      }
    }
  },
};

/** Run lengths as text or numbers, or polygons whose union is the mask. */
function maskOf(
  segment: Segmentation,
  picture: { width: number; height: number } | undefined,
): CocoRle | undefined {
  if (!Array.isArray(segment)) {
    const { size: given, counts } = segment;
    if (typeof counts === "string") return { size: given, counts };
    const turns: number[] = [];
    let position = 0;
    for (const [at, run] of counts.entries()) {
      if (at % 2 === 1 && run > 0) {
        // A run that continues the one before.
        if (turns.at(-1) === position) turns.pop();
        else turns.push(position);
        turns.push(position + run);
      }
      position += run;
    }
    if (position !== given[0] * given[1]) return { size: given, counts: "" };
    return rleOfTurns(Int32Array.from(turns), given);
  }
  if (!picture) return undefined;
  return unionOfPolygons(segment, picture);
}

/** Each ring is filled by itself: overlapping ones do not cancel. */
export function unionOfPolygons(
  rings: readonly (readonly number[])[],
  { width, height }: { width: number; height: number },
): CocoRle | undefined {
  const filled = rings
    .filter((ring) => ring.length >= 6)
    .map((ring) => rleOfPolygons([ring], [height, width]));
  return filled.length > 0 ? uniteMasks(filled) : undefined;
}
