/** Interactive segmentation of stills with the real model. */
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeLowResMask, decodeMask, type LowResMask, maskArea, maskBox } from "../../protocol/index.js";
import { createPredictor, type Predictor } from "../../server/index.js";
import { mediaPath } from "../helpers/media.js";

const WIDTH = 320;
const HEIGHT = 200;
let predictor: Predictor;
let session_id: string;

/** A red disc on the left and a blue square on the right. */
async function drawPicture(name: string): Promise<string> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
    <rect width="100%" height="100%" fill="#cfcabb"/>
    <circle cx="90" cy="100" r="55" fill="#d42020"/>
    <rect x="200" y="60" width="80" height="80" fill="#2040c0"/></svg>`;
  const path = mediaPath(name);
  await sharp(Buffer.from(svg)).removeAlpha().png().toFile(path);
  return path;
}

const ask = (fields: object) =>
  predictor.handleRequest({ type: "predict", session_id, rel_coordinates: false, ...fields });
const disc = { point_coords: [[[90, 100]]], point_labels: [[1]] };

beforeAll(async () => {
  predictor = createPredictor({ logLevel: "silent", threads: 1 });
  const path = await drawPicture("shapes.png");
  ({ session_id } = await predictor.handleRequest({ type: "start_session", resource_path: path }));
});
afterAll(() => predictor.close());

describe("predict on an image", { timeout: 120_000 }, () => {
  test("returns three masks of the image's size for a click, each with a score and logits", async () => {
    const { masks, iou_predictions, low_res_masks, frame_index } = await ask(disc);
    expect(frame_index).toBe(0);
    expect([masks, iou_predictions, low_res_masks].map((list) => list?.map((row) => row.length))).toEqual([
      [3],
      [3],
      [3],
    ]);
    for (const rle of masks[0] ?? []) expect(rle.size).toEqual([HEIGHT, WIDTH]);
    const best = (iou_predictions[0] ?? []).indexOf(Math.max(...(iou_predictions[0] ?? [])));
    const { data } = decodeMask(masks[0]?.[best] as never);
    expect(data[100 * WIDTH + 90]).toBe(1);
    expect(data[100 * WIDTH + 240]).toBe(0);
  });

  test("returns logits that match the mask", async () => {
    const { masks, low_res_masks } = await ask({ ...disc, multimask_output: false });
    const logits = decodeLowResMask(low_res_masks?.[0]?.[0] as LowResMask);
    const inside = logits.filter((logit) => logit > 0).length / logits.length;
    const area = maskArea(masks[0]?.[0] as never) / (WIDTH * HEIGHT);
    expect(inside).toBeGreaterThan(0.02);
    expect(Math.abs(inside - area)).toBeLessThan(0.01);
    expect(Math.max(...logits.map(Math.abs))).toBeLessThanOrEqual(32);
  });

  test("returns the same for relative coordinates and for pixels", async () => {
    const pixels = await ask({ ...disc, boxes: [[30, 40, 150, 160]] });
    const relative = await ask({
      point_coords: [[[90 / WIDTH, 0.5]]],
      point_labels: [[1]],
      boxes: [[30 / WIDTH, 0.2, 150 / WIDTH, 0.8]],
      rel_coordinates: true,
    });
    expect(relative).toEqual(pixels);
  });

  test("segments the object in a box, and returns the same for a batch of boxes as for single boxes", async () => {
    const boxes = [
      [30, 40, 150, 160],
      [195, 55, 285, 145],
    ];
    const together = await ask({ boxes, multimask_output: false });
    expect(together.masks).toHaveLength(2);
    for (const [row, box] of boxes.entries()) {
      const alone = await ask({ boxes: [box], multimask_output: false });
      const [x = 0, y = 0, w = 0, h = 0] = maskBox(together.masks[row]?.[0] as never) ?? [];
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = box;
      expect(Math.min(x - x0, y - y0, x1 - x - w, y1 - y - h)).toBeGreaterThan(-25);
      expect(w * h).toBeGreaterThan(0.4 * (x1 - x0) * (y1 - y0));
      expect(alone.iou_predictions[0]?.[0]).toBeCloseTo(together.iou_predictions[row]?.[0] as number, 4);
      const areas = [alone.masks[0], together.masks[row]].map((one) => maskArea(one?.[0] as never));
      expect(Math.abs((areas[0] ?? 0) - (areas[1] ?? 0))).toBeLessThan(10);
    }
  });

  test("returns the same for a batch of clicks as for single clicks", async () => {
    const square = { point_coords: [[[240, 100]]], point_labels: [[1]] };
    const clicks = { point_coords: [[[90, 100]], [[240, 100]]], point_labels: [[1], [1]] };
    const { masks, iou_predictions } = await ask(clicks);
    for (const [row, click] of [disc, square].entries()) {
      const alone = await ask(click);
      alone.iou_predictions[0]?.forEach((iou, index) => {
        expect(iou_predictions[row]?.[index]).toBeCloseTo(iou, 4);
      });
      const areas = [alone.masks[0], masks[row]].map((one) => one?.map((rle) => maskArea(rle)) ?? []);
      areas[0]?.forEach((area, index) => {
        expect(Math.abs(area - (areas[1]?.[index] ?? 0))).toBeLessThan(10);
      });
    }
    expect(masks[0]).not.toEqual(masks[1]);
  });

  test("uses an earlier mask as input, alone and with a click", async () => {
    const maskOf = async (box: number[]) =>
      (await ask({ boxes: [box], multimask_output: false })).low_res_masks?.[0]?.[0];
    const square = await maskOf([195, 55, 285, 145]);
    const whole = await maskOf([30, 40, 150, 160]);
    const from = (mask_input: unknown, fields = {}) =>
      ask({ ...fields, mask_input, multimask_output: false });
    expect((await from(square)).low_res_masks).not.toEqual((await from(whole)).low_res_masks);
    const clicked = await ask({ ...disc, multimask_output: false });
    expect((await from(square, disc)).iou_predictions).not.toEqual(clicked.iou_predictions);
  });

  test("does not change the session, and omits logits on request", async () => {
    const { low_res_masks } = await ask({ ...disc, return_low_res_masks: false });
    expect(low_res_masks).toBeUndefined();
    expect(await predictor.handleRequest({ type: "get_session", session_id })).toMatchObject({
      obj_ids: [],
      concepts: [],
    });
    const stream = predictor.handleStreamRequest({ type: "propagate_in_video", session_id });
    await expect(stream.next()).rejects.toMatchObject({ code: "nothing_prompted" });
  });

  test.each([
    [{ boxes: [[0, 0, 321, 10]] }, "invalid_field", "boxes[0][2]: expected 0..320 pixels, got 321"],
    [
      { point_coords: [[[1, 201]]], point_labels: [[1]] },
      "invalid_field",
      "point_coords[0][0][1]: expected 0..200 pixels, got 201",
    ],
    [{ ...disc, frame_index: 1 }, "frame_out_of_range", "frame_index: expected 0..0, got 1"],
    [
      { mask_input: { size: [2, 2], dtype: "float16", data: "AAAAAAAAAAA=" } },
      "invalid_field",
      "mask_input.size: expected [96, 96], the size of this pack's low_res_masks, got [2, 2]",
    ],
    [
      { mask_input: { size: [96, 96], dtype: "float16", data: "AAAA" } },
      "invalid_field",
      "mask_input.data: expected 18432 bytes for 96x96 halves, got 3",
    ],
  ])("refuses %j", async (fields, code, message) => {
    await expect(ask(fields)).rejects.toMatchObject({ code, message, field: message.split(":")[0] });
  });
});

test("predicts on each image of a folder as a frame", { timeout: 120_000 }, async () => {
  await drawPicture("album/1.png");
  await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#cfcabb" } })
    .png()
    .toFile(mediaPath("album/2.png"));
  const start = { type: "start_session", resource_path: mediaPath("album") } as const;
  const album = await predictor.handleRequest(start);
  const on = (frame_index: number) =>
    ask({ ...disc, session_id: album.session_id, frame_index, multimask_output: false });
  const first = await ask({ ...disc, multimask_output: false });
  expect((await on(0)).masks).toEqual(first.masks);
  expect((await on(1)).masks).not.toEqual(first.masks);
  await predictor.handleRequest({ type: "close_session", session_id: album.session_id });
});

test("returns a semantic map that covers the instances of a concept", { timeout: 120_000 }, async () => {
  const prompt = { type: "add_prompt", session_id, frame_index: 0, text: "red circle" } as const;
  const plain = await predictor.handleRequest(prompt);
  expect(plain.semantic_map).toBeUndefined();
  const { outputs, semantic_map } = await predictor.handleRequest({ ...prompt, semantic_map: true });
  expect(outputs.out_obj_ids.length).toBeGreaterThan(0);
  if (!semantic_map) throw new Error("no semantic map");
  const { data } = decodeMask(semantic_map.mask);
  expect([data[100 * WIDTH + 90], data[100 * WIDTH + 240]]).toEqual([1, 0]);
  expect(semantic_map.logits.size).toEqual([96, 96]);
  const outside = (outputs.out_binary_masks ?? [])
    .map((rle) => decodeMask(rle).data)
    .reduce((sum, mask) => sum + mask.filter((bit, at) => bit === 1 && data[at] === 0).length, 0);
  expect(outside).toBeLessThan(0.1 * maskArea(semantic_map.mask));
});
