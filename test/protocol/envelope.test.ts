import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope, encodeEnvelope } from "../../protocol/index.js";

/** A message whose header is the given bytes. */
function withHeader(header: Uint8Array, statedLength = header.length): Uint8Array {
  const message = new Uint8Array(4 + header.length);
  new DataView(message.buffer).setUint32(0, statedLength);
  message.set(header, 4);
  return message;
}

const text = (value: string) => new TextEncoder().encode(value);

describe("envelopes of binary messages", () => {
  it("start with the length of the header, big-endian", () => {
    expect([...encodeEnvelope({ a: 1 }, Uint8Array.of(200), Uint8Array.of(), Uint8Array.of(0, 7))]).toEqual([
      0,
      0,
      0,
      7,
      ...text('{"a":1}'),
      200,
      0,
      7,
    ]);
  });

  it("decode to the header and the joined payloads", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()),
        fc.array(fc.uint8Array()),
        fc.nat(8),
        (header, payloads, offset) => {
          const message = encodeEnvelope(header, ...payloads);
          // At any offset of a larger buffer, as sockets deliver them.
          const larger = new Uint8Array(offset + message.length);
          larger.set(message, offset);
          const decoded = decodeEnvelope(larger.subarray(offset));
          expect(decoded.header).toEqual(JSON.parse(JSON.stringify(header)));
          expect([...decoded.payload]).toEqual(payloads.flatMap((payload) => [...payload]));
        },
      ),
    );
  });

  it("are rejected with what was expected and what was received", () => {
    expect(() => decodeEnvelope(new Uint8Array(3))).toThrow(
      new RangeError("expected 4 bytes with the length of the header, got 3"),
    );
    expect(() => decodeEnvelope(withHeader(text("{}"), 3))).toThrow(
      new RangeError("expected a header of 3 bytes, as the first 4 bytes state, got 2 bytes"),
    );
    expect(() => decodeEnvelope(withHeader(text("{}"), 0xffffffff))).toThrow(/header of 4294967295 bytes/);
    expect(() => decodeEnvelope(withHeader(Uint8Array.of(0x22, 0xff, 0x22)))).toThrow(
      /JSON in UTF-8, got 3 bytes/,
    );
    expect(() => decodeEnvelope(withHeader(text("{a}")))).toThrow(/JSON in UTF-8, got 3 bytes/);
    expect(() => decodeEnvelope(new Uint8Array(4))).toThrow(/JSON in UTF-8, got 0 bytes/);
    for (const [json, kind] of [
      ["null", "null"],
      ["[1]", "an array"],
      ["4", "a number"],
    ] as const) {
      expect(() => decodeEnvelope(withHeader(text(json)))).toThrow(
        new RangeError(`expected a JSON object as the header, got ${kind}`),
      );
    }
  });
});
