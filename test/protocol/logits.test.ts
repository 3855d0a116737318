import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeLowResMask, encodeLowResMask } from "../../protocol/index.js";

const roundTrip = (values: number[]) => [
  ...decodeLowResMask(encodeLowResMask(Float32Array.from(values), [1, values.length])),
];

describe("logits as half-precision floats", () => {
  test("are little-endian IEEE 754 halves in base64", () => {
    // 1, -2, 65504, 2^-24, 0.1 → 3c00, c000, 7bff, 0001, 2e66
    const { data } = encodeLowResMask(Float32Array.of(1, -2, 65504, 2 ** -24, 0.1), [1, 5]);
    expect(Buffer.from(data, "base64").toString("hex")).toBe("003c00c0ff7b0100662e");
  });

  test("are decoded exactly where a half can represent them, and round ties to even elsewhere", () => {
    expect(roundTrip([0, -0, 0.5, -32, 2048, 2 ** -14, 2 ** -24])).toEqual([
      0,
      -0,
      0.5,
      -32,
      2048,
      2 ** -14,
      2 ** -24,
    ]);
    expect(roundTrip([2049, 2051, 1.5 * 2 ** -24, 2.5 * 2 ** -24, 2 ** -26])).toEqual([
      2048,
      2052,
      2 ** -23,
      2 ** -23,
      0,
    ]);
    expect(roundTrip([65519, 65520, -1e9, Number.POSITIVE_INFINITY, Number.NaN])).toEqual([
      65504,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]);
  });

  test("change by at most one part in 2048, and keep their sign", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -32, max: 32, noNaN: true }), { minLength: 1 }), (values) => {
        roundTrip(values).forEach((decoded, at) => {
          const value = values[at] as number;
          expect(Math.abs(decoded - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) / 2048, 2 ** -25));
          if (decoded !== 0) expect(Math.sign(decoded)).toBe(Math.sign(value));
        });
      }),
    );
  });

  test.each([
    ["AAA", /^expected base64 text$|^expected 8 bytes/],
    ["no base64!", /^expected base64 text$/],
    ["AAAA", /^expected 8 bytes for 2x2 halves, got 3$/],
  ])("are refused when the base64 text is invalid or of another length: %j", (data, reason) => {
    expect(() => decodeLowResMask({ size: [2, 2], dtype: "float16", data })).toThrow(reason);
  });
});
