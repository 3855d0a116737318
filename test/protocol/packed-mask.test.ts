import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMask, type Mask, packMask, unpackMask, unpackRle } from "../../protocol/index.js";
import { anyMasks, drawn } from "../helpers/masks.js";

const toRle = ({ data, width, height }: Mask) => encodeMask(data, width, height);

/** The bits of a packed mask after its four numbers of one byte each. */
function bitsOf(mask: Mask): string {
  const bytes = [...packMask(toRle(mask))].slice(4);
  return bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** Without spaces, and with zeros up to a whole byte. */
function padded(bits: string): string {
  const dense = bits.replaceAll(" ", "");
  return dense.padEnd(8 * Math.ceil(dense.length / 8), "0");
}

describe("packed masks", () => {
  it("unpack to the same mask, as pixels and as RLE", () => {
    fc.assert(
      fc.property(anyMasks, (mask) => {
        const rle = toRle(mask);
        const packed = packMask(rle);
        expect(unpackRle(packed)).toEqual(rle);
        expect(unpackMask(packed)).toEqual(mask);
      }),
      { numRuns: 500 },
    );
  });

  it("start with height, width, first column and number of columns", () => {
    expect([...packMask(toRle(drawn(".....", "..##.", ".....")))].slice(0, 4)).toEqual([3, 5, 2, 2]);
    const wide = encodeMask(new Uint8Array(300 * 200), 300, 200);
    // 200 and 300 in groups of seven bits, the lowest first.
    expect([...packMask(wide)]).toEqual([0xc8, 1, 0xac, 2, 0, 0]);
  });

  it("store shifts, and the number of turns in the same row between two shifts", () => {
    // Both Rice parameters are 0. In the first column, turns refer to the bottom: no zero, 4 up, no zero, 2 up. The bottoms of
    // both columns are two zeros in this context, and the turns of the second column are two zeros that refer to turns.
    const expected = "0000 0000  1 000001 1  1 01 1  001  001";
    expect(bitsOf(drawn("..", "##", "##", "..", ".."))).toBe(padded(expected));
  });

  it("take fewer than 100 bytes for a rectangle, whatever its size", () => {
    const [width, height] = [1920, 1080];
    const data = new Uint8Array(width * height);
    for (let y = 100; y < 900; y++) data.fill(1, y * width + 200, y * width + 1700);
    const rle = encodeMask(data, width, height);
    expect(packMask(rle).length).toBeLessThan(20);
    expect(unpackRle(packMask(rle))).toEqual(rle);
  });

  it("take at most a third of the text of an outline", () => {
    const [width, height] = [1280, 720];
    const data = Uint8Array.from({ length: width * height }, (_, at) => {
      const [x, y] = [(at % width) - 640, Math.floor(at / width) - 360];
      const angle = Math.atan2(y, x);
      return Math.hypot(x, y) < 200 + 40 * Math.sin(5 * angle) + 9 * Math.sin(31 * angle) ? 1 : 0;
    });
    const rle = encodeMask(data, width, height);
    expect(packMask(rle).length).toBeLessThan(rle.counts.length / 3);
    expect(unpackRle(packMask(rle))).toEqual(rle);
  });

  it("join runs of an RLE without pixels between them", () => {
    expect(unpackRle(packMask({ size: [1, 5], counts: "11011" }))).toEqual(toRle(drawn(".###.")));
  });

  it("are rejected when bytes are missing or left over", () => {
    fc.assert(
      fc.property(anyMasks, fc.nat(), (mask, cut) => {
        const packed = packMask(toRle(mask));
        expect(() => unpackMask(packed.subarray(0, cut % packed.length))).toThrow(RangeError);
        expect(() => unpackMask(Uint8Array.of(...packed, 0))).toThrow(
          new RangeError(`expected ${packed.length} bytes of mask, got ${packed.length + 1}`),
        );
      }),
    );
  });

  it("are rejected, or unpack to a mask of their size, whatever their bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(40), fc.nat(40), (bytes, height, width) => {
        const packed = Uint8Array.of(height, width, 0, width, ...bytes);
        try {
          const mask = unpackMask(packed);
          expect(mask.data.length).toBe(width * height);
          expect(unpackMask(packMask(unpackRle(packed)))).toEqual(mask);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, number[], RegExp]>([
    ["no pixels", [0, 4, 0, 0], /1 to 134217728 pixels, got 4x0/],
    ["too many pixels", [0x80, 0x80, 1, 0x80, 0x80, 1, 0, 0], /1 to 134217728 pixels, got 16384x16384/],
    ["columns outside the picture", [4, 4, 3, 2], /columns within 4, got 2 from 3/],
    ["a number without end", [0xff, 0xff, 0xff, 0xff, 0], /at most 28 bits/],
    ["a last column without the mask", [1, 1, 0, 1, 0, 0b01000000], /last column with pixels/],
  ])("are rejected with %s", (_, bytes, message) => {
    expect(() => unpackMask(Uint8Array.from(bytes))).toThrow(message);
  });
});
