/**
 * What the package exports: the predictor as a library, and the server around it.
 *
 * @module masklet
 */
export { ProtocolError } from "../protocol/index.js";
export type { ServerOptions } from "./config.js";
export type { PackSummary } from "./engine/index.js";
export { EngineError } from "./engine/index.js";
export type { OpeningEvent, SessionEvent } from "./hosted-session.js";
export { type RunningServer, startServer } from "./main.js";
export { createPredictor, type Predictor, type PredictorOptions } from "./predictor.js";
export type { PropagatedFrame, PropagationEnd } from "./propagations.js";
