/** Every message of the protocol, in both directions. */
export * from "./replies.js";
export * from "./requests.js";
export * from "./validation.js";
