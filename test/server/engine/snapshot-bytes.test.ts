import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeSnapshot, encodeSnapshot } from "../../../server/engine/snapshot-bytes.js";

const pack = { id: "compact", hash: "a".repeat(64) };
const copy = (state: unknown) => decodeSnapshot(encodeSnapshot(state, pack), pack);

const tensors = fc.oneof(
  fc.float32Array(),
  fc.float64Array(),
  fc.int8Array(),
  fc.uint8Array(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
);
const leaves = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.string(),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  tensors,
);
const { state } = fc.letrec((tie) => ({
  state: fc.oneof(
    { depthSize: "small" },
    leaves,
    fc.array(tie("state")),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$", "__proto__")), tie("state")),
    fc.array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie("state"))).map((entries) => new Map(entries)),
    fc.array(fc.oneof(fc.integer(), fc.string())).map((items) => new Set(items)),
  ),
}));

describe("a snapshot as bytes", () => {
  test("keeps plain data and tensors to the last bit", () => {
    fc.assert(
      fc.property(state, (value) => {
        expect(copy(value)).toStrictEqual(structuredClone(value));
      }),
    );
  });

  test("keeps the bits of numbers that compare equal or to nothing", () => {
    const floats = Float32Array.of(-0, Number.NaN, 1e-45, 3.4e38);
    const bits = (data: Float32Array) => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];
    expect(bits(copy(floats) as Float32Array)).toEqual(bits(floats));
    expect(Object.is(copy(-0), -0)).toBe(true);
  });

  test("reads a tensor that is a part of a larger buffer, and bytes at any offset", () => {
    const part = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    const bytes = encodeSnapshot({ part }, pack);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(decodeSnapshot(shifted.subarray(3), pack)).toEqual({ part: Float32Array.of(2, 3) });
  });

  test("writes a tensor once that is shared", () => {
    const shared = new Float32Array(1000);
    const once = encodeSnapshot([shared], pack).length;
    expect(encodeSnapshot([shared, shared], pack).length).toBeLessThan(once + 100);
    const [a, b] = copy([shared, shared]) as [Float32Array, Float32Array];
    expect(a).toBe(b);
  });

  test.each([
    ["a function", () => {}],
    ["a bigint", 1n],
    ["a Date", new Date()],
    ["a DataView", new DataView(new ArrayBuffer(4))],
  ])("refuses %s", (_, value) => {
    expect(() => encodeSnapshot({ value }, pack)).toThrow(/^A snapshot cannot contain a \w+\.$/);
  });

  test("refuses the snapshot of another pack, naming both", () => {
    const bytes = encodeSnapshot({}, pack);
    expect(() => decodeSnapshot(bytes, { id: "other", hash: "b".repeat(64) })).toThrow(
      /^The snapshot belongs to the model pack "compact" \(manifest a+\), not to "other" \(manifest b+\)\.$/,
    );
  });

  test("refuses bytes that are no snapshot, of another version, or cut short", () => {
    const bytes = encodeSnapshot({ tensor: new Float32Array(100) }, pack);
    expect(() => decodeSnapshot(bytes.subarray(0, 5), pack)).toThrow(/not a snapshot/);
    expect(() => decodeSnapshot(new Uint8Array(100), pack)).toThrow(/not a snapshot/);
    expect(() => decodeSnapshot(bytes.subarray(0, 40), pack)).toThrow(/cut short/);
    expect(() => decodeSnapshot(bytes.subarray(0, bytes.length - 8), pack)).toThrow(/cut short/);
    const later = bytes.slice();
    later[4] = 9;
    expect(() => decodeSnapshot(later, pack)).toThrow(
      "The snapshot has version 9; this program reads version 1.",
    );
  });
});
