import { describe, expect, it } from "vitest";
import { type FrameFeatures, float32, int32, type RunGraph, type Tensor } from "../../detector/graph.js";
import type { MemoryEntry } from "../../memory/bank.js";
import type { BankRules } from "../../memory/select.js";
import { createModel } from "../../tracker/graph-model.js";

const geometry = { S: 4, D: 2, Dm: 3, T: 2, m: 2 };
const bank: BankRules = {
  maxConditioning: 4,
  recent: 6,
  maxPointers: 16,
  temporalRows: 7,
  conditioningRow: 6,
  pointerTime: "dt/(max-1)",
};
const level = float32([1], new Float32Array(1));
const features: FrameFeatures = { feat: level, feat_s1: level, feat_s0: level };
const selection = {
  memories: [{ entry: { memory: new Float32Array(6) } as MemoryEntry, row: 6 }],
  pointers: [{ pointer: new Float32Array(2), dt: 0.2 }],
};

/** A model over graphs that return `outputs`, and the inputs of its calls. */
function modelOver(outputs: Record<string, Tensor>, rules = bank) {
  const calls: Record<string, Tensor>[] = [];
  const run: RunGraph = async (_, inputs, fetch) => {
    calls.push(inputs);
    return Object.fromEntries(fetch.map((name) => [name, outputs[name] as Tensor]));
  };
  return { model: createModel(run, geometry, rules), calls };
}

const segmented = {
  masks: float32(
    [1, 4, 2, 2],
    Float32Array.from({ length: 16 }, (_, i) => Math.floor(i / 4)),
  ),
  iou: float32([1, 4], Float32Array.of(0, 0.25, 0.5, 0.75)),
  score: float32([1], Float32Array.of(3)),
  pointer: float32([1, 4, 2], Float32Array.of(0, 0, 1, 1, 2, 2, 3, 3)),
  best: int32([1], Int32Array.of(2)),
};
const tracked = {
  mask: float32([1, 1, 2, 2], new Float32Array(4)),
  score: float32([1], new Float32Array(1)),
  iou: float32([1], new Float32Array(1)),
  pointer: float32([1, 2], new Float32Array(2)),
};

describe("the pack's graphs", () => {
  it("return the mask that the graph marks as best, with its own pointer and quality", async () => {
    const { model } = modelOver(segmented);
    const { maskLogits, iou, score, pointer } = await model.segment(
      features,
      { points: [[0, 0]], labels: [1] },
      null,
    );
    expect([[...maskLogits], iou, score, [...pointer]]).toEqual([[2, 2, 2, 2], 0.5, 3, [2, 2]]);
  });

  it("receive a clamped previous mask, or none", async () => {
    const { model, calls } = modelOver(segmented);
    const prompt = { points: [[0, 0] as const], labels: [1] };
    await model.segment(features, prompt, Float32Array.of(100, -100, 5, 0));
    await model.segment(features, prompt, null);
    expect(calls.map(({ mask_in, has_mask }) => [...(mask_in?.data ?? []), has_mask?.data[0]])).toEqual([
      [32, -32, 5, 0, 1],
      [0, 0, 0, 0, 0],
    ]);
  });

  it("receive the distances of pointers only when the pack has that input", async () => {
    const timed = modelOver(tracked);
    await timed.model.track(features, [selection]);
    expect(timed.calls[0]?.pointer_dt?.data[0]).toBeCloseTo(0.2);
    const untimed = modelOver(tracked, { ...bank, pointerTime: "none" });
    await untimed.model.track(features, [selection]);
    expect(Object.keys(untimed.calls[0] ?? {})).not.toContain("pointer_dt");
  });

  it("do not run without objects", async () => {
    const { model, calls } = modelOver(tracked);
    expect([
      await model.track(features, []),
      await model.seed(features, []),
      await model.remember(features, []),
    ]).toEqual([[], [], []]);
    expect(calls).toEqual([]);
  });

  it("that omit an output reject with its name", async () => {
    const { model } = modelOver({});
    await expect(model.encode({ index: 0, rgb: new Uint8Array(48) }, false)).rejects.toThrow(
      'no tensor "feat"',
    );
  });
});
