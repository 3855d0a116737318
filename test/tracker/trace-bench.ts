/**
 * A tracker over scripted graphs: a test sets the detections and the tracked masks, and checks the rules between them.
 *
 * Masks are rectangles on a small grid. The `detect` graph returns the detections that the script lists for a frame. The
 * `track` graph returns for each object the mask of its latest conditioning memory, unless the script has another one. Each
 * scripted memory contains the index of its mask and its frame, so `track` depends on its inputs only, like a real graph.
 */
import type { BoxXyxy } from "../../detector/geometry.js";
import type { RunGraph, Tensor } from "../../detector/graph.js";
import type { VideoTrackerOptions } from "../../tracker/parts.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import { createVideoTracker, type VideoTracker } from "../../tracker/video-tracker.js";

export const SIDE = 20;
const PIXELS = SIDE * SIDE;
const D = 8;
const Dm = 4;
const T = 1;

/** Left, top, width, height in pixels of the grid. */
export type Rect = readonly [x: number, y: number, width: number, height: number];

export interface Found {
  rect: Rect;
  score: number;
  /** A part of the rectangle that is outside of the mask. */
  hole?: Rect;
  /** The detector's own box; default: the rectangle. */
  box?: BoxXyxy;
}

export interface Script {
  /** The detections of a frame, in the order of the detector's rows; one list for all concepts, or one per concept. */
  detect(frameIndex: number, hasBox: boolean): readonly Found[] | readonly (readonly Found[])[];
  /** The tracked mask of an object whose latest conditioning mask is `rect`; null: the object is absent. */
  track?(
    frameIndex: number,
    rect: Rect,
  ): { rect: Rect | null; pieces?: readonly Rect[]; hole?: Rect; score?: number; iou?: number };
  /** The mask of the decoder for clicks; default: a square. */
  segment?(): { rect: Rect; hole?: Rect };
}

export interface Call {
  role: string;
  frame: number;
  inputs: Record<string, Tensor>;
}

export interface TraceBench {
  tracker: VideoTracker;
  options: VideoTrackerOptions;
  calls: Call[];
  frame(index: number): { index: number; rgb: Uint8Array };
  /** Prompts the scripted concept by a phrase. */
  promptPhrase(index: number): ReturnType<VideoTracker["prompt"]>;
  /** Prompts the scripted concept by an exemplar box. */
  promptBox(index: number, rect: Rect): ReturnType<VideoTracker["prompt"]>;
  click(
    index: number,
    objectId: number,
    points?: readonly (readonly [number, number])[],
  ): ReturnType<VideoTracker["prompt"]>;
  /** Steps through frames in the given order. @returns the ids of the visible objects of each frame */
  visit(frames: readonly number[]): Promise<number[][]>;
}

export const geometry = { S: SIDE, g: 5, D, Dm, T, m: SIDE, Ct: 4, L: 2, K: 6 };

export function createTraceBench(
  script: Script,
  preset: PresetName,
  overrides: PolicyOverrides = {},
  numFrames = 60,
): TraceBench {
  const calls: Call[] = [];
  const options: VideoTrackerOptions = {
    run: scriptedRun(script, calls),
    tokenize: (phrase) => ({ ids: Int32Array.of(phrase.length, 0), mask: Int32Array.of(1, 0) }),
    geometry,
    bank: {
      maxConditioning: 4,
      recent: 6,
      maxPointers: 16,
      temporalRows: 7,
      conditioningRow: 6,
      pointerTime: "dt/(max-1)",
    },
    capabilities: { text: true, exemplars: true, points: true, maskSeed: true },
    policy: resolvePolicy({ preset, overrides }),
    numFrames,
  };
  const tracker = createVideoTracker(options);
  return {
    tracker,
    options,
    calls,
    frame,
    promptPhrase: (index) => tracker.prompt(frame(index), { kind: "concept", text: "shape", replace: false }),
    promptBox: (index, [x, y, w, h]) =>
      tracker.prompt(frame(index), {
        kind: "concept",
        replace: false,
        exemplars: { boxesXywh: [[x / SIDE, y / SIDE, w / SIDE, h / SIDE]], labels: [1] },
      }),
    click: (index, objectId, points = [[0.3, 0.3]]) =>
      tracker.prompt(frame(index), {
        kind: "object",
        objectId,
        points,
        labels: points.map(() => 1 as const),
        clearOldPoints: true,
        clearOldBoxes: true,
      }),
    async visit(frames) {
      const shown: number[][] = [];
      for (const index of frames) {
        const { objects } = await tracker.step(frame(index));
        shown.push(
          objects
            .filter(({ maskLogits }) => maskLogits.some((logit) => logit > 0))
            .map(({ objectId }) => objectId),
        );
      }
      return shown;
    },
  };
}

