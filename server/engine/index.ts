export { isConcept } from "../../detector/concepts.js";
export type { Edit, EditResult } from "../../tracker/edits/edit.js";
export type { ObjectFacts } from "../../tracker/edits/objects.js";
export { rewriteObjects, rewrittenStretch } from "../../tracker/edits/rewrite.js";
export type { RecallNeed } from "../../tracker/frame-output.js";
export { type FrameSet, hasFrame, removeFrames } from "../../tracker/frame-set.js";
export { visibilityOf } from "../../tracker/object-states.js";
export type { RecalledMask } from "../../tracker/recall.js";
export * from "./engine.js";
export type { GraphCosts } from "./graph-costs.js";
export { inspectGraph } from "./onnx.js";
export { createEngine } from "./pack-reload.js";
export type { EngineLog, EngineOptions } from "./supervisor.js";
export type {
  EditAnswer,
  EngineFrame,
  EnginePrompt,
  Holdings,
  LogitMap,
  PredictedMask,
  PredictionPrompt,
  PromptAnswer,
} from "./verbs.js";
export { verbMethods } from "./verbs.js";
