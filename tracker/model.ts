/** The pack's graphs as typed calls: which tensors go in, what comes back for each object. */
import {
  type FrameFeatures,
  float32,
  floats,
  int32,
  ints,
  type RunGraph,
  type Tensor,
  tensor,
} from "../detector/graph.js";
import { createMemoryPacker, groupBySize } from "../memory/pack-tensors.js";
import type { BankRules, Selection } from "../memory/select.js";

/** Sizes of the pack, named as in its manifest. */
export interface Geometry {
  /** Side of the square input. */
  S: number;
  /** Hidden width. */
  D: number;
  /** Width of a memory token. */
  Dm: number;
  /** Tokens per memory. */
  T: number;
  /** Side of the mask logits. */
  m: number;
  /** Tokens per phrase; only packs that detect have one. */
  L?: number | undefined;
}

/** One frame at the size of the model. */
export interface Frame {
  index: number;
  /** uint8 [S, S, 3], red green blue */
  rgb: Uint8Array;
}

/** Points relative to the frame. Labels: 1 inside, 0 outside, 2 and 3 the corners of a box, -1 none. */
export interface PointPrompt {
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly number[];
}

/** An object on a frame, as the tracker's decoder sees it. */
export interface Prediction {
  /** float32 [m, m] */
  maskLogits: Float32Array;
  /** Object score logit; above 0 the object is there. */
  score: number;
  /** Predicted quality of the mask, 0..1. */
  iou: number;
  /** float32 [D] */
  pointer: Float32Array;
}

/** What `segment` proposes for one prompt: the mask for when one is wanted, then three for when it may mean several. */
export interface Candidates {
  /** Four of float32 [m, m]. */
  masks: Float32Array[];
  /** Predicted quality of each. */
  ious: number[];
  /** How little of the first mask hangs on the exact threshold, 0..1. */
  stability: number;
}

export interface MemoryRequest {
  /** float32 [side, side]; the mask grid, or finer */
  maskLogits: Float32Array;
  /** Object score logit. */
  score: number;
  /** The mask is an input (clicks, a detection), not a tracked guess. */
  isInput: boolean;
}

/** An object that starts from a mask taken as truth. */
export interface Start {
  /** float32 [D] */
  pointer: Float32Array;
  /** float32 [m, m]: that mask as the model would have drawn it. */
  maskLogits: Float32Array;
}

export interface Model {
  /** @param withTrunk whether anything is going to be detected on the frame */
  encode(frame: Frame, withTrunk: boolean): Promise<FrameFeatures>;
  /** A prompt without memory; `previous` is float32 [m, m], the object's mask so far. */
  segment(features: FrameFeatures, prompt: PointPrompt, previous: Float32Array | null): Promise<Prediction>;
  /**
   * All candidates of many prompts, which have equally many points. `previous` is float32 [m, m], a mask that all go on
   * from.
   */
  propose(
    features: FrameFeatures,
    prompts: readonly PointPrompt[],
    previous: Float32Array | null,
  ): Promise<Candidates[]>;
  /** Many objects, each from its own memories; objects of equal sizes share a call. In the order of `selections`. */
  track(features: FrameFeatures, selections: readonly Selection[]): Promise<Prediction[]>;
  /** One object from its memories and clicks. */
  trackPrompted(features: FrameFeatures, selection: Selection, prompt: PointPrompt): Promise<Prediction>;
  /** Masks taken as truth, float32 [m, m] logits each → their pointers, float32 [D]. */
  seed(features: FrameFeatures, masks: readonly Float32Array[]): Promise<Float32Array[]>;
  /** The same with the masks that the model makes of them; `masks` are float32 [side, side], 1 inside and 0 outside. */
  start(features: FrameFeatures, masks: readonly Float32Array[], side: number): Promise<Start[]>;
  /** → float32 [T, Dm] each; masks of one size share a call */
  remember(features: FrameFeatures, requests: readonly MemoryRequest[]): Promise<Float32Array[]>;
}

/** Earlier logits are clamped to this before they are fed back, as the reference does. */
export const PREVIOUS_LOGIT = 32;

/** Largest batch of `track` and `segment`. Higher: slightly faster. Lower: memory attention needs less memory. */
const OBJECTS_PER_CALL = 8;

export interface ModelOptions {
  /** Whether `segment` has an input for a mask to go on from; true when not said. */
  takesMasks?: boolean | undefined;
  /** How exactly memories are kept. */
  precision?: "float32" | "bfloat16";
}

