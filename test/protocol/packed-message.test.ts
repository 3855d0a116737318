import { expect, it } from "vitest";
import { decodeBinaryMessage, decodeEnvelope, encodeEnvelope, encodeMessage } from "../../protocol/index.js";

const message = {
  type: "frame",
  frame_index: 3,
  outputs: { out_obj_ids: [4, 7], out_packed_masks: [Uint8Array.of(1, 2, 3), Uint8Array.of(9)] },
};

it("sends messages without packed masks as JSON", () => {
  expect(encodeMessage({ type: "response", outputs: { out_obj_ids: [] } })).toBe(
    '{"type":"response","outputs":{"out_obj_ids":[]}}',
  );
  expect(encodeMessage({ type: "event" })).toBe('{"type":"event"}');
});

it("sends packed masks as the payload of an envelope, whose header states their lengths", () => {
  const bytes = encodeMessage(message) as Uint8Array;
  const { header, payload } = decodeEnvelope(bytes);
  expect(header).toEqual({ ...message, outputs: { out_obj_ids: [4, 7], out_mask_bytes: [3, 1] } });
  expect([...payload]).toEqual([1, 2, 3, 9]);
  expect(decodeBinaryMessage(bytes)).toEqual(message);
});

it.each<[unknown, number, string]>([
  [{ outputs: { out_mask_bytes: [3, 1] } }, 5, "expected 4 bytes of masks, as out_mask_bytes states, got 5"],
  [{ outputs: { out_mask_bytes: [9] } }, 5, "expected 9 bytes of masks, as out_mask_bytes states, got 5"],
  [
    { outputs: { out_mask_bytes: [-1] } },
    0,
    "expected a list of lengths in outputs.out_mask_bytes, got [-1]",
  ],
  [{ outputs: null }, 0, "expected a list of lengths in outputs.out_mask_bytes, got undefined"],
  [{}, 0, "expected a list of lengths in outputs.out_mask_bytes, got undefined"],
])("refuses %j with %i bytes", (header, bytes, message) => {
  const envelope = encodeEnvelope(header as object, new Uint8Array(bytes));
  expect(() => decodeBinaryMessage(envelope)).toThrow(new RangeError(message));
});
