/** Prompts on one image: the inputs of the mask decoder, and the candidates that are returned. */
import { describe, expect, test } from "vitest";
import { float32, type RunGraph, type Tensor } from "../../detector/graph.js";
import { createParts, type VideoTrackerOptions } from "../../tracker/parts.js";
import { type PredictionPrompt, predict } from "../../tracker/predict.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";

const m = 2;
const frame = { index: 0, rgb: new Uint8Array(4 * 4 * 3) };
const level = float32([1], new Float32Array(1));

/** A decoder that fills mask k of the batch's prompt b with 100·b + k. */
function setUp(options: Partial<VideoTrackerOptions> = {}, stability = 0.9) {
  const calls: Record<string, Tensor>[] = [];
  let encoded = 0;
  const run: RunGraph = async (role, inputs, fetch) => {
    if (role === "encode") encoded++;
    if (role !== "segment") return Object.fromEntries(fetch.map((name) => [name, level]));
    calls.push(inputs);
    const B = inputs.points?.dims[0] ?? 0;
    const masks = Float32Array.from({ length: B * 4 * m * m }, (_, at) => {
      const plane = Math.floor(at / (m * m));
      return Math.floor(plane / 4) * 100 + (plane % 4);
    });
    const outputs: Record<string, Tensor> = {
      masks: float32([B, 4, m, m], masks),
      iou: float32(
        [B, 4],
        Float32Array.from({ length: B * 4 }, (_, at) => [0.9, 0.2, 0.6, 0.4][at % 4] ?? 0),
      ),
      stability: float32([B], new Float32Array(B).fill(stability)),
    };
    return Object.fromEntries(fetch.map((name) => [name, outputs[name] as Tensor]));
  };
  const parts = createParts({
    run,
    tokenize: () => ({ ids: new Int32Array(), mask: new Int32Array() }),
    geometry: { S: 4, D: 2, Dm: 3, T: 2, m },
    bank: {
      maxConditioning: 4,
      recent: 6,
      maxPointers: 16,
      temporalRows: 7,
      conditioningRow: 6,
      pointerTime: "none",
    },
    capabilities: { text: false, exemplars: false, points: true, maskSeed: true },
    policy: resolvePolicy(),
    ...options,
  });
  const runPredict = (prompt: Partial<PredictionPrompt>) =>
    predict(parts, frame, { points: [[[0.5, 0.25]]], labels: [[1]], multimask: true, ...prompt });
  return { runPredict, calls, encoded: () => encoded };
}

describe("a prompt on an image", () => {
  test("returns the three candidates in the model's order, or the single-mask output", async () => {
    const { runPredict } = setUp();
    const [candidates = []] = await runPredict({});
    expect(candidates.map(({ maskLogits, iou }) => [maskLogits[0], iou.toFixed(1)])).toEqual([
      [1, "0.2"],
      [2, "0.6"],
      [3, "0.4"],
    ]);
    const [single = []] = await runPredict({ multimask: false });
    expect(single.map(({ maskLogits, iou }) => [maskLogits[0], iou.toFixed(1)])).toEqual([[0, "0.9"]]);
  });

  test.each([
    [0.97, 2],
    [0.98, 0],
  ])(
    "replaces an unstable single mask by the best candidate when the pack has a limit: stability %d",
    async (stability, mask) => {
      const { runPredict } = setUp({ decode: { singleMaskStability: 0.975 } }, stability);
      const [[single] = []] = await runPredict({ multimask: false });
      expect(single?.maskLogits[0]).toBe(mask);
    },
  );

  test("becomes box corners and clicks, and an ignored point without either", async () => {
    const { runPredict, calls } = setUp();
    await runPredict({ boxesXyxy: [[0, 0.25, 0.5, 1]], labels: [[0]] });
    await runPredict({
      points: [[]],
      labels: [[]],
      maskInput: { logits: Float32Array.of(50, -50, 1, 0), size: [m, m] },
    });
    const inputs = calls.map(({ points, labels, mask_in, has_mask }) => [
      [...(points?.data ?? [])],
      [...(labels?.data ?? [])],
      [...(mask_in?.data ?? [])],
      [...(has_mask?.data ?? [])],
    ]);
    expect(inputs).toEqual([
      [[0, 0.25, 0.5, 1, 0.5, 0.25], [2, 3, 0], [0, 0, 0, 0], [0]],
      [[0, 0], [-1], [32, -32, 1, 0], [1]],
    ]);
  });

  test("runs in batches on one encoding of the image, with the mask prompt in each batch", async () => {
    const { runPredict, calls, encoded } = setUp();
    const count = 11;
    const maskInput = { logits: Float32Array.of(1, 2, 3, 4), size: [m, m] as const };
    const answers = await runPredict({
      points: Array(count).fill([[0.5, 0.5]]),
      labels: Array(count).fill([1]),
      maskInput,
    });
    expect(answers).toHaveLength(count);
    // Mask k of prompt b contains 100·b + k, which is clamped to 32.
    expect(answers[0]?.[0]?.maskLogits[0]).toBe(1);
    expect(answers[1]?.[0]?.maskLogits[0]).toBe(32);
    expect(calls.map(({ points }) => points?.dims[0])).toEqual([6, 5]);
    expect([...(calls[1]?.mask_in?.data ?? [])]).toEqual(Array(5).fill([1, 2, 3, 4]).flat());
    expect(encoded()).toBe(1);
  });

  test("is rejected when the pack does not support it, with an error that lists the supported prompts", async () => {
    const maskInput = { logits: new Float32Array(m * m), size: [m, m] as const };
    const clicksOnly = setUp({
      capabilities: { text: false, exemplars: false, points: true, maskSeed: true, maskInput: false },
    });
    await expect(clicksOnly.runPredict({ maskInput })).rejects.toMatchObject({
      code: "unsupported_by_pack",
      field: "mask_input",
    });
    await clicksOnly.runPredict({});
    expect(Object.keys(clicksOnly.calls[0] ?? {}).sort()).toEqual([
      "feat",
      "feat_s0",
      "feat_s1",
      "labels",
      "points",
    ]);
    const textOnly = setUp({ capabilities: { text: true, exemplars: true, points: false, maskSeed: true } });
    await expect(textOnly.runPredict({})).rejects.toMatchObject({
      code: "unsupported_by_pack",
      message: expect.stringMatching(
        /It supports a phrase \(text\), or exemplars \(bounding_boxes without obj_id\), or a mask of one object \(mask\)\.$/,
      ),
    });
    const { runPredict } = setUp();
    await expect(
      runPredict({ maskInput: { logits: Float32Array.of(0, 0, 0, Number.NaN), size: [m, m] } }),
    ).rejects.toMatchObject({
      code: "invalid_field",
      field: "mask_input.data",
    });
  });
});
