/** The parts of one session's tracker: the model, the policy, and the state that all stages share. */
import {
  type ConceptList,
  type ConceptQuery,
  createConceptList,
  type Tokenize,
} from "../detector/concepts.js";
import type { Detection } from "../detector/detect.js";
import type { FrameFeatures, RunGraph } from "../detector/graph.js";
import type { BankRules } from "../memory/select.js";
import { createFeatureCache, type FeatureCache } from "./feature-cache.js";
import { createModel } from "./graph-model.js";
import type { Geometry, Model } from "./model.js";
import { type Pass, startPass } from "./pass.js";
import type { TrackerPolicy } from "./policy.js";
import { createRegistry, type Registry } from "./registry.js";
import { createHistory, type History } from "./sam3/history.js";

export interface VideoTrackerOptions {
  run: RunGraph;
  /** Tokenizes the phrase of a prompt; may throw. Not called for packs without text. */
  tokenize: Tokenize;
  geometry: Geometry;
  bank: BankRules;
  capabilities: {
    text: boolean;
    exemplars: boolean;
    points: boolean;
    /** Whether objects start from masks. */
    maskSeed: boolean;
    /** Whether `segment` accepts a mask to refine; absent: yes. */
    maskInput?: boolean | undefined;
  };
  /** `decode` of the manifest. */
  decode?: { singleMaskStability?: number | undefined };
  /** See `resolve-policy.ts`. */
  policy: TrackerPolicy;
  /** Width of the video divided by its height, if the `detect` graph has the input `aspect`. */
  frameAspect?: number | undefined;
  /** Whether the `detect` graph has the output `query`, the model query of each row. */
  hasQueryOutput?: boolean;
  /** Number of frames in the video; absent or null: not known. */
  numFrames?: number | null | undefined;
}

/** The queries of the last prompt on a frame, and their detections. */
export interface LastDetection {
  features: FrameFeatures;
  queries: readonly ConceptQuery[];
  detections: readonly Detection[];
}

export interface TrackerParts {
  run: RunGraph;
  model: Model;
  geometry: Geometry;
  bank: BankRules;
  policy: TrackerPolicy;
  decode: VideoTrackerOptions["decode"];
  numFrames: number | null;
  frameAspect: number | undefined;
  hasQueryOutput: boolean;
  capabilities: VideoTrackerOptions["capabilities"];
  features: FeatureCache;
  /** Object score logits of the frame that was observed last, by id. */
  scores: ReadonlyMap<number, number>;
  /** The detections of the last prompt, until the next step. */
  lastDetection: LastDetection | null;
  concepts: ConceptList;
  registry: Registry;
  history: History;
  pass: Pass;
}

export function createParts(options: VideoTrackerOptions): TrackerParts {
  const { run, tokenize, geometry, bank, capabilities, decode, policy } = options;
  const { L = 0, D } = geometry;
  const model = createModel(run, geometry, bank, {
    takesMasks: capabilities.maskInput,
    precision: policy.memory.precision,
  });
  const { exemplarPhrase } = policy.detect;
  return {
    run,
    model,
    geometry,
    bank,
    policy,
    decode,
    numFrames: options.numFrames ?? null,
    frameAspect: options.frameAspect,
    hasQueryOutput: options.hasQueryOutput ?? false,
    capabilities,
    features: createFeatureCache(model),
    scores: new Map(),
    lastDetection: null,
    concepts: createConceptList({ run, tokenize, L, D, exemplarPhrase }),
    registry: createRegistry(policy, bank),
    history: createHistory(),
    pass: startPass(false),
  };
}
