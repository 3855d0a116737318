/** The state of a session does not grow with the number of frames. */
import { describe, expect, it } from "vitest";
import type { GraphRole, RunGraph, Tensor } from "../../detector/graph.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import { createTrackingSession, type TrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { send } from "./requests.js";

/** Side of the masks; the scripted objects are stripes of one row. */
const M = 6;
const PIXELS = M * M;
const D = 2;
const K = 3;
const FRAMES = 50_000;

const f32 = (dims: number[], data: Float32Array): Tensor => ({ type: "float32", dims, data });
const zeros = (...dims: number[]) => f32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));

function paintRow(mask: Float32Array, offset: number, row: number): void {
  mask.fill(6, offset + row * M, offset + (row + 1) * M);
}

/** Frames between two false positives; the object of each one is deleted before the next. */
const PERIOD = 20;

/**
 * Rows of the objects that the detector finds on a frame: row 0 on every frame, and periodically a false positive below it.
 */
function detectedRows(frameIndex: number): number[] {
  return frameIndex % PERIOD === 0 ? [0, 2 + ((frameIndex / PERIOD) % 4)] : [0];
}

/** Scripted graphs that run in a few microseconds. A memory contains the row of its object. */
const run: RunGraph = async (role, inputs) => graphs[role](inputs);

const graphs: Record<GraphRole, (inputs: Record<string, Tensor>) => Record<string, Tensor>> = {
  encode: ({ image }) => {
    const [low = 0, middle = 0, high = 0] = image?.data ?? [];
    const index = f32([1, 1, 1, 1], Float32Array.of(low + 256 * middle + 65_536 * high));
    return { feat: index, feat_s1: index, feat_s0: index, trunk: index };
  },
  text: () => ({ text: zeros(1, 2, D) }),
  detect: ({ trunk, text }) => {
    const C = text?.dims[0] as number;
    const scores = new Float32Array(C * K);
    const masks = new Float32Array(C * K * PIXELS).fill(-6);
    for (let c = 0; c < C; c++) {
      detectedRows(trunk?.data[0] as number).forEach((row, k) => {
        scores[c * K + k] = 0.95;
        paintRow(masks, (c * K + k) * PIXELS, row);
      });
    }
    return { scores: f32([C, K], scores), masks: f32([C, K, M, M], masks) };
  },
  segment: () => {
    const masks = new Float32Array(4 * PIXELS).fill(-6);
    paintRow(masks, 0, 1);
    return {
      masks: f32([1, 4, M, M], masks),
      iou: f32([1, 4], new Float32Array(4).fill(0.9)),
      score: f32([1], Float32Array.of(6)),
      pointer: zeros(1, 4, D),
      best: { type: "int32", dims: [1], data: Int32Array.of(0) },
    };
  },
  seed: ({ mask }) => {
    const B = mask?.dims[0] as number;
    const logits = ((mask as Tensor).data as Float32Array).map((inside) => 12 * inside - 6);
    return { pointer: zeros(B, D), mask_logits: f32([B, 1, M, M], logits) };
  },
  remember: ({ mask }) => {
    const B = mask?.dims[0] as number;
    const memory = new Float32Array(B * 2);
    for (let b = 0; b < B; b++) {
      const inside = mask?.data
        .subarray(b * PIXELS, (b + 1) * PIXELS)
        .findIndex((logit) => logit > 0) as number;
      memory[b * 2] = Math.floor(inside / M);
    }
    return { memory: f32([B, 1, 2], memory) };
  },
  track: ({ memory }) => {
    const [B = 0, slots = 0] = memory?.dims ?? [];
    const masks = new Float32Array(B * PIXELS).fill(-6);
    for (let b = 0; b < B; b++)
      paintRow(masks, b * PIXELS, Math.max(0, memory?.data[b * slots * 2] as number));
    const filled = (value: number) => f32([B], new Float32Array(B).fill(value));
    return { mask: f32([B, 1, M, M], masks), score: filled(5), iou: filled(0.9), pointer: zeros(B, D) };
  },
  render: ({ mask }) => {
    const B = mask?.dims[0] as number;
    const bits = Uint8Array.from((mask as Tensor).data, (logit) => (logit > 0 ? 1 : 0));
    const area = new Int32Array(B).fill(M);
    const bbox = new Int32Array(B * 4);
    for (let b = 0; b < B; b++) {
      const row = Math.floor(bits.subarray(b * PIXELS, (b + 1) * PIXELS).indexOf(1) / M);
      bbox.set([0, row, M, row + 1], b * 4);
    }
    return {
      bits: { type: "uint8", dims: [B, M, M], data: bits },
      area: { type: "int32", dims: [B], data: area },
      bbox: { type: "int32", dims: [B, 4], data: bbox },
    };
  },
};

