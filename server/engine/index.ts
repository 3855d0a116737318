export * from "./engine.js";
export { createEngine } from "./generations.js";
export type { EngineLog, EngineOptions } from "./process.js";