export function createModel(
  run: RunGraph,
  geometry: Geometry,
  bank: BankRules,
  { takesMasks = true, precision = "float32" }: ModelOptions = {},
): Model {
  const { S, D, Dm, T, m } = geometry;
  const pixels = m * m;
  const pack = createMemoryPacker({ T, Dm, D });
  const levels = ({ feat, feat_s1, feat_s0 }: FrameFeatures) => ({ feat, feat_s1, feat_s0 });
  /** One object's part of a batched output, copied so that it does not keep the others alive. */
  const part = (data: Float32Array, index: number, size: number) =>
    data.slice(index * size, (index + 1) * size);

  async function trackGroup(
    features: FrameFeatures,
    group: readonly Selection[],
    prompt: PointPrompt | null,
  ) {
    const B = group.length;
    const { pointer_dt, ...memories } = pack(group);
    const outputs = await run(
      "track",
      {
        ...levels(features),
        ...memories,
        ...(bank.pointerTime === "none" ? {} : { pointer_dt }),
        ...packPoints(prompt ?? NO_PROMPT, B),
      },
      ["mask", "score", "iou", "pointer"],
    );
    const masks = floats(outputs, "mask"); // [B, 1, m, m]
    const scores = floats(outputs, "score"); // [B]
    const ious = floats(outputs, "iou"); // [B]
    const pointers = floats(outputs, "pointer"); // [B, D]
    return group.map(
      (_, b): Prediction => ({
        maskLogits: part(masks, b, pixels),
        score: scores[b] as number,
        iou: ious[b] as number,
        pointer: part(pointers, b, D),
      }),
    );
  }

  /** A mask to go on from is the same for all prompts. */
  function segmentFeeds(
    features: FrameFeatures,
    prompts: readonly PointPrompt[],
    previous: Float32Array | null,
  ): Record<string, Tensor> {
    const B = prompts.length;
    const prompted = { ...levels(features), ...stackPoints(prompts) };
    if (!takesMasks) return prompted;
    const clamp = (logit: number) => Math.max(-PREVIOUS_LOGIT, Math.min(PREVIOUS_LOGIT, logit));
    const mask = new Float32Array(B * pixels);
    const clamped = previous?.map(clamp);
    for (let b = 0; clamped && b < B; b++) mask.set(clamped, b * pixels);
    return {
      ...prompted,
      mask_in: float32([B, 1, m, m], mask),
      has_mask: float32([B], new Float32Array(B).fill(previous ? 1 : 0)),
    };
  }

  async function rememberGroup(features: FrameFeatures, group: readonly MemoryRequest[], side: number) {
    const B = group.length;
    const mask = new Float32Array(B * side * side);
    group.forEach(({ maskLogits }, b) => {
      mask.set(maskLogits, b * side * side);
    });
    const outputs = await run(
      "remember",
      {
        feat: features.feat,
        mask: float32([B, 1, side, side], mask),
        score: float32(
          [B],
          Float32Array.from(group, ({ score }) => score),
        ),
        binarize: float32(
          [B],
          Float32Array.from(group, ({ isInput }) => (isInput ? 1 : 0)),
        ),
      },
      ["memory"],
    );
    const memories = group.map((_, b) => part(floats(outputs, "memory"), b, T * Dm));
    return precision === "bfloat16" ? memories.map(roundToBfloat16) : memories;
  }

  return {
    async encode(frame, withTrunk) {
      const image: Tensor = { type: "uint8", dims: [1, S, S, 3], data: frame.rgb };
      const outputs = await run("encode", { image }, [
        "feat",
        "feat_s1",
        "feat_s0",
        ...(withTrunk ? ["trunk"] : []),
      ]);
      return {
        feat: tensor(outputs, "feat"),
        feat_s1: tensor(outputs, "feat_s1"),
        feat_s0: tensor(outputs, "feat_s0"),
        ...(withTrunk ? { trunk: tensor(outputs, "trunk") } : {}),
      };
    },

    async segment(features, prompt, previous) {
      const outputs = await run("segment", segmentFeeds(features, [prompt], previous), [
        "masks",
        "iou",
        "score",
        "pointer",
        "best",
      ]);
      const best = ints(outputs, "best")[0] as number;
      return {
        maskLogits: part(floats(outputs, "masks"), best, pixels),
        score: floats(outputs, "score")[0] as number,
        iou: floats(outputs, "iou")[best] as number,
        pointer: part(floats(outputs, "pointer"), best, D),
      };
    },

    async propose(features, prompts, previous) {
      const found: Candidates[] = [];
      for (let start = 0; start < prompts.length; start += OBJECTS_PER_CALL) {
        const batch = prompts.slice(start, start + OBJECTS_PER_CALL);
        const outputs = await run("segment", segmentFeeds(features, batch, previous), [
          "masks",
          "iou",
          "stability",
        ]);
        const masks = floats(outputs, "masks"); // [B, 4, m, m]
        const ious = floats(outputs, "iou"); // [B, 4]
        const stability = floats(outputs, "stability"); // [B]
        batch.forEach((_, b) => {
          found.push({
            masks: [0, 1, 2, 3].map((index) => part(masks, b * 4 + index, pixels)),
            ious: [...ious.subarray(b * 4, b * 4 + 4)],
            stability: stability[b] as number,
          });
        });
      }
      return found;
    },

    async track(features, selections) {
      const predictions = new Map<Selection, Prediction>();
      for (const group of groupBySize(selections, (selection) => selection)) {
        for (let start = 0; start < group.length; start += OBJECTS_PER_CALL) {
          const batch = group.slice(start, start + OBJECTS_PER_CALL);
          const answers = await trackGroup(features, batch, null);
          batch.forEach((selection, b) => {
            predictions.set(selection, answers[b] as Prediction);
          });
        }
      }
      return selections.map((selection) => predictions.get(selection) as Prediction);
    },

    async trackPrompted(features, selection, prompt) {
      return (await trackGroup(features, [selection], prompt))[0] as Prediction;
    },

    async seed(features, masks) {
      if (masks.length === 0) return [];
      const inside = new Float32Array(masks.length * pixels);
      masks.forEach((mask, b) => {
        mask.forEach((logit, pixel) => {
          if (logit > 0) inside[b * pixels + pixel] = 1;
        });
      });
      const outputs = await run(
        "seed",
        { ...levels(features), mask: float32([masks.length, 1, m, m], inside) },
        ["pointer"],
      );
      return masks.map((_, b) => part(floats(outputs, "pointer"), b, D));
    },

    async start(features, masks, side) {
      const B = masks.length;
      if (B === 0) return [];
      const inside = new Float32Array(B * side * side);
      masks.forEach((mask, b) => {
        inside.set(mask, b * side * side);
      });
      const outputs = await run("seed", { ...levels(features), mask: float32([B, 1, side, side], inside) }, [
        "pointer",
        "mask_logits",
      ]);
      return masks.map((_, b) => ({
        pointer: part(floats(outputs, "pointer"), b, D),
        maskLogits: part(floats(outputs, "mask_logits"), b, pixels),
      }));
    },

    async remember(features, requests) {
      const memories = new Map<MemoryRequest, Float32Array>();
      for (const size of new Set(requests.map(({ maskLogits }) => maskLogits.length))) {
        const group = requests.filter(({ maskLogits }) => maskLogits.length === size);
        const answers = await rememberGroup(features, group, Math.sqrt(size));
        group.forEach((request, b) => {
          memories.set(request, answers[b] as Float32Array);
        });
      }
      return requests.map((request) => memories.get(request) as Float32Array);
    },
  };
}

/** What a plain tracked frame is prompted with: one point that is none. */
const NO_PROMPT: PointPrompt = { points: [[0, 0]], labels: [-1] };

/** The same points for all B objects: float32 [B, N, 2] and int32 [B, N]. */
function packPoints(prompt: PointPrompt, B: number) {
  return stackPoints(Array.from({ length: B }, () => prompt));
}

/** Prompts of equally many points: float32 [B, N, 2] and int32 [B, N]. */
function stackPoints(prompts: readonly PointPrompt[]) {
  const B = prompts.length;
  const N = prompts[0]?.points.length ?? 0;
  const coordinates = new Float32Array(B * N * 2);
  const kinds = new Int32Array(B * N);
  prompts.forEach(({ points, labels }, b) => {
    coordinates.set(points.flat(), b * N * 2);
    kinds.set(labels, b * N);
  });
  return { points: float32([B, N, 2], coordinates), labels: int32([B, N], kinds) };
}

/** To the nearest number with eight significant bits, ties to even; in place. */
export function roundToBfloat16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  }
  return values;
}
