/**
 * What a session needs from inference. Pixels go in, small results come out; features, memory and tracks never cross.
 *
 * One Engine serves many sessions. Calls for different sessions are answered in the order in which they arrive. A session
 * should have at most one call in flight: that is what makes the arrival order fair. Every rejection is an {@link EngineError}.
 */
import { ProtocolError } from "../../protocol/errors.js";
import type { PolicyOverride } from "../../protocol/policy.js";
import type { CocoRle } from "../../protocol/rle.js";
import type { BoxXywh, FrameOutput, PassRequest, PassStart } from "../../tracker/frame-output.js";
import type { GraphCosts } from "./graph-costs.js";

export type {
  BoxXywh,
  FrameOutput,
  ObjectOutput,
  PassRequest,
  PassStart,
} from "../../tracker/frame-output.js";

/** What a session is about. */
export interface EngineVideo {
  /** Pixels. */
  width: number;
  height: number;
  /** Absent while the length is not known. */
  numFrames?: number;
  /** Single rules in place of the pack's. */
  policy?: PolicyOverride;
}

export interface SessionRules {
  /** What the session runs on. */
  pack: PackSummary;
  /** Where a propagation starts that names no frame: the smallest one prompted, or visited by a full propagation. */
  defaultStart: "prompted" | "visited";
}

/** One decoded frame, stretched to the pack's square input. */
export interface EngineFrame {
  /** Position in the video, from 0. */
  index: number;
  /** `[S, S, 3]` uint8, row by row, red green blue; S is `PackSummary.inputSize`. */
  rgb: Uint8Array;
}

/** All coordinates are relative to the frame, 0..1. */
export type EnginePrompt =
  | {
      kind: "concept";
      text?: string;
      exemplars?: { boxesXywh: BoxXywh[]; labels: (0 | 1)[] };
      /** Forget the concepts given before, and their objects. */
      replace: boolean;
      /** Whether to tell where on the frame the concept is. */
      semanticMap?: boolean;
    }
  | {
      kind: "object";
      /** A known id corrects that object, an unknown one makes it, none lets the engine choose. */
      objectId?: number;
      points: [number, number][];
      labels: (0 | 1)[];
      boxXywh?: BoxXywh;
      clearOldPoints: boolean;
      clearOldBoxes: boolean;
    };

/** Logits `[height, width]`, row by row. */
export interface LogitMap {
  logits: Float32Array;
  size: [height: number, width: number];
}

export interface PromptAnswer {
  output: FrameOutput;
  /** Set for object prompts. */
  objectId?: number;
  /** Where the concept is, when that was asked for; the mask is where the logits are above 0. */
  semantic?: LogitMap & { mask: CocoRle };
}

/** What an image predictor is asked. All coordinates are relative to the frame, 0..1. */
export interface PredictionPrompt {
  /** One list per prompt of the batch, all of one length. */
  points: [number, number][][];
  labels: (0 | 1)[][];
  /** x0, y0, x1, y1; one per prompt of the batch, or none at all. */
  boxesXyxy?: [number, number, number, number][];
  /** Goes with every prompt of the batch. */
  maskInput?: LogitMap;
  multimask: boolean;
}

/** A proposed mask at the size of the video, and the logits it comes from. */
export interface PredictedMask extends LogitMap {
  mask: CocoRle;
  /** What the model makes of it, about 0..1. */
  iou: number;
}

export interface PackSummary {
  id: string;
  family: string;
  version: string;
  /** S: the side of the square input in pixels. */
  inputSize: number;
  capabilities: { text: boolean; exemplars: boolean; points: boolean; maskSeed: boolean };
  /** Execution provider in use. Graphs on different providers are joined by "+", the largest share first. */
  provider: string;
}

/**
 * `starting`: the first inference process loads its pack. `ready`: it answers. `restarting`: it ended, and calls wait for
 * the next one. `failed`: several starts in a row failed; calls are refused at once, and the starts go on.
 */
export type EngineState = "starting" | "ready" | "restarting" | "failed";

/** Counts since the engine was made; they survive a restart of the inference process. */
export interface EngineStats {
  state: EngineState;
  /** Why the state is not `ready`, as one sentence; null when it is. */
  reason: string | null;
  /** Prompts and steps answered. */
  frames: number;
  /** Time inside ONNX Runtime. */
  ortTimeMs: number;
  /** How often the inference process was replaced. */
  restarts: number;
  /** Process id of the inference process; null between two processes. */
  workerPid: number | null;
  /** What each graph has cost, by role. */
  graphs: GraphCosts;
}

export interface Engine {
  /** What new sessions run on. A session keeps the pack that it was opened with. */
  readonly pack: PackSummary;
  /** @throws EngineError session_exists; session_limit. */
  openSession(sessionId: string, video: EngineVideo): Promise<SessionRules>;
  /**
   * Adds a prompt on a frame and answers what that frame shows now.
   * @throws EngineError unsupported_by_pack, invalid_field, object_limit, session_not_found.
   */
  prompt(sessionId: string, frame: EngineFrame, prompt: EnginePrompt): Promise<PromptAnswer>;
  /**
   * Masks for prompts on one picture, which the session does not remember: for each prompt of the batch, its candidates.
   * @throws EngineError unsupported_by_pack, invalid_field, session_not_found.
   */
  predict(sessionId: string, frame: EngineFrame, prompt: PredictionPrompt): Promise<PredictedMask[][]>;
  beginPropagation(sessionId: string, pass: PassRequest): Promise<PassStart>;
  /**
   * Gives a frame that will be stepped to. Its features are computed while other frames are worked on; at most two frames
   * wait for their step. What goes wrong with it is told by the step.
   */
  prepare(sessionId: string, frame: EngineFrame): void;
  /**
   * One frame of the running propagation, which has been given by {@link Engine.prepare}; in the order of travel.
   * @returns the frames that may be shown now: the output may lag behind, and then comes all at once with the last frame
   */
  step(sessionId: string, frameIndex: number): Promise<FrameOutput[]>;
  /** What is known of a frame. */
  fetch(sessionId: string, frameIndex: number): Promise<FrameOutput>;
  /** @throws EngineError object_not_found. */
  removeObject(sessionId: string, objectId: number): Promise<void>;
  describeSession(sessionId: string): Promise<{ concepts: string[]; objectIds: number[] }>;
  /** Forgets prompts, objects and memory; the session stays open. */
  resetSession(sessionId: string): Promise<void>;
  /** Closing an unknown session succeeds. */
  closeSession(sessionId: string): Promise<void>;
  /**
   * Reads the pack's folder again. New sessions run on what is there now; those that are open keep what they have until
   * they are closed.
   * @throws EngineError engine_failed when it cannot be used: nothing has changed then.
   */
  reload(): Promise<PackSummary>;
  /** Called when the inference process died, with the sessions that died with it. */
  onRestart(listener: (lostSessionIds: string[]) => void): void;
  stats(): EngineStats;
  /** Ends the inference process for sure. Pending calls reject with shutting_down. */
  close(): Promise<void>;
}

/** A failure of the engine that the client is told as it is. */
export class EngineError extends ProtocolError {}
