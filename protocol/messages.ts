/** Every message of the protocol, in both directions. */
export * from "./replies.js";
export { type PushFrameInput, type PushFrameMessage, pushFrameSchema } from "./requests/live.js";
export * from "./requests/mask-format.js";
export * from "./requests.js";
export * from "./validation.js";
