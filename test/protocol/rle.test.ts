import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CocoRle, decodeMask, encodeMask, maskArea, maskBox, uniteMasks } from "../../protocol/rle.js";

/** A mask drawn in rows: "#" is inside, "." is outside. */
function picture(...rows: string[]) {
  const width = rows[0]?.length ?? 0;
  const bits = Uint8Array.from(rows.join(""), (pixel) => (pixel === "#" ? 1 : 0));
  return { bits, width, height: rows.length };
}

const encodePicture = (...rows: string[]) => {
  const { bits, width, height } = picture(...rows);
  return encodeMask(bits, width, height);
};

/** A simple reference encoder, with arithmetic instead of bit operations. */
function referenceText(bits: Uint8Array, width: number, height: number): string {
  const runs = [0];
  let inside = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const bit = bits[y * width + x] === 0 ? 0 : 1;
      if (bit !== inside) runs.push(0);
      inside = bit;
      runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
    }
  }
  return runs
    .map((run, index) => (index > 2 ? run - (runs[index - 2] ?? 0) : run))
    .map((value) => {
      let text = "";
      let rest = value;
      for (;;) {
        const low = ((rest % 32) + 32) % 32;
        rest = Math.floor(rest / 32);
        const last = (rest === 0 && low < 16) || (rest === -1 && low >= 16);
        text += String.fromCharCode(48 + low + (last ? 0 : 32));
        if (last) return text;
      }
    })
    .join("");
}

const masks = fc
  .record({ width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 40 }) })
  .chain(({ width, height }) =>
    fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      bits: fc
        .array(fc.record({ on: fc.boolean(), length: fc.integer({ min: 1, max: 90 }) }), { maxLength: 40 })
        .map((runs) => {
          const bits = new Uint8Array(width * height);
          let at = 0;
          for (const { on, length } of runs) {
            bits.fill(on ? 1 : 0, at, at + length);
            at += length;
          }
          return bits;
        }),
    }),
  );