/** A frame whose first two bytes contain its index. */
export function frame(index: number): { index: number; rgb: Uint8Array } {
  const rgb = new Uint8Array(PIXELS * 3);
  rgb.set([index & 255, index >> 8]);
  return { index, rgb };
}

export function upTo(last: number, first = 0): number[] {
  const step = first <= last ? 1 : -1;
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, place) => first + place * step);
}

export function maskOf(rect: Rect | null, inside = 8, outside = -8, hole?: Rect): Float32Array {
  const mask = new Float32Array(PIXELS).fill(outside);
  if (rect) paint(mask, rect, inside);
  if (hole) paint(mask, hole, outside);
  return mask;
}

function paint(mask: Float32Array, [left, top, width, height]: Rect, value: number): void {
  for (let y = top; y < top + height; y++)
    mask.fill(value, y * SIDE + left, y * SIDE + Math.min(left + width, SIDE));
}

/** Numbers of memories and of pointers in the `track` calls, by frame. */
export function bankSizes({ calls }: TraceBench): Map<number, [memories: number, pointers: number]> {
  const tracks = calls.filter(({ role }) => role === "track");
  return new Map(
    tracks.map(({ frame, inputs }) => [frame, [inputs.memory?.dims[1] ?? 0, inputs.pointers?.dims[1] ?? 0]]),
  );
}

/** The conditioning frames in the last `track` call of a frame, read from the scripted memories. */
export function conditioningOn({ calls }: TraceBench, frame: number): number[] {
  const { inputs } = calls.filter((call) => call.role === "track" && call.frame === frame).at(-1) as Call;
  const rows = [...((inputs.memory_t as Tensor).data as Int32Array)];
  const memory = (inputs.memory as Tensor).data;
  return rows
    .flatMap((row, slot) => (row === 6 ? [memory[slot * 4 + 1] as number] : []))
    .sort((a, b) => a - b);
}

/** Number of pixels inside. */
export function areaOf(mask: ArrayLike<number>): number {
  return Array.from(mask).filter((logit) => logit > 0).length;
}

