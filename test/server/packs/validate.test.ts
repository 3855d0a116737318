import { expect, test } from "vitest";
import { type GraphSpec, packContract } from "../../../server/packs/contract.js";
import { firstMismatch, type GraphInfo, type TensorInfo } from "../../../server/packs/validate.js";

const contract = packContract({
  geometry: { S: 320, g: 20, D: 128, Dm: 96, T: 400, m: 80, Ct: 128, L: 16, K: 32 },
  bank: {
    maxConditioning: 4,
    recent: 6,
    maxPointers: 16,
    temporalRows: 7,
    conditioningRow: 6,
    pointerTime: "dt/(max-1)",
  },
  capabilities: {
    text: true,
    exemplars: true,
    maskSeed: true,
    points: true,
    objectBatch: "dynamic",
    memorySlots: "dynamic",
  },
});

/** A graph that follows the contract, with other names for its dynamic dimensions. */
function conforming(spec: GraphSpec): { inputs: TensorInfo[]; outputs: TensorInfo[] } {
  const copy = (tensors: GraphSpec["inputs"]) =>
    tensors.map(({ name, type, shape }) => ({
      name,
      type,
      shape: shape.map((dim) => (typeof dim === "string" ? `dim_${dim}` : dim)),
    }));
  return { inputs: copy(spec.inputs), outputs: copy(spec.outputs) };
}

function trackWith(change: (graph: { inputs: TensorInfo[]; outputs: TensorInfo[] }) => void): GraphInfo {
  const graph = conforming(contract.track);
  change(graph);
  return graph;
}

test.each(Object.entries(contract))("accepts a %s graph that follows the contract", (role, spec) => {
  expect(firstMismatch(`${role}.onnx`, spec, conforming(spec))).toBeUndefined();
});

test("reports a renamed input with the expected and the actual inputs", () => {
  const graph = trackWith(({ inputs }) => {
    inputs[3] = { ...(inputs[3] as TensorInfo), name: "memories" };
  });
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: input "memory" is missing: expected float32 [B, M, 400, 96], ' +
      "found inputs feat, feat_s1, feat_s0, memories, memory_t, pointers, pointer_dt, points, labels.",
  );
});

test("reports an input of the wrong type with both types", () => {
  const graph = trackWith(({ inputs }) => {
    inputs[4] = { name: "memory_t", type: "int64", shape: ["B", "M"] };
  });
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: input "memory_t" does not fit: expected int32 [B, M], found int64 [B, M].',
  );
});

test("reports a constant of another size with both shapes", () => {
  const graph = trackWith(({ inputs }) => {
    inputs[0] = { name: "feat", type: "float32", shape: [1, 128, 24, 24] };
  });
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: input "feat" does not fit: expected float32 [1, 128, 20, 20], found float32 [1, 128, 24, 24].',
  );
});

test("refuses a constant size in place of a dynamic dimension", () => {
  const graph = trackWith(({ outputs }) => {
    outputs[1] = { name: "score", type: "float32", shape: [1] };
  });
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: output "score" does not fit: expected float32 [B], found float32 [1].',
  );
});

test("refuses an input of another rank", () => {
  const graph = trackWith(({ inputs }) => {
    inputs[7] = { name: "points", type: "float32", shape: ["B", 2] };
  });
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: input "points" does not fit: expected float32 [B, N, 2], found float32 [B, 2].',
  );
});

test("refuses an input that the contract does not have", () => {
  const graph = trackWith(({ inputs }) =>
    inputs.push({ name: "key_mask", type: "float32", shape: ["B", 400] }),
  );
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: input "key_mask" is unknown: expected only feat, feat_s1, feat_s0, memory, memory_t, pointers, ' +
      "pointer_dt, points, labels, found float32 [B, 400].",
  );
});

test("reports a missing output", () => {
  const graph = trackWith(({ outputs }) => outputs.splice(3));
  expect(firstMismatch("track.onnx", contract.track, graph)).toBe(
    'track.onnx: output "pointer" is missing: expected float32 [B, 128], found outputs mask, score, iou.',
  );
});

test("requires a segment graph without mask inputs exactly for packs without maskInput", () => {
  const without = packContract({
    geometry: { S: 320, g: 20, D: 128, Dm: 96, T: 400, m: 80 },
    bank: {
      maxConditioning: -1,
      recent: 6,
      maxPointers: 16,
      temporalRows: 7,
      conditioningRow: 6,
      pointerTime: "none",
    },
    capabilities: {
      text: false,
      exemplars: false,
      maskSeed: false,
      points: true,
      maskInput: false,
      objectBatch: "dynamic",
      memorySlots: "dynamic",
    },
  });
  expect(without.segment.inputs.map(({ name }) => name)).toEqual([
    "feat",
    "feat_s1",
    "feat_s0",
    "points",
    "labels",
  ]);
  expect(firstMismatch("segment.onnx", without.segment, conforming(contract.segment))).toMatch(
    /^segment\.onnx: input "mask_in" is unknown: expected only feat, /,
  );
  expect(firstMismatch("segment.onnx", contract.segment, conforming(without.segment))).toMatch(
    /^segment\.onnx: input "mask_in" is missing: /,
  );
});

test("accepts further outputs, absent optional outputs and undeclared output shapes", () => {
  const render = conforming(contract.render);
  render.outputs = render.outputs.filter(({ name }) => name !== "labels");
  render.outputs[0] = { name: "bits", type: "uint8", shape: [] };
  render.outputs.push({ name: "debug", type: "float32", shape: [1] });
  expect(firstMismatch("render.onnx", contract.render, render)).toBeUndefined();
});

test("accepts an absent optional input, and refuses one of another shape", () => {
  const detect = conforming(contract.detect);
  const shaped = (shape: number[]): GraphInfo => ({
    ...detect,
    inputs: detect.inputs.map((input) => (input.name === "aspect" ? { ...input, shape } : input)),
  });
  const without = { ...detect, inputs: detect.inputs.filter(({ name }) => name !== "aspect") };
  expect(firstMismatch("detect.onnx", contract.detect, without)).toBeUndefined();
  for (const shape of [[], [2], [1, 1]]) {
    expect(firstMismatch("detect.onnx", contract.detect, shaped(shape))).toMatch(
      /^detect\.onnx: input "aspect" does not fit: /,
    );
  }
});
