/** The protocol as code: messages, masks, errors and limits. No Node modules, so that it runs in a browser. */
export * from "./close-codes.js";
export * from "./errors.js";
export * from "./limits.js";
export * from "./messages.js";
export * from "./policy.js";
export * from "./rle.js";
export * from "./version.js";
