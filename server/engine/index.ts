export type { RecallNeed } from "../../tracker/frame-output.js";
export type { RecalledMask } from "../../tracker/recall.js";
export * from "./engine.js";
export type { GraphCosts } from "./graph-costs.js";
export { createEngine } from "./pack-reload.js";
export type { EngineLog, EngineOptions } from "./supervisor.js";
export type {
  EngineFrame,
  EnginePrompt,
  LogitMap,
  PredictedMask,
  PredictionPrompt,
  PromptAnswer,
} from "./verbs.js";
export { verbMethods } from "./verbs.js";
