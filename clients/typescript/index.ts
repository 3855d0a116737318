/**
 * The client, for Node and browsers:
 *
 * ```ts
 * import { connect, objectsOf } from "masklet/client";
 *
 * const client = await connect("ws://127.0.0.1:8765");
 * const session = await client.startSession({ resource_path: "demo-output/clip.mp4" });
 * await session.addPrompt({ frame_index: 0, text: "red circle" });
 * for await (const frame of session.propagate()) {
 *   for (const object of objectsOf(frame.outputs)) {
 *     const { data } = object.decodeMask(); // one byte per pixel, 1 inside the mask
 *     const area = data.reduce((sum, bit) => sum + bit, 0);
 *     console.log(frame.frame_index, object.id, object.boxXywh, `${area} pixels`);
 *   }
 * }
 * await client.close();
 * ```
 *
 * Fields have the names of the wire: PROTOCOL.md describes both.
 *
 * @module masklet/client
 */
export type {
  AnswerOf,
  CocoRle,
  DoneMessage,
  EventMessage,
  FrameMessage,
  Mask,
  Outputs,
  PixelBox,
  ServerMessage,
  SessionFacts,
  UploadFacts,
  VideoFacts,
} from "../../protocol/index.js";
export { decodeLowResMask, encodeLowResMask, type LowResMask } from "../../protocol/logits.js";
export { decodeMask, encodeMask, maskArea, maskBox } from "../../protocol/rle.js";
export type { ReconnectOptions } from "./backoff.js";
export {
  type AttachFields,
  type ConnectionEnd,
  type ConnectOptions,
  connect,
  type LoadFields,
  type MaskletClient,
  type StartFields,
} from "./client.js";
export { type ClientErrorCode, MaskletError, type ReportedError } from "./errors.js";
export {
  createImagePredictor,
  fullSizeLogits,
  type ImagePredictor,
  type ImagePrompt,
  type ImagePrompts,
  type Prediction,
} from "./image-predictor.js";
export { type FrameObject, objectsOf } from "./objects.js";
export type { ResumableOptions, SlicedSource } from "./resumable.js";
export type {
  MaskletSession,
  PredictFields,
  PromptFields,
  PropagationFields,
  PushFrameFields,
} from "./session.js";
export type { UploadFile, UploadOptions, UploadSource } from "./upload.js";
export type { WebSocketClass } from "./wire.js";
