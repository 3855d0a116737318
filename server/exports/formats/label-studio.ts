/**
 * Label Studio JSON: one task a video with the boxes of each object (VideoRectangle), or one task a frame with brush masks.
 * https://labelstud.io/guide/export.html
 */
import { z } from "zod";
import { maskBox } from "../../../protocol/index.js";
import { encodeBrush } from "../brush.js";
import { defineFormat, jsonElements, textFile } from "../format.js";
import { type ExportObject, type ExportSource, frameName, STILLS_FPS } from "../source.js";

const options = z.strictObject({
  form: z
    .enum(["boxes", "brush"])
    .default("boxes")
    .describe("boxes: one task with a timeline of boxes. brush: one task a frame, with masks on a picture"),
});

export const labelStudio = defineFormat({
  id: "label-studio",
  title: "Label Studio",
  media: "text",
  packing: "file",
  needsPictures: false,
  options,
  async *files(source, { form }) {
    const suffix = form === "boxes" ? "video" : "brush";
    yield textFile(`${source.facts.name}.label-studio-${suffix}.json`, () =>
      form === "boxes" ? videoTask(source) : brushTasks(source),
    );
  },
});

async function* videoTask(source: ExportSource): AsyncGenerator<string> {
  const data = { video: source.facts.fileName };
  yield `[{"id":1,"data":${JSON.stringify(data)},"annotations":[{"id":1,"result":[\n`;
  yield* jsonElements(videoResults(source));
  yield "\n]}]}]\n";
}

async function* videoResults(source: ExportSource) {
  const { numFrames, fps } = source.facts;
  const rate = fps ?? STILLS_FPS;
  for (const object of source.objects) {
    const sequence = await sequenceOf(source, object);
    if (sequence.length === 0) continue;
    yield {
      id: `object-${object.objectId}`,
      type: "videorectangle",
      from_name: "box",
      to_name: "video",
      origin: "manual",
      value: {
        framesCount: numFrames,
        duration: numFrames / rate,
        sequence,
        labels: [object.category],
      },
      meta: { text: [object.name] },
    };
  }
}

/**
 * The boxes of an object, in percent of the frame; frames count from 1. A box with `enabled` false ends a stretch: Label Studio
 * shows it no longer from its frame on.
 */
async function sequenceOf({ facts, frames }: ExportSource, { objectId }: ExportObject) {
  const sequence: { frame: number; enabled: boolean; time: number }[] = [];
  let last: { frame: number; timeS: number } | undefined;
  for await (const { frameIndex, timestampUs, masks } of frames()) {
    const own = masks.find((one) => one.objectId === objectId);
    if (last && (!own || frameIndex > last.frame + 1)) {
      const previous = sequence.at(-1);
      // The lifespan ends on the last frame with the object.
      if (previous) previous.enabled = false;
    }
    if (!own) {
      last = undefined;
      continue;
    }
    const [x, y, width, height] = maskBox(own.mask);
    const timeS = timestampUs === null ? frameIndex / (facts.fps ?? STILLS_FPS) : timestampUs / 1e6;
    const box = {
      x: (100 * x) / facts.width,
      y: (100 * y) / facts.height,
      width: (100 * width) / facts.width,
      height: (100 * height) / facts.height,
    };
    sequence.push({ frame: frameIndex + 1, enabled: true, ...{ rotation: 0 }, ...box, time: timeS });
    last = { frame: frameIndex, timeS };
  }
  if (last && last.frame + 1 < facts.numFrames) {
    const previous = sequence.at(-1);
    if (previous) previous.enabled = false;
  }
  return sequence;
}

async function* brushTasks(source: ExportSource): AsyncGenerator<string> {
  yield "[\n";
  yield* jsonElements(brushTask(source));
  yield "\n]\n";
}

async function* brushTask({ facts, objects, frames }: ExportSource) {
  const { name, width, height } = facts;
  const known = new Map(objects.map((object) => [object.objectId, object]));
  for await (const { frameIndex, masks } of frames()) {
    yield {
      id: frameIndex + 1,
      data: { image: `${name}/${frameName(frameIndex)}.jpg`, frame_index: frameIndex },
      annotations: [
        {
          id: frameIndex + 1,
          result: masks.map(({ objectId, mask }) => ({
            id: `object-${objectId}-${frameIndex}`,
            type: "brushlabels",
            from_name: "brush",
            to_name: "image",
            origin: "manual",
            original_width: width,
            original_height: height,
            image_rotation: 0,
            value: {
              format: "rle",
              rle: encodeBrush(mask),
              brushlabels: [known.get(objectId)?.category ?? "object"],
            },
            meta: { text: [`object ${objectId}`] },
          })),
        },
      ],
    };
  }
}
