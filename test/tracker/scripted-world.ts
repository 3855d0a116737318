/**
 * A scripted world of rectangles, and a scripted model that detects, segments and tracks them.
 *
 * In a frame, the red channel of a pixel is the label of its instance (0: none), and the green channel is the kind of the
 * instance. As in a real model, a memory contains only the kind and the position of an object, not its label. `track`
 * therefore returns the nearest instance of that kind, which may be a look-alike. Every call is checked against the pack
 * contract.
 */
import type { GraphRole, RunGraph, Tensor } from "../../detector/graph.js";
import { packContract } from "../../server/packs/contract.js";
import type { VideoTrackerOptions } from "../../tracker/parts.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import type { StepResult } from "../../tracker/report.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import { createVideoTracker, type VideoTracker } from "../../tracker/video-tracker.js";

/** Side of the masks, of the input image, and of the world. */
export const SIDE = 40;
const GRID = 10;
const geometry = { S: SIDE, g: GRID, D: 16, Dm: 8, T: 2, m: SIDE, Ct: 16, L: 4, K: 8 };
export const bank = {
  maxConditioning: 4,
  recent: 6,
  maxPointers: 16,
  temporalRows: 7,
  conditioningRow: 6,
  pointerTime: "dt/(max-1)",
} as const;
const PIXELS = SIDE * SIDE;

export const kinds: Record<string, number> = { ball: 1, box: 2, cone: 3, orb: 1 };

/** A token of the kind `ball` whose detections have a score that is lower by 0.2. */
const MARBLE = 1001;
const tokens: Record<string, number> = { ...kinds, marble: MARBLE };

export interface Instance {
  /** 1..255, unique. */
  label: number;
  kind: number;
  /** Left, top, width, height in world pixels; null while the instance is absent. Later instances are in front. */
  at(frame: number): readonly [number, number, number, number] | null;
}

export interface World {
  instances: Instance[];
  /** Detection scores by label; default: 0.95. */
  scores: Map<number, number>;
  /** Minimum number of visible pixels of a detection. */
  minVisible: number;
  /** Search radius of `track` around the last position of an object, in world pixels. */
  reach: number;
  /** `detect` and `track` take touching instances of one kind for one instance. */
  merges: boolean;
}

export function createWorld(instances: Instance[], overrides: Partial<World> = {}): World {
  return { instances, scores: new Map(), minVisible: 8, reach: 12, merges: false, ...overrides };
}

export function draw(world: World, index: number): { index: number; rgb: Uint8Array } {
  const rgb = new Uint8Array(PIXELS * 3);
  for (const { label, kind, at } of world.instances) {
    const box = at(index);
    if (!box) continue;
    const [left, top, width, height] = box.map(Math.round) as [number, number, number, number];
    for (let y = Math.max(0, top); y < Math.min(SIDE, top + height); y++) {
      for (let x = Math.max(0, left); x < Math.min(SIDE, left + width); x++) {
        rgb.set([label, kind, 0], (y * SIDE + x) * 3);
      }
    }
  }
  return { index, rgb };
}

export interface Call {
  role: GraphRole;
  inputs: Record<string, Tensor>;
  fetch: readonly string[];
}

export interface Bench {
  world: World;
  tracker: VideoTracker;
  options: VideoTrackerOptions;
  calls: Call[];
  frame(index: number): { index: number; rgb: Uint8Array };
  /** Starts a pass and steps through the frames from `first` to `last`. @returns the result of each frame */
  run(first: number, last: number): Promise<Map<number, StepResult>>;
  /** For each object of a result, by id: the label of the instance that covers most of its mask. */
  labels(index: number, result: StepResult): Record<number, number>;
}

const allCapabilities = { text: true, exemplars: true, points: true, maskSeed: true };

