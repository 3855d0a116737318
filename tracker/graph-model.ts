/** Implements the model with the graphs of a pack: batches objects, runs the graphs, and splits their outputs by object. */
import { chunksOf } from "../detector/chunks.js";
import { type FrameFeatures, floats, ints, type RunGraph, type Tensor, tensor } from "../detector/graph.js";
import { roundToBfloat16 } from "../memory/bfloat16.js";
import { createMemoryPacker, groupBySize } from "../memory/pack-tensors.js";
import type { BankRules, Selection } from "../memory/select.js";
import type { Candidates, Geometry, MemoryRequest, Model, PointPrompt, Prediction, Start } from "./model.js";
import {
  clampLogit,
  NO_PROMPT,
  repeatMask,
  repeatPoints,
  sliceBatch,
  stackInside,
  stackMasks,
  stackPoints,
  stackScalars,
} from "./model-tensors.js";

/**
 * Objects per run of each graph, at least 3, see `chunksOf`. Higher: little less time per object, except for `seed`. Lower: prompts of
 * other sessions wait for shorter runs. With the embedded pack on two cores, a run of so many objects takes about 80 ms for
 * `track` (four objects: 53 ms), and less for the others.
 */
const OBJECTS_PER_RUN = { track: 8, segment: 8, remember: 8, seed: 32 };

export interface ModelOptions {
  /** Whether `segment` has inputs for a mask to refine; default: true. */
  takesMasks?: boolean | undefined;
  /** Precision to which memories are rounded. */
  precision?: "float32" | "bfloat16";
}