function scriptedRun(script: Script, calls: Call[]): RunGraph {
  const f32 = (dims: number[], data: Float32Array): Tensor => ({ type: "float32", dims, data });
  const masks: Float32Array[] = [];
  const memoryOf = (mask: Float32Array, frameIndex: number) => {
    masks.push(mask);
    return Float32Array.of(masks.length - 1, frameIndex, 0, 0);
  };
  const frameOf = (feat: Tensor | undefined) => feat?.data[0] as number;

  const graphs: Record<string, (inputs: Record<string, Tensor>) => Record<string, Tensor>> = {
    encode: ({ image }) => {
      const index = (image?.data[0] as number) + 256 * (image?.data[1] as number);
      const features = (...dims: number[]) =>
        f32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(index));
      return {
        feat: features(1, D, 5, 5),
        feat_s1: features(1, D / 4, 10, 10),
        feat_s0: features(1, D / 8, 20, 20),
        trunk: features(1, 4, 5, 5),
      };
    },
    text: ({ input_ids }) => {
      const text = new Float32Array(2 * D);
      text[0] = input_ids?.data[0] as number;
      return { text: f32([1, 2, D], text) };
    },
    detect: ({ trunk, text, box_labels }) => {
      const C = text?.dims[0] as number;
      const listed = script.detect(frameOf(trunk), ((box_labels as Tensor).data as Int32Array).includes(1));
      const perConcept = Array.isArray(listed[0]) ? (listed as Found[][]) : Array(C).fill(listed as Found[]);
      const scores = new Float32Array(C * geometry.K);
      const boxes = new Float32Array(C * geometry.K * 4);
      const found = new Float32Array(C * geometry.K * PIXELS).fill(-8);
      perConcept.slice(0, C).forEach((list: readonly Found[], c) => {
        list.forEach(({ rect, score, hole, box }, k) => {
          const row = c * geometry.K + k;
          scores[row] = score;
          found.set(maskOf(rect, 8, -8, hole), row * PIXELS);
          const [x, y, w, h] = rect;
          boxes.set(box ?? [x, y, x + w, y + h].map((edge) => edge / SIDE), row * 4);
        });
      });
      return {
        scores: f32([C, geometry.K], scores),
        masks: f32([C, geometry.K, SIDE, SIDE], found),
        boxes_out: f32([C, geometry.K, 4], boxes),
      };
    },
    seed: ({ mask }) => {
      const B = mask?.dims[0] as number;
      const inside = mask?.data as Float32Array;
      const pointer = new Float32Array(B * D);
      for (let b = 0; b < B; b++)
        pointer[b * D] = inside.subarray(b * PIXELS, (b + 1) * PIXELS).filter((value) => value > 0.5).length;
      return {
        pointer: f32([B, D], pointer),
        score: f32([B], new Float32Array(B).fill(10)),
        mask_logits: f32(
          [B, 1, SIDE, SIDE],
          inside.map((value) => 20 * value - 10),
        ),
      };
    },
    segment: () => {
      const all = new Float32Array(4 * PIXELS);
      const { rect, hole } = script.segment?.() ?? { rect: [4, 4, 5, 5] };
      for (let k = 0; k < 4; k++) all.set(maskOf(rect, 8, -8, hole), k * PIXELS);
      return {
        masks: f32([1, 4, SIDE, SIDE], all),
        iou: f32([1, 4], new Float32Array(4).fill(0.9)),
        score: f32([1], Float32Array.of(6)),
        pointer: f32([1, 4, D], new Float32Array(4 * D)),
        best: { type: "int32", dims: [1], data: Int32Array.of(0) },
      };
    },
    track: ({ feat, memory, memory_t }) => {
      const [B = 0, M = 0] = memory?.dims ?? [];
      const mask = new Float32Array(B * PIXELS).fill(-1024);
      const score = new Float32Array(B).fill(-5);
      const iou = new Float32Array(B).fill(0.9);
      const pointer = new Float32Array(B * D);
      for (let b = 0; b < B; b++) {
        const conditioning = Array.from({ length: M }, (_, slot) => ({
          row: memory_t?.data[b * M + slot],
          index: memory?.data[(b * M + slot) * Dm] as number,
          frame: memory?.data[(b * M + slot) * Dm + 1] as number,
        })).filter(({ row }) => row === 6);
        const latest = conditioning.sort((p, q) => q.frame - p.frame)[0];
        const own = masks[latest?.index ?? -1] ?? new Float32Array(PIXELS);
        const rect = rectOf(own);
        const scripted: ReturnType<NonNullable<Script["track"]>> =
          script.track && rect ? script.track(frameOf(feat), rect) : { rect };
        if (scripted.rect) {
          const drawn = maskOf(scripted.rect, 6, -6, scripted.hole);
          for (const piece of scripted.pieces ?? []) paint(drawn, piece, 6);
          mask.set(drawn, b * PIXELS);
        }
        score[b] = scripted.score ?? (scripted.rect ? 5 : -5);
        iou[b] = scripted.iou ?? 0.9;
        pointer[b * D] = 1000 + b;
      }
      return {
        mask: f32([B, 1, SIDE, SIDE], mask),
        score: f32([B], score),
        iou: f32([B], iou),
        pointer: f32([B, D], pointer),
      };
    },
    render: ({ mask, size }) => {
      const [height = 0, width = 0] = [...((size as Tensor).data as Int32Array)];
      const B = mask?.dims[0] as number;
      const bits = new Uint8Array(B * width * height);
      const bbox = new Int32Array(B * 4);
      const area = new Int32Array(B);
      for (let b = 0; b < B; b++) {
        let [left, top, right, bottom] = [width, height, 0, 0];
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const pixel = Math.floor((y * SIDE) / height) * SIDE + Math.floor((x * SIDE) / width);
            if ((mask?.data[b * PIXELS + pixel] as number) <= 0) continue;
            bits[(b * height + y) * width + x] = 1;
            area[b] = (area[b] as number) + 1;
            [left, top] = [Math.min(left, x), Math.min(top, y)];
            [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
          }
        }
        bbox.set(area[b] ? [left, top, right, bottom] : [0, 0, 0, 0], b * 4);
      }
      return {
        bits: { type: "uint8", dims: [B, height, width], data: bits },
        area: { type: "int32", dims: [B], data: area },
        bbox: { type: "int32", dims: [B, 4], data: bbox },
      };
    },
    remember: ({ feat, mask }) => {
      const B = mask?.dims[0] as number;
      const memory = new Float32Array(B * T * Dm);
      for (let b = 0; b < B; b++) {
        const own = ((mask as Tensor).data as Float32Array).slice(b * PIXELS, (b + 1) * PIXELS);
        memory.set(memoryOf(own, frameOf(feat)), b * T * Dm);
      }
      return { memory: f32([B, T, Dm], memory) };
    },
  };

  return async (role, inputs, fetch) => {
    calls.push({ role, frame: frameOf(inputs.feat ?? inputs.trunk), inputs });
    const all = graphs[role]?.(inputs) ?? {};
    return Object.fromEntries(fetch.map((name) => [name, all[name] as Tensor]));
  };
}

/** The tight box of a mask; null when it is empty. */
function rectOf(mask: Float32Array): Rect | null {
  const inside = [...mask.keys()].filter((pixel) => (mask[pixel] as number) > 0);
  if (inside.length === 0) return null;
  const xs = inside.map((pixel) => pixel % SIDE);
  const ys = inside.map((pixel) => Math.floor(pixel / SIDE));
  const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
  return [x0, y0, Math.max(...xs) - x0 + 1, Math.max(...ys) - y0 + 1];
}
