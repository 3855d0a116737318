/**
 * Binary messages, in both directions: the length of the header in bytes (32 bits, big-endian), the header as UTF-8 JSON,
 * then the payload up to the end of the message. The header is a message of the protocol without its bytes.
 */

export interface Envelope {
  /** A JSON object. Its fields are not validated. */
  header: Record<string, unknown>;
  /** A view of the message: copy it to keep it longer. */
  payload: Uint8Array;
}

const LENGTH_BYTES = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Writes the header and the payloads, one after the other, into one new message. */
export function encodeEnvelope(header: object, ...payloads: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(JSON.stringify(header));
  const payloadBytes = payloads.reduce((sum, { length }) => sum + length, 0);
  const message = new Uint8Array(LENGTH_BYTES + text.length + payloadBytes);
  new DataView(message.buffer).setUint32(0, text.length);
  message.set(text, LENGTH_BYTES);
  let at = LENGTH_BYTES + text.length;
  for (const payload of payloads) {
    message.set(payload, at);
    at += payload.length;
  }
  return message;
}

/** @throws RangeError when the bytes are too short for their header, or the header is not a JSON object in UTF-8. */
export function decodeEnvelope(message: Uint8Array): Envelope {
  if (message.length < LENGTH_BYTES) {
    throw new RangeError(
      `expected ${LENGTH_BYTES} bytes with the length of the header, got ${message.length}`,
    );
  }
  const length = new DataView(message.buffer, message.byteOffset).getUint32(0);
  const rest = message.subarray(LENGTH_BYTES);
  if (length > rest.length) {
    throw new RangeError(
      `expected a header of ${length} bytes, as the first ${LENGTH_BYTES} bytes state, got ${rest.length} bytes`,
    );
  }
  return { header: parseHeader(rest.subarray(0, length)), payload: rest.subarray(length) };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new RangeError(`expected a header of JSON in UTF-8, got ${bytes.length} bytes that are not`, {
      cause,
    });
  }
  if (typeof header === "object" && header !== null && !Array.isArray(header)) {
    return header as Record<string, unknown>;
  }
  const kind = header === null ? "null" : Array.isArray(header) ? "an array" : `a ${typeof header}`;
  throw new RangeError(`expected a JSON object as the header, got ${kind}`);
}