/**
 * @param run runs a graph of the pack
 * @param bank whether `track` has the input `pointer_dt`
 */
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

  /** @param group with equal numbers of memories and of pointers */
  async function trackGroup(
    features: FrameFeatures,
    group: readonly Selection[],
    prompt: PointPrompt,
  ): Promise<Prediction[]> {
    const { pointer_dt, ...memories } = pack(group);
    const outputs = await run(
      "track",
      {
        ...levels(features),
        ...memories,
        ...(bank.pointerTime === "none" ? {} : { pointer_dt }),
        ...repeatPoints(prompt, group.length),
      },
      ["mask", "score", "iou", "pointer"],
    );
    const masks = floats(outputs, "mask"); // [B, 1, m, m]
    const scores = floats(outputs, "score"); // [B]
    const ious = floats(outputs, "iou"); // [B]
    const pointers = floats(outputs, "pointer"); // [B, D]
    return group.map((_, b) => ({
      maskLogits: sliceBatch(masks, b, pixels),
      score: scores[b] as number,
      iou: ious[b] as number,
      pointer: sliceBatch(pointers, b, D),
    }));
  }

  /** @param previous float32 [m, m]: a mask to refine, the same for all prompts */
  function segmentInputs(
    features: FrameFeatures,
    prompts: readonly PointPrompt[],
    previous: Float32Array | null,
  ): Record<string, Tensor> {
    const prompted = { ...levels(features), ...stackPoints(prompts) };
    if (!takesMasks) return prompted;
    return {
      ...prompted,
      mask_in: repeatMask(previous?.map(clampLogit), prompts.length, m),
      has_mask: stackScalars(prompts.map(() => (previous ? 1 : 0))),
    };
  }

  async function proposeBatch(
    features: FrameFeatures,
    prompts: readonly PointPrompt[],
    previous: Float32Array | null,
  ): Promise<Candidates[]> {
    const outputs = await run("segment", segmentInputs(features, prompts, previous), [
      "masks",
      "iou",
      "stability",
    ]);
    const masks = floats(outputs, "masks"); // [B, 4, m, m]
    const ious = floats(outputs, "iou"); // [B, 4]
    const stability = floats(outputs, "stability"); // [B]
    return prompts.map((_, b) => ({
      masks: [0, 1, 2, 3].map((index) => sliceBatch(masks, b * 4 + index, pixels)),
      ious: [...ious.subarray(b * 4, b * 4 + 4)],
      stability: stability[b] as number,
    }));
  }

  /** @param group with masks of one size, float32 [side, side] each */
  async function rememberGroup(
    features: FrameFeatures,
    group: readonly MemoryRequest[],
    side: number,
  ): Promise<Float32Array[]> {
    const masks = group.map(({ maskLogits }) => maskLogits);
    const inputs = {
      feat: features.feat,
      mask: stackMasks(masks, side),
      score: stackScalars(group.map(({ score }) => score)),
      binarize: stackScalars(group.map(({ isInput }) => (isInput ? 1 : 0))),
    };
    const outputs = await run("remember", inputs, ["memory"]);
    const memory = floats(outputs, "memory"); // [B, T, Dm]
    const memories = group.map((_, b) => sliceBatch(memory, b, T * Dm));
    return precision === "bfloat16" ? memories.map(roundToBfloat16) : memories;
  }

  return {
    async encode(frame, withTrunk) {
      const image: Tensor = { type: "uint8", dims: [1, S, S, 3], data: frame.rgb };
      const trunk = withTrunk ? ["trunk"] : [];
      const outputs = await run("encode", { image }, ["feat", "feat_s1", "feat_s0", ...trunk]);
      return {
        feat: tensor(outputs, "feat"),
        feat_s1: tensor(outputs, "feat_s1"),
        feat_s0: tensor(outputs, "feat_s0"),
        ...(withTrunk ? { trunk: tensor(outputs, "trunk") } : {}),
      };
    },

    async segment(features, prompt, previous) {
      const outputs = await run("segment", segmentInputs(features, [prompt], previous), [
        "masks",
        "iou",
        "score",
        "pointer",
        "best",
      ]);
      const best = ints(outputs, "best")[0] as number;
      return {
        maskLogits: sliceBatch(floats(outputs, "masks"), best, pixels),
        score: floats(outputs, "score")[0] as number,
        iou: floats(outputs, "iou")[best] as number,
        pointer: sliceBatch(floats(outputs, "pointer"), best, D),
      };
    },

    async propose(features, prompts, previous) {
      const candidates: Candidates[] = [];
      for (const batch of chunksOf(prompts, OBJECTS_PER_RUN.segment)) {
        candidates.push(...(await proposeBatch(features, batch, previous)));
      }
      return candidates;
    },

    async track(features, selections) {
      const predictions = new Map<Selection, Prediction>();
      for (const group of groupBySize(selections, (selection) => selection)) {
        for (const batch of chunksOf(group, OBJECTS_PER_RUN.track)) {
          const found = await trackGroup(features, batch, NO_PROMPT);
          batch.forEach((selection, b) => {
            predictions.set(selection, found[b] as Prediction);
          });
        }
      }
      return selections.map((selection) => predictions.get(selection) as Prediction);
    },

    async trackPrompted(features, selection, prompt) {
      return (await trackGroup(features, [selection], prompt))[0] as Prediction;
    },

    async seed(features, masks) {
      const seeded: Float32Array[] = [];
      for (const batch of chunksOf(masks, OBJECTS_PER_RUN.seed)) {
        const outputs = await run("seed", { ...levels(features), mask: stackInside(batch, m) }, ["pointer"]);
        const pointers = floats(outputs, "pointer"); // [B, D]
        seeded.push(...batch.map((_, b) => sliceBatch(pointers, b, D)));
      }
      return seeded;
    },

    async start(features, masks, side) {
      const started: Start[] = [];
      for (const batch of chunksOf(masks, OBJECTS_PER_RUN.seed)) {
        const inputs = { ...levels(features), mask: stackMasks(batch, side) };
        const outputs = await run("seed", inputs, ["pointer", "mask_logits"]);
        const pointers = floats(outputs, "pointer"); // [B, D]
        const logits = floats(outputs, "mask_logits"); // [B, 1, m, m]
        batch.forEach((_, b) => {
          started.push({ pointer: sliceBatch(pointers, b, D), maskLogits: sliceBatch(logits, b, pixels) });
        });
      }
      return started;
    },

    async remember(features, requests) {
      const memories = new Map<MemoryRequest, Float32Array>();
      for (const size of new Set(requests.map(({ maskLogits }) => maskLogits.length))) {
        const group = requests.filter(({ maskLogits }) => maskLogits.length === size);
        for (const batch of chunksOf(group, OBJECTS_PER_RUN.remember)) {
          const encoded = await rememberGroup(features, batch, Math.sqrt(size));
          batch.forEach((request, b) => {
            memories.set(request, encoded[b] as Float32Array);
          });
        }
      }
      return requests.map((request) => memories.get(request) as Float32Array);
    },
  };
}
