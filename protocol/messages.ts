/** Every message of the wire, both ways. */
export * from "./replies.js";
export * from "./requests.js";
export * from "./validation.js";
