import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { objectsOf } from "../../clients/typescript/index.js";
import {
  decodeBinaryMessage,
  encodeMask,
  encodeMessage,
  type Mask,
  type MaskFormatFields,
  type Outputs,
} from "../../protocol/index.js";
import type { FrameOutput } from "../../server/engine/index.js";
import { createOutputsWriter, type OutputsRequest } from "../../server/outputs.js";
import { encodeLabels } from "../../server/png.js";
import { createSentMasks } from "../../server/sent-masks.js";
import { drawn, iou, shapes } from "../helpers/masks.js";

function frameOf(masks: readonly Mask[], frameIndex = 0): FrameOutput {
  return {
    frameIndex,
    objects: masks.map(({ data, width, height }, position) => ({
      objectId: 10 + position,
      prob: 0.9,
      boxXywh: [0, 0, 1, 1],
      mask: encodeMask(data, width, height),
    })),
    stats: { tracked: masks.length, dropped: 0 },
  };
}

const request = (fields: MaskFormatFields = {}): OutputsRequest => ({ output_prob_thresh: 0.5, ...fields });

/** What a client receives. */
function sent(outputs: Outputs): Outputs {
  const message = encodeMessage({ type: "frame", outputs });
  const received = typeof message === "string" ? JSON.parse(message) : decodeBinaryMessage(message);
  return received.outputs;
}

async function decoded(masks: readonly Mask[], fields: MaskFormatFields): Promise<Mask[]> {
  const outputs = await createOutputsWriter({}).write(frameOf(masks), request(fields));
  return objectsOf(sent(outputs)).map((object) => object.decodeMask());
}

/** Up to four masks of one size. */
const frames = fc
  .array(shapes(24, 24), { maxLength: 4 })
  .map((masks) => masks.filter((mask) => mask.data.includes(1)));

describe("each mask format", () => {
  it.each<MaskFormatFields>([
    { mask_format: "rle" },
    { mask_format: "binary" },
    { mask_format: "png" },
    { mask_format: "polygons", polygon_tolerance_px: 0 },
  ])("%j decodes to the same masks", async (fields) => {
    await fc.assert(
      fc.asyncProperty(frames, async (masks) => {
        expect(await decoded(masks, fields)).toEqual(masks);
      }),
      { numRuns: 60 },
    );
  });

  it("label_map decodes to the same masks, without the pixels that later objects cover", async () => {
    await fc.assert(
      fc.asyncProperty(frames, async (masks) => {
        const visible = masks.map((mask, position) => ({
          ...mask,
          data: mask.data.map((bit, at) =>
            masks.slice(position + 1).some((later) => later.data[at]) ? 0 : bit,
          ),
        }));
        expect(await decoded(masks, { mask_format: "label_map" })).toEqual(visible);
      }),
      { numRuns: 60 },
    );
  });

  it("polygons differ little from the masks by default", async () => {
    const side = 160;
    const disk = (x: number, y: number, radius: number): Mask => ({
      width: side,
      height: side,
      data: Uint8Array.from({ length: side * side }, (_, at) =>
        Math.hypot((at % side) - x, Math.floor(at / side) - y) < radius ? 1 : 0,
      ),
    });
    const masks = [disk(50, 50, 40), disk(120, 100, 30), disk(30, 130, 12)];
    const polygons = await decoded(masks, { mask_format: "polygons" });
    masks.forEach((mask, position) => {
      expect(iou(polygons[position] as Mask, mask)).toBeGreaterThan(0.95);
    });
  });

  it("none has ids, probabilities, boxes and states only", async () => {
    const outputs = sent(
      await createOutputsWriter({}).write(frameOf([drawn("#.")]), request({ mask_format: "none" })),
    );
    expect(Object.keys(outputs)).toEqual([
      "out_obj_ids",
      "out_probs",
      "out_boxes_xywh",
      "out_states",
      "frame_stats",
    ]);
    const [object] = objectsOf(outputs);
    expect(object?.id).toBe(10);
    expect(() => object?.decodeMask()).toThrow(/mask_format is none/);
  });

  it("applies to the session, unless a request chooses another", async () => {
    const writer = createOutputsWriter({ mask_format: "binary" });
    const frame = frameOf([drawn("#.")]);
    expect(await writer.write(frame, request())).toHaveProperty("out_packed_masks");
    expect(await writer.write(frame, request({ mask_format: "rle" }))).toHaveProperty("out_binary_masks");
  });

  it("png and label_map are valid PNGs for other readers", async () => {
    const mask = drawn("#..#.....#", "..........", "##########");
    const writer = createOutputsWriter({});
    for (const [mask_format, scale] of [
      ["png", 255],
      ["label_map", 1],
    ] as const) {
      const { out_png_masks, out_label_map } = await writer.write(frameOf([mask]), request({ mask_format }));
      const bytes = Buffer.from(out_png_masks?.[0] ?? out_label_map ?? "", "base64");
      const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
      const pixels = Array.from({ length: 30 }, (_, at) => (data[at * info.channels] as number) / scale);
      expect(pixels).toEqual([...mask.data]);
    }
  });

  it("label maps have 16 bits per pixel with more than 255 objects", async () => {
    const bytes = await encodeLabels(Uint16Array.of(0, 1, 256, 300), 2, 2, 300);
    const { data } = await sharp(bytes)
      .toColourspace("grey16")
      .raw({ depth: "ushort" })
      .toBuffer({ resolveWithObject: true });
    expect([...new Uint16Array(data.buffer, data.byteOffset, 4)]).toEqual([0, 1, 256, 300]);
  });
});

