/** One case: frames to send, and the events that the server must answer with. */
import { closePayload, type Frame, OPCODES } from "./frames.js";

/** A frame, raw bytes, or a pause: the rest is sent after it unless the socket has closed. */
export type Step = Frame | { pauseMs: number } | { bytes: Uint8Array };

/**
 * An event of the server in one line: `answer CODE` for an error message with this code, `pong HEX`, `close CODE`, `close`
 * without a code, or `drop` for an end without a close frame.
 */
export type Event = string;

export interface Case {
  /** The number of the case in the test suite of Autobahn. */
  id: string;
  what: string;
  steps: Step[];
  /** How the bytes are written: all at once, frame by frame, or in parts of this many bytes. */
  chop?: "frames" | number;
  /** All events in order. Without a close among them, the client closes with 1000 and the server must answer this. */
  expected: Event[];
  /** Also permitted by RFC 6455, but reported as NON-STRICT. */
  nonStrict?: Event[][];
  /** The close must come before this step is sent; a later one is NON-STRICT. */
  failsBefore?: number;
  /** Offers of compression in the handshake. The server must accept none. */
  extensions?: string;
  timeoutMs?: number;
}

/** A text that is not JSON, and bytes that are not a pushed frame, get exactly one answer. */
export const TEXT = "answer malformed_json";
export const BINARY = "answer binary_not_expected";

export const text = (payload: Uint8Array | string, rest: Partial<Frame> = {}): Frame => ({
  opcode: OPCODES.text,
  payload,
  ...rest,
});
export const binary = (payload: Uint8Array | string, rest: Partial<Frame> = {}): Frame => ({
  opcode: OPCODES.binary,
  payload,
  ...rest,
});
export const more = (payload: Uint8Array | string, rest: Partial<Frame> = {}): Frame => ({
  opcode: OPCODES.continuation,
  payload,
  ...rest,
});
export const ping = (payload: Uint8Array | string = "", rest: Partial<Frame> = {}): Frame => ({
  opcode: OPCODES.ping,
  payload,
  ...rest,
});
export const pong = (payload: Uint8Array | string = "", rest: Partial<Frame> = {}): Frame => ({
  opcode: OPCODES.pong,
  payload,
  ...rest,
});
export const close = (code?: number, reason: Uint8Array | string = ""): Frame => ({
  opcode: OPCODES.close,
  payload: code === undefined ? reason : closePayload(code, reason),
});
/** The event of the pong that answers a ping. */
export const ponged = (payload: Uint8Array | string = ""): Event =>
  `pong ${Buffer.from(payload as Uint8Array).toString("hex")}`.trim();

/** A message in fragments: the first one with the opcode, the others as continuations. */
export function fragments(parts: readonly (Uint8Array | string)[], opcode: number = OPCODES.text): Frame[] {
  return parts.map((payload, index) => ({
    opcode: index === 0 ? opcode : OPCODES.continuation,
    payload,
    fin: index === parts.length - 1,
  }));
}

/** `bytes` in parts of `size` bytes. */
export function partsOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / size));
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}
