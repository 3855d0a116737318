export * from "./engine.js";
export { createEngine } from "./generations.js";
export type { GraphCosts } from "./graph-costs.js";
export type { EngineLog, EngineOptions } from "./process.js";