describe("changed_only", () => {
  const [left, right] = [drawn("##..", "##.."), drawn("..##", "..##")];
  const omit = request({ changed_only: true });

  it("omits objects whose mask was sent for the same frame", async () => {
    const writer = createOutputsWriter({});
    const first = await writer.write(frameOf([left, right], 4), omit);
    expect(first).toMatchObject({ out_obj_ids: [10, 11], unchanged_obj_ids: [] });
    expect(await writer.write(frameOf([left, left], 4), omit)).toMatchObject({
      out_obj_ids: [11],
      out_probs: [0.9],
      unchanged_obj_ids: [10],
    });
    expect(await writer.write(frameOf([left, left], 4), omit)).toMatchObject({
      out_obj_ids: [],
      out_binary_masks: [],
      unchanged_obj_ids: [10, 11],
    });
    expect(await writer.write(frameOf([left, left], 5), omit)).toMatchObject({ out_obj_ids: [10, 11] });
  });

  it("compares with masks of requests without it", async () => {
    const writer = createOutputsWriter({ changed_only: true });
    const whole = await writer.write(frameOf([left]), request({ changed_only: false }));
    expect(whole).not.toHaveProperty("unchanged_obj_ids");
    expect(await writer.write(frameOf([left]), request())).toMatchObject({ unchanged_obj_ids: [10] });
  });

  it("sends an object again that was absent from the frame meanwhile", async () => {
    const writer = createOutputsWriter({});
    await writer.write(frameOf([left, right]), omit);
    expect(await writer.write(frameOf([left]), omit)).toMatchObject({ unchanged_obj_ids: [10] });
    expect(await writer.write(frameOf([left, right]), omit)).toMatchObject({ out_obj_ids: [11] });
  });

  it("sends masks again in another format, with another tolerance, and after a reset", async () => {
    const writer = createOutputsWriter({});
    const polygons = { ...omit, mask_format: "polygons" } as const;
    await writer.write(frameOf([left]), omit);
    expect(await writer.write(frameOf([left]), polygons)).toMatchObject({ out_obj_ids: [10] });
    expect(await writer.write(frameOf([left]), { ...polygons, polygon_tolerance_px: 2 })).toMatchObject({
      out_obj_ids: [10],
    });
    expect(await writer.write(frameOf([left]), { ...polygons, polygon_tolerance_px: 2 })).toMatchObject({
      out_obj_ids: [],
    });
    writer.forget();
    expect(await writer.write(frameOf([left]), { ...polygons, polygon_tolerance_px: 2 })).toMatchObject({
      out_obj_ids: [10],
    });
  });

  it("leaves the record as it is when no masks are sent", async () => {
    const writer = createOutputsWriter({});
    await writer.write(frameOf([left]), omit);
    const none = await writer.write(frameOf([right]), { ...omit, mask_format: "none" });
    expect(none).toMatchObject({ out_obj_ids: [10], unchanged_obj_ids: [] });
    expect(await writer.write(frameOf([left]), omit)).toMatchObject({ unchanged_obj_ids: [10] });
  });

  it("remembers a bounded number of masks, those of the frames sent last", () => {
    const sentMasks = createSentMasks(4);
    const { objects } = frameOf([left, right]);
    for (const frame of [0, 1]) sentMasks.compare(frame, objects, "rle");
    expect(sentMasks.compare(0, objects, "rle")).toEqual([10, 11]);
    sentMasks.compare(2, objects, "rle");
    expect(sentMasks.compare(1, objects, "rle")).toEqual([]);
    expect(sentMasks.compare(2, objects, "rle")).toEqual([10, 11]);
  });
});