/** A tracker over a scripted world. */
export function createBench(
  world: World,
  overrides: PolicyOverrides = {},
  capabilities: VideoTrackerOptions["capabilities"] = allCapabilities,
  preset: PresetName = "compact",
): Bench {
  const calls: Call[] = [];
  const scripted = createScriptedModel(world);
  const run: RunGraph = async (role, inputs, fetch) => {
    calls.push({ role, inputs, fetch });
    return scripted(role, inputs, fetch);
  };
  const options: VideoTrackerOptions = {
    frameAspect: 1,
    run,
    tokenize: (phrase) => ({
      ids: Int32Array.of(tokens[phrase] ?? 99, 0, 0, 0),
      mask: Int32Array.of(1, 0, 0, 0),
    }),
    geometry,
    bank,
    capabilities,
    policy: resolvePolicy({
      preset,
      detect: { scoreThreshold: 0.5, nmsIou: 0.1, newObjectScore: 0.7 },
      overrides,
    }),
  };
  const tracker = createVideoTracker(options);
  const frame = (index: number) => draw(world, index);
  return {
    world,
    tracker,
    options,
    calls,
    frame,
    async run(first, last) {
      const shown = new Map<number, StepResult>();
      const step = first <= last ? 1 : -1;
      tracker.beginPropagation(step < 0);
      for (let index = first; index !== last + step; index += step) {
        shown.set(index, await tracker.step(frame(index)));
      }
      return shown;
    },
    labels(index, result) {
      const { rgb } = frame(index);
      return Object.fromEntries(
        result.objects.map(({ objectId, maskLogits }) => {
          const counts = new Map<number, number>();
          maskLogits.forEach((logit, pixel) => {
            if (logit <= 0) return;
            const label = rgb[pixel * 3] as number;
            counts.set(label, (counts.get(label) ?? 0) + 1);
          });
          return [objectId, [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0];
        }),
      );
    },
  };
}

/** The value of a pixel in the features: the label and the kind of its instance. */
const code = (label: number, kind: number) => label + 256 * kind;
const labelOf = (value: number) => value % 256;
const kindOf = (value: number) => Math.floor(value / 256);

function createScriptedModel(world: World): RunGraph {
  const contract = packContract({
    geometry,
    bank,
    capabilities: {
      text: true,
      exemplars: true,
      maskSeed: true,
      points: true,
      objectBatch: "dynamic",
      memorySlots: "dynamic",
    },
  });
  const answers: Partial<Record<GraphRole, (inputs: Record<string, Tensor>) => Record<string, Tensor>>> = {
    encode: ({ image }) => {
      const pixels = (image as Tensor).data;
      const scene = new Float32Array(PIXELS);
      for (let i = 0; i < PIXELS; i++) scene[i] = code(pixels[i * 3] as number, pixels[i * 3 + 1] as number);
      const fine = new Float32Array(2 * PIXELS);
      fine.set(scene);
      return {
        feat: f32([1, 16, GRID, GRID], scene),
        feat_s1: f32([1, 4, 2 * GRID, 2 * GRID], scene),
        feat_s0: f32([1, 2, SIDE, SIDE], fine),
        trunk: f32([1, 16, GRID, GRID], scene),
      };
    },
    text: ({ input_ids }) => {
      const [C = 0, L = 0] = (input_ids as Tensor).dims;
      const text = new Float32Array(C * L * geometry.D);
      for (let c = 0; c < C; c++) text[c * L * geometry.D] = input_ids?.data[c * L] as number;
      return { text: f32([C, L, geometry.D], text) };
    },
    detect: (inputs) => detect(world, inputs),
    segment: (inputs) => segment(inputs),
    seed: ({ feat, mask }) => {
      const B = mask?.dims[0] as number;
      const pointer = new Float32Array(B * geometry.D);
      const logits = new Float32Array(B * PIXELS);
      for (let b = 0; b < B; b++) {
        const inside = pixelsWhere((i) => (mask?.data[b * PIXELS + i] as number) > 0.5);
        pointer.set(pointerOf(feat as Tensor, inside), b * geometry.D);
        logits.set(maskOf(inside), b * PIXELS);
      }
      return {
        pointer: f32([B, geometry.D], pointer),
        score: f32([B], new Float32Array(B).fill(10)),
        mask_logits: f32([B, 1, SIDE, SIDE], logits),
      };
    },
    track: (inputs) => track(world, inputs),
    render: (inputs) => render(inputs),
    remember: ({ feat, mask, score }) => {
      const B = mask?.dims[0] as number;
      const memory = new Float32Array(B * geometry.T * geometry.Dm);
      for (let b = 0; b < B; b++) {
        const inside = pixelsWhere((i) => (mask?.data[b * PIXELS + i] as number) > 0);
        const present = (score?.data[b] as number) > 0 && inside.length > 0;
        const [x, y] = centroid(inside);
        memory.set(
          [kindUnder(feat as Tensor, inside), x, y, inside.length, present ? 1 : 0],
          b * geometry.T * geometry.Dm,
        );
      }
      return { memory: f32([B, geometry.T, geometry.Dm], memory) };
    },
  };
  return async (role, inputs, fetch) => {
    const { inputs: expectedInputs, outputs: expectedOutputs } = contract[role];
    // Plain comparisons, because `expect` is too slow for thousands of calls.
    const fail = (message: string): never => {
      throw new Error(
        `${role}: ${message}; inputs: ${JSON.stringify(inputs, (key, value) => (key === "data" ? value.length : value))}`,
      );
    };
    const sizes = new Map<string, number>();
    if (Object.keys(inputs).length !== expectedInputs.length)
      fail(`expected ${expectedInputs.map(({ name }) => name).join(", ")}`);
    for (const { name, type, shape } of expectedInputs) {
      const given = inputs[name] ?? fail(`expected ${name}`);
      if (given.type !== type || given.dims.length !== shape.length)
        fail(`expected ${name} as ${type} [${shape.join(", ")}]`);
      shape.forEach((side, axis) => {
        const wanted = typeof side === "number" ? side : (sizes.get(side) ?? (given.dims[axis] as number));
        if (typeof side === "string") sizes.set(side, wanted);
        if (given.dims[axis] !== wanted) fail(`${name} axis ${axis} (${side}): expected ${wanted}`);
      });
      if (given.data.length !== given.dims.reduce((product, dim) => product * dim, 1))
        fail(`${name}: the data does not match its dims`);
    }
    for (const name of fetch)
      if (!expectedOutputs.some((output) => output.name === name)) fail(`has no output ${name}`);
    const all = answers[role]?.(inputs) ?? {};
    return Object.fromEntries(fetch.map((name) => [name, all[name] as Tensor]));
  };
}

function detect(world: World, { trunk, text, text_mask, boxes, box_labels }: Record<string, Tensor>) {
  const scene = trunk?.data as Float32Array;
  const { K, D, L } = geometry;
  const C = text?.dims[0] as number;
  const E = boxes?.dims[1] as number;
  const scores = new Float32Array(C * K);
  const masks = new Float32Array(C * K * PIXELS).fill(-8);
  for (let c = 0; c < C; c++) {
    const wanted = new Set<number>();
    const avoided = new Set<number>();
    const token = text?.data[c * L * D] as number;
    if ((text_mask?.data[c * L] as number) === 1) wanted.add(token % 1000);
    const penalty = token === MARBLE ? 0.2 : 0;
    for (let e = 0; e < E; e++) {
      const [cx, cy, w, h] = [0, 1, 2, 3].map((i) => boxes?.data[(c * E + e) * 4 + i]) as [
        number,
        number,
        number,
        number,
      ];
      const label = box_labels?.data[c * E + e];
      const inside = pixelsIn([cx - w / 2, cy - h / 2, w, h]);
      const main = mostCommon(inside.map((i) => scene[i] as number).filter((value) => value > 0));
      if (main === undefined) continue;
      if (label === 1) wanted.add(kindOf(main));
      if (label === 0) avoided.add(labelOf(main));
    }
    const found = [...seenInstances(world, scene)]
      .filter(([value]) => wanted.has(kindOf(value)) && !avoided.has(labelOf(value)))
      .map(([value, pixels]) => ({ pixels, score: (world.scores.get(labelOf(value)) ?? 0.95) - penalty }))
      .filter(({ pixels }) => pixels.length >= world.minVisible)
      .sort((a, b) => b.score - a.score)
      .slice(0, K);
    found.forEach(({ pixels, score }, k) => {
      scores[c * K + k] = score;
      masks.set(maskOf(pixels), (c * K + k) * PIXELS);
    });
  }
  return { scores: f32([C, K], scores), masks: f32([C, K, SIDE, SIDE], masks) };
}

function segment({ feat, points, labels, mask_in, has_mask }: Record<string, Tensor>) {
  const scene = feat?.data as Float32Array;
  const clicks = readClicks(points as Tensor, labels as Tensor, 0);
  const previous = has_mask?.data[0] === 1;
  const inside = new Set(previous ? pixelsWhere((i) => (mask_in?.data[i] as number) > 0) : []);
  const corners = clicks.filter(({ label }) => label >= 2);
  if (corners.length === 2) {
    const [a, b] = corners as [Click, Click];
    const boxed = pixelsIn([a.x, a.y, b.x - a.x, b.y - a.y]);
    const main = mostCommon(boxed.map((i) => scene[i] as number).filter((value) => value > 0));
    for (const i of pixelsWhere((pixel) => main !== undefined && scene[pixel] === main)) inside.add(i);
  }
  for (const { label, pixel } of clicks) {
    const same = pixelsWhere((i) => scene[i] === scene[pixel] && (scene[i] as number) > 0);
    if (label === 1) for (const i of same.length > 0 ? same : [pixel]) inside.add(i);
    if (label === 0) for (const i of same) inside.delete(i);
  }
  // As in SAM: one click is ambiguous, and the best mask is a multimask output; otherwise it is the single-mask output.
  const best = clicks.length <= 1 ? 2 : 0;
  const masks = new Float32Array(4 * PIXELS).fill(-5);
  masks.set(maskOf([...inside]), best * PIXELS);
  const pointer = new Float32Array(4 * geometry.D);
  pointer.set(pointerOf(feat as Tensor, [...inside]), best * geometry.D);
  return {
    masks: f32([1, 4, SIDE, SIDE], masks),
    iou: f32([1, 4], new Float32Array(4).fill(0.9)),
    stability: f32([1], Float32Array.of(1)),
    score: f32([1], Float32Array.of(inside.size > 0 ? 6 : -6)),
    pointer: f32([1, 4, geometry.D], pointer),
    best: { type: "int32" as const, dims: [1], data: Int32Array.of(best) },
  };
}

/** The video has the size of the world, so masks are not resized. */
function render({ mask }: Record<string, Tensor>) {
  const B = mask?.dims[0] as number;
  const bits = Uint8Array.from((mask as Tensor).data, (logit) => (logit > 0 ? 1 : 0));
  const area = new Int32Array(B);
  const bbox = new Int32Array(B * 4);
  for (let b = 0; b < B; b++) {
    const inside = pixelsWhere((i) => bits[b * PIXELS + i] === 1);
    area[b] = inside.length;
    if (inside.length === 0) continue;
    const xs = inside.map((i) => i % SIDE);
    const ys = inside.map((i) => Math.floor(i / SIDE));
    bbox.set([Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1], b * 4);
  }
  return {
    bits: { type: "uint8" as const, dims: [B, SIDE, SIDE], data: bits },
    area: { type: "int32" as const, dims: [B], data: area },
    bbox: { type: "int32" as const, dims: [B, 4], data: bbox },
  };
}

function track(world: World, inputs: Record<string, Tensor>) {
  const { feat, memory, memory_t, points, labels } = inputs as Record<string, Tensor> & { memory: Tensor };
  const scene = feat?.data as Float32Array;
  const [B = 0, M = 0] = memory.dims;
  const mask = new Float32Array(B * PIXELS).fill(-10);
  const score = new Float32Array(B).fill(-5);
  const pointer = new Float32Array(B * geometry.D);
  for (let b = 0; b < B; b++) {
    const slots = Array.from({ length: M }, (_, slot) => {
      const start = (b * M + slot) * geometry.T * geometry.Dm;
      const row = memory_t?.data[b * M + slot] as number;
      const [kind, x, y, , present] = [0, 1, 2, 3, 4].map((i) => memory.data[start + i] as number) as [
        number,
        number,
        number,
        number,
        number,
      ];
      return { row, kind, x, y, present };
    });
    // The memory with the lowest row; of several conditioning frames, the last one.
    const latest = slots
      .filter(({ present }) => present === 1)
      .reverse()
      .sort((p, q) => p.row - q.row)[0];
    const clicks = readClicks(points as Tensor, labels as Tensor, b);
    const clicked = clicks.find(({ label, pixel }) => label === 1 && (scene[pixel] as number) > 0);
    const negative = clicks.filter(({ label }) => label === 0).map(({ pixel }) => scene[pixel]);
    const instances = seenInstances(world, scene);
    const nearest = [...instances]
      .map(([value, pixels]) => ({ value, pixels }))
      .filter(({ value }) => kindOf(value) === latest?.kind && !negative.includes(value))
      .map((one) => ({ ...one, away: distance(centroid(one.pixels), [latest?.x ?? 0, latest?.y ?? 0]) }))
      .filter(({ away }) => away <= world.reach)
      .sort((p, q) => p.away - q.away)[0];
    const chosen = clicked ? scene[clicked.pixel] : nearest?.value;
    if (chosen === undefined) continue;
    const inside = instances.get(chosen) ?? [];
    mask.set(maskOf(inside, 6), b * PIXELS);
    pointer.set(pointerOf(feat as Tensor, inside), b * geometry.D);
    score[b] = 5;
  }
  return {
    mask: f32([B, 1, SIDE, SIDE], mask),
    score: f32([B], score),
    iou: f32([B], new Float32Array(B).fill(0.8)),
    pointer: f32([B, geometry.D], pointer),
  };
}

interface Click {
  x: number;
  y: number;
  label: number;
  pixel: number;
}

function readClicks(points: Tensor, labels: Tensor, b: number): Click[] {
  const N = points.dims[1] as number;
  return Array.from({ length: N }, (_, n) => {
    const x = points.data[(b * N + n) * 2] as number;
    const y = points.data[(b * N + n) * 2 + 1] as number;
    const cell = (value: number) => Math.min(SIDE - 1, Math.floor(value * SIDE));
    return { x, y, label: labels.data[b * N + n] as number, pixel: cell(y) * SIDE + cell(x) };
  }).filter(({ label }) => label >= 0);
}

/** The instances as `detect` and `track` see them: touching ones of a kind may be one, under the code of one of them. */
function seenInstances({ merges }: World, scene: Float32Array): ReadonlyMap<number, number[]> {
  const instances = instancesOf(scene);
  if (!merges) return instances;
  const seen = new Map<number, number[]>();
  for (const [value, pixels] of instances) {
    const touched = [...seen].filter(
      ([other, area]) => kindOf(other) === kindOf(value) && touch(area, pixels),
    );
    for (const [other] of touched) seen.delete(other);
    seen.set(value, [...touched.flatMap(([, area]) => area), ...pixels]);
  }
  return seen;
}

function touch(a: readonly number[], b: readonly number[]): boolean {
  const around = new Set(a.flatMap((pixel) => [pixel, pixel - 1, pixel + 1, pixel - SIDE, pixel + SIDE]));
  return b.some((pixel) => around.has(pixel));
}

/** The pixels of every instance in a scene, by its code; computed once per scene. */
function instancesOf(scene: Float32Array): Map<number, number[]> {
  const known = instancesByScene.get(scene);
  if (known) return known;
  const found = new Map<number, number[]>();
  scene.forEach((value, pixel) => {
    if (value === 0) return;
    const pixels = found.get(value);
    if (pixels) pixels.push(pixel);
    else found.set(value, [pixel]);
  });
  instancesByScene.set(scene, found);
  return found;
}

const instancesByScene = new WeakMap<Float32Array, Map<number, number[]>>();

function f32(dims: number[], data: Float32Array): Tensor {
  return { type: "float32", dims, data };
}

function pixelsWhere(test: (pixel: number) => boolean): number[] {
  const found: number[] = [];
  for (let pixel = 0; pixel < PIXELS; pixel++) if (test(pixel)) found.push(pixel);
  return found;
}

/** @param box left, top, width, height, 0..1 */
function pixelsIn([left, top, width, height]: readonly [number, number, number, number]): number[] {
  return pixelsWhere((i) => {
    const x = ((i % SIDE) + 0.5) / SIDE;
    const y = (Math.floor(i / SIDE) + 0.5) / SIDE;
    return x >= left && x <= left + width && y >= top && y <= top + height;
  });
}

function maskOf(pixels: readonly number[], logit = 8): Float32Array {
  const mask = new Float32Array(PIXELS).fill(-logit);
  for (const pixel of pixels) mask[pixel] = logit;
  return mask;
}

function centroid(pixels: readonly number[]): [number, number] {
  const n = Math.max(pixels.length, 1);
  return [
    pixels.reduce((s, i) => s + (i % SIDE), 0) / n,
    pixels.reduce((s, i) => s + Math.floor(i / SIDE), 0) / n,
  ];
}

function distance(a: readonly [number, number], b: readonly [number, number]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

function mostCommon(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function kindUnder(feat: Tensor, pixels: readonly number[]): number {
  const main = mostCommon(pixels.map((i) => feat.data[i] as number).filter((value) => value > 0));
  return main === undefined ? 0 : kindOf(main);
}

function pointerOf(feat: Tensor, pixels: readonly number[]): Float32Array {
  const pointer = new Float32Array(geometry.D);
  pointer[0] = kindUnder(feat, pixels);
  return pointer;
}
