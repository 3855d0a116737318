export * from "./engine.js";
export { createEngine, type EngineLog, type EngineOptions } from "./process.js";
