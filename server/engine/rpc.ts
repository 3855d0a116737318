/**
 * What the main process and the inference process say to each other, over Node's IPC with `serialization: "advanced"`:
 * pixels cross as raw bytes, once, and no JSON is made of anything.
 */
import type { ErrorCode } from "../../protocol/errors.js";
import type {
  EngineFrame,
  EnginePrompt,
  EngineVideo,
  FrameOutput,
  PackSummary,
  PassRequest,
  PassStart,
  PredictedMask,
  PredictionPrompt,
  PromptAnswer,
  SessionRules,
} from "./engine.js";
import type { GraphCosts } from "./graph-costs.js";

/** Method: what it is given, what it answers. */
export interface EngineMethods {
  load: { params: LoadParams; result: PackSummary };
  openSession: { params: { sessionId: string } & EngineVideo; result: SessionRules };
  prompt: {
    params: { sessionId: string; frame: EngineFrame; prompt: EnginePrompt };
    result: PromptAnswer;
  };
  predict: {
    params: { sessionId: string; frame: EngineFrame; prompt: PredictionPrompt };
    result: PredictedMask[][];
  };
  beginPropagation: { params: { sessionId: string; pass: PassRequest }; result: PassStart };
  prepare: { params: { sessionId: string; frame: EngineFrame }; result: undefined };
  step: { params: { sessionId: string; frameIndex: number }; result: FrameOutput[] };
  fetch: { params: { sessionId: string; frameIndex: number }; result: FrameOutput };
  removeObject: { params: { sessionId: string; objectId: number }; result: undefined };
  describeSession: { params: { sessionId: string }; result: { concepts: string[]; objectIds: number[] } };
  resetSession: { params: { sessionId: string }; result: undefined };
  closeSession: { params: { sessionId: string }; result: undefined };
}

export type MethodName = keyof EngineMethods;
export type Params<M extends MethodName> = EngineMethods[M]["params"];
export type Result<M extends MethodName> = EngineMethods[M]["result"];

export interface LoadParams {
  packDir: string;
  providers: string[];
  /** 0 chooses by the machine. */
  threads: number;
}

export type RpcRequest = { [M in MethodName]: { id: number; method: M; params: Params<M> } }[MethodName];

export interface RpcFailure {
  code: ErrorCode;
  message: string;
  field?: string;
}

export type RpcMessage =
  | { id: number; result: Result<MethodName>; costs: GraphCosts }
  | { id: number; error: RpcFailure; costs: GraphCosts }
  | { log: { level: "info" | "warn"; message: string } };
