/**
 * The protocol as code: messages, masks, errors and limits. It uses no Node modules and runs in a browser.
 *
 * @module masklet/protocol
 */
export * from "./close-codes.js";
export * from "./envelope.js";
export * from "./errors.js";
export * from "./http-queries.js";
export * from "./limits.js";
export * from "./logits.js";
export * from "./messages.js";
export * from "./packed-mask.js";
export * from "./packed-message.js";
export * from "./policy.js";
export * from "./polygons.js";
export * from "./replies/sessions.js";
export * from "./request-errors.js";
export type { MaskInput } from "./requests/masks.js";
export * from "./rle.js";
export * from "./shares.js";
export * from "./version.js";
