/** The interface of the model for the tracker. `graph-model.ts` implements it with the graphs of a pack. */
import type { FrameFeatures } from "../detector/graph.js";
import type { Selection } from "../memory/select.js";

/** Sizes of the pack, named as in its manifest. */
export interface Geometry {
  /** Side of the square input image, in pixels. */
  S: number;
  /** Hidden width. */
  D: number;
  /** Width of a memory token. */
  Dm: number;
  /** Tokens per memory. */
  T: number;
  /** Side of the mask logits. */
  m: number;
  /** Tokens per phrase; absent in packs without a detector. */
  L?: number | undefined;
}

/** One frame at the model's input size. */
export interface Frame {
  index: number;
  /** uint8 [S, S, 3], in the order red, green, blue */
  rgb: Uint8Array;
}

/** Point coordinates are relative to the frame, 0..1. Labels: 1 inside, 0 outside, 2 and 3 box corners, -1 no point. */
export interface PointPrompt {
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly number[];
}

/** The mask decoder's output for one object on one frame. */
export interface Prediction {
  /** float32 [m, m] */
  maskLogits: Float32Array;
  /** Object score logit; above 0 the object is visible. */
  score: number;
  /** Predicted mask quality, 0..1. */
  iou: number;
  /** float32 [D] */
  pointer: Float32Array;
}

/** The four masks of `segment` for one prompt: the single-mask output, then the three of the multimask output. */
export interface Candidates {
  /** Four of float32 [m, m]. */
  masks: Float32Array[];
  /** Predicted quality of each, 0..1. */
  ious: number[];
  /** Stability score of the first mask, 0..1: the IoU of the masks at a raised and at a lowered threshold. */
  stability: number;
}

export interface MemoryRequest {
  /** float32 [side, side]: on the mask grid, or on a finer one */
  maskLogits: Float32Array;
  /** Object score logit. */
  score: number;
  /** The mask comes from a prompt or a detection. False: from tracking. */
  isInput: boolean;
}

/** The state of an object that starts from a given mask. */
export interface Start {
  /** float32 [D] */
  pointer: Float32Array;
  /** float32 [m, m]: the given mask on the mask grid */
  maskLogits: Float32Array;
}

/** All results are in the order of the arguments. Every call rejects when its graph fails. */
export interface Model {
  /** @param withTrunk also returns the features that the detector needs */
  encode(frame: Frame, withTrunk: boolean): Promise<FrameFeatures>;
  /**
   * Decodes a prompt without memory.
   * @param previous float32 [m, m]: the object's mask so far
   */
  segment(features: FrameFeatures, prompt: PointPrompt, previous: Float32Array | null): Promise<Prediction>;
  /**
   * Decodes a batch of prompts without memory and returns all candidates.
   * @param prompts with the same number of points each
   * @param previous float32 [m, m]: a mask to refine, the same for all prompts
   */
  propose(
    features: FrameFeatures,
    prompts: readonly PointPrompt[],
    previous: Float32Array | null,
  ): Promise<Candidates[]>;
  /** Tracks objects, each from its own memories. Objects with equal numbers of memories and pointers share a call. */
  track(features: FrameFeatures, selections: readonly Selection[]): Promise<Prediction[]>;
  /** Tracks one object from its memories and a prompt on this frame. */
  trackPrompted(features: FrameFeatures, selection: Selection, prompt: PointPrompt): Promise<Prediction>;
  /**
   * Computes pointers from masks.
   * @param masks logits, float32 [m, m] each
   * @returns float32 [D] each
   */
  seed(features: FrameFeatures, masks: readonly Float32Array[]): Promise<Float32Array[]>;
  /**
   * Starts objects from masks.
   * @param masks float32 [side, side] each, 1 inside and 0 outside
   */
  start(features: FrameFeatures, masks: readonly Float32Array[], side: number): Promise<Start[]>;
  /**
   * Encodes masks as memories. Masks of one size share a call.
   * @returns float32 [T, Dm] each
   */
  remember(features: FrameFeatures, requests: readonly MemoryRequest[]): Promise<Float32Array[]>;
}