describe("COCO run-length text", () => {
  // Computed with pycocotools 2.0: mask.encode(numpy.asfortranarray(picture)).
  it.each<[string, string[], CocoRle]>([
    ["starts with background", ["#"], { size: [1, 1], counts: "01" }],
    ["writes one run for an empty mask", ["...", "..."], { size: [2, 3], counts: "6" }],
    ["orders pixels column by column", ["#.", "#."], { size: [2, 2], counts: "022" }],
    [
      "writes the differences of counts from the fourth on",
      [".#.#..###"],
      { size: [1, 9], counts: "111012" },
    ],
    [
      "writes negative differences",
      ["...#...", "..###..", ".#####.", "..###..", "...#..."],
      { size: [5, 7], counts: "7132N20N2N4" },
    ],
  ])("%s", (_, rows, rle) => {
    expect(encodePicture(...rows)).toEqual(rle);
  });

  it("writes counts above 15 as several characters", () => {
    expect(encodeMask(new Uint8Array(1000), 25, 40).counts).toBe("Xo0");
    expect(encodeMask(new Uint8Array(1920 * 1080), 1920, 1080).counts).toBe("PPYo1");
  });

  it("writes an ellipse as pycocotools does", () => {
    const [width, height] = [64, 48];
    const bits = Uint8Array.from({ length: width * height }, (_, at) => {
      const [x, y] = [at % width, Math.floor(at / width)];
      return ((y - 20) / 15) ** 2 + ((x - 30) / 25) ** 2 < 1 ? 1 : 0;
    });
    const rle = encodeMask(bits, width, height);
    expect(rle.counts).toBe(
      "`99V12M4M2O0O2N2O0O2O0O2O0O2O00000O2O00000000000000000000000000000001N1000001N101N101N101N2N101N3L3NQ=",
    );
    expect(maskBox(rle)).toEqual([6, 6, 49, 29]);
    expect(maskArea(rle)).toBe(1161);
  });

  it("agrees with a simple reference encoder", () => {
    fc.assert(
      fc.property(masks, ({ bits, width, height }) => {
        expect(encodeMask(bits, width, height).counts).toBe(referenceText(bits, width, height));
      }),
      { numRuns: 300 },
    );
  });

  it("decodes what it encoded", () => {
    fc.assert(
      fc.property(masks, ({ bits, width, height }) => {
        expect(decodeMask(encodeMask(bits, width, height))).toEqual({ width, height, data: bits });
      }),
    );
  });

  it("encodes and decodes runs longer than a million pixels", () => {
    const [width, height] = [1500, 1000];
    const bits = new Uint8Array(width * height);
    bits[0] = 1;
    bits[bits.length - 1] = 1;
    expect(Buffer.compare(decodeMask(encodeMask(bits, width, height)).data, bits)).toBe(0);
  });

  it("reads only the given box of the mask", () => {
    fc.assert(
      fc.property(masks, ({ bits, width, height }) => {
        const whole = encodeMask(bits, width, height);
        expect(encodeMask(bits, width, height, maskBox(whole))).toEqual(whole);
      }),
    );
    const { bits, width, height } = picture("#..", ".##", ".##");
    expect(decodeMask(encodeMask(bits, width, height, [1, 1, 2, 2])).data).toEqual(
      picture("...", ".##", ".##").bits,
    );
  });

  it("computes the area and the bounding box", () => {
    fc.assert(
      fc.property(masks, ({ bits, width, height }) => {
        const rle = encodeMask(bits, width, height);
        const inside = [...bits.keys()].filter((at) => bits[at] === 1);
        expect(maskArea(rle)).toBe(inside.length);
        const xs = inside.map((at) => at % width);
        const ys = inside.map((at) => Math.floor(at / width));
        const [x, y] = [Math.min(...xs), Math.min(...ys)];
        const box = [x, y, Math.max(...xs) + 1 - x, Math.max(...ys) + 1 - y];
        expect(maskBox(rle)).toEqual(inside.length === 0 ? [0, 0, 0, 0] : box);
      }),
    );
  });

  it.each([
    ["too few pixels", "5"],
    ["too many pixels", "7"],
    ["a character outside the alphabet", "6 "],
    ["a truncated count", "P"],
    ["a negative run", "09N9"],
    ["a count of too many characters", "PPPPPPPPPPPP0"],
  ])("refuses text with %s", (_, counts) => {
    expect(() => decodeMask({ size: [2, 3], counts })).toThrow(RangeError);
  });

  it("refuses another number of bits than the mask has pixels", () => {
    expect(() => encodeMask(new Uint8Array(5), 2, 3)).toThrow(RangeError);
  });
});

describe("a union of masks", () => {
  it("contains the pixels of every mask, in the encoding of the whole", () => {
    const drawn = fc.integer({ min: 1, max: 12 }).chain((width) =>
      fc.integer({ min: 1, max: 12 }).chain((height) =>
        fc.record({
          width: fc.constant(width),
          height: fc.constant(height),
          masks: fc.array(fc.uint8Array({ minLength: width * height, maxLength: width * height, max: 1 }), {
            minLength: 1,
            maxLength: 4,
          }),
        }),
      ),
    );
    fc.assert(
      fc.property(drawn, ({ width, height, masks }) => {
        const all = Uint8Array.from({ length: width * height }, (_, pixel) =>
          Number(masks.some((bits) => bits[pixel] === 1)),
        );
        const encoded = masks.map((bits) => encodeMask(bits, width, height));
        expect(uniteMasks(encoded)).toEqual(encodeMask(all, width, height));
      }),
    );
  });

  it("rejects masks of different sizes, and an empty list", () => {
    const [small, large] = [encodePicture(".#"), encodePicture(".#.")];
    expect(() => uniteMasks([small, large])).toThrow("expected masks of 2x1, got 3x1");
    expect(() => uniteMasks([])).toThrow("expected at least one mask");
  });
});