function frameAt(index: number) {
  const rgb = new Uint8Array(PIXELS * 3);
  rgb.set([index & 255, (index >> 8) & 255, index >> 16]);
  return { index, rgb };
}

function openSession(preset: PresetName, overrides: PolicyOverrides): TrackingSession {
  const policy = resolvePolicy({ preset, overrides });
  const tracker = createVideoTracker({
    run,
    tokenize: () => ({ ids: new Int32Array(2), mask: Int32Array.of(1, 0) }),
    geometry: { S: M, D, Dm: 2, T: 1, m: M, L: 2 },
    bank: {
      maxConditioning: 4,
      recent: 6,
      maxPointers: 16,
      temporalRows: 7,
      conditioningRow: 6,
      pointerTime: "dt/(max-1)",
    },
    capabilities: { text: true, exemplars: true, points: true, maskSeed: true },
    policy,
    numFrames: FRAMES,
  });
  return createTrackingSession({
    tracker,
    policy,
    run,
    m: M,
    video: { width: M, height: M },
    numFrames: FRAMES,
  });
}

/** Number of values in plain data: entries of maps, sets and arrays, fields of objects; a tensor is one value. */
function count(value: unknown): number {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return 1;
  const parts =
    value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value);
  return parts.reduce<number>((sum, part) => sum + count(part), 1);
}

/** The prompts of the user: creates an object, corrects it, removes it, and prompts the phrase again. */
async function act(session: TrackingSession, index: number): Promise<void> {
  const turn = index % 1000;
  const objectId = 1_000_000 + Math.floor(index / 1000);
  if (turn === 100 || turn === 150)
    await send(session, frameAt, { do: "click", frame: index, point: [0.5, 0.25], objectId });
  if (turn === 200) session.removeObject(objectId);
  if (turn === 300) await send(session, frameAt, { do: "phrase", frame: index, text: "stripe" });
}

describe.each([
  ["compact", {}],
  // The cache is smaller than in a real session, so that it is full early.
  ["masklet", { session: { cachedFrames: 50 } }],
] as const)("a session of 50,000 frames under the preset %s", (preset, overrides) => {
  it("is as large at its end as after a few thousand frames", async () => {
    const session = openSession(preset, overrides);
    await send(session, frameAt, { do: "phrase", frame: 0, text: "stripe" });
    await session.beginPropagation({ reverse: false, firstFrame: 0, lastFrame: FRAMES, startFrame: null });
    const ids = new Set<number>();
    const sizes = new Map<number, number>();
    for (let index = 0; index < FRAMES; index++) {
      await act(session, index);
      await session.step(frameAt(index));
      if (index % PERIOD === 5) for (const id of session.describe().objectIds) ids.add(id);
      const isCompared = (index >= 2000 && index < 4000) || index >= FRAMES - 2000;
      if (isCompared && index % 10 === 0) sizes.set(index, count(session.snapshot()));
    }
    const largest = (from: number) =>
      Math.max(
        ...[...sizes].flatMap(([index, size]) => (index >= from && index < from + 2000 ? [size] : [])),
      );
    expect(largest(FRAMES - 2000)).toBeLessThanOrEqual(largest(2000));
    expect(ids.size).toBeGreaterThan(FRAMES / PERIOD);
  }, 600_000);
});
