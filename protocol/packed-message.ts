/**
 * Messages as they are sent: JSON as text, or, with masks in the format `binary`, one envelope. Its header is the message
 * with `out_mask_bytes`, the number of bytes of each mask, in place of `out_packed_masks`; the payload contains the masks.
 */
import { decodeEnvelope, encodeEnvelope } from "./envelope.js";

interface Packed {
  outputs: { out_packed_masks: Uint8Array[] };
}

function isPacked(message: object): message is Packed {
  const { outputs } = message as { outputs?: { out_packed_masks?: unknown } };
  return outputs?.out_packed_masks !== undefined;
}

/** The message as text where only text fits, such as in NDJSON: packed masks are base64 in `out_packed_masks`. */
export function encodeText(message: object): string {
  return JSON.stringify(message, (_, value: unknown) =>
    value instanceof Uint8Array ? toBase64(value) : value,
  );
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Text, or bytes for a message with packed masks. */
export function encodeMessage(message: object): string | Uint8Array<ArrayBuffer> {
  if (!isPacked(message)) return JSON.stringify(message);
  const { out_packed_masks: masks, ...outputs } = message.outputs;
  const out_mask_bytes = masks.map(({ length }) => length);
  return encodeEnvelope({ ...message, outputs: { ...outputs, out_mask_bytes } }, ...masks);
}

/**
 * The message of an envelope. The masks in `outputs.out_packed_masks` are views of the bytes.
 * @throws RangeError when the bytes are not an envelope, or its payload has another length than `out_mask_bytes` states.
 */
export function decodeBinaryMessage(bytes: Uint8Array): Record<string, unknown> {
  const { header, payload } = decodeEnvelope(bytes);
  const { outputs } = header as { outputs?: { out_mask_bytes?: unknown } };
  const lengths = outputs?.out_mask_bytes;
  if (!isLengths(lengths)) {
    throw new RangeError(
      `expected a list of lengths in outputs.out_mask_bytes, got ${JSON.stringify(lengths)}`,
    );
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== payload.length) {
    throw new RangeError(`expected ${total} bytes of masks, as out_mask_bytes states, got ${payload.length}`);
  }
  let at = 0;
  const out_packed_masks = lengths.map((length) => {
    at += length;
    return payload.subarray(at - length, at);
  });
  const { out_mask_bytes, ...others } = outputs as Record<string, unknown>;
  return { ...header, outputs: { ...others, out_packed_masks } };
}

function isLengths(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((length) => Number.isInteger(length) && length >= 0);
}
