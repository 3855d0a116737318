import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { decodeMask, encodeMask, type MaskInput } from "../../protocol/index.js";
import { rleOfPolygons } from "../../protocol/polygons.js";
import { readMask } from "../../server/mask-input.js";
import { defaultPictures } from "../../server/pictures/default.js";

const reading = { pictures: defaultPictures() };
const size = { width: 6, height: 4 };
/** A rectangle from (1, 1) to (4, 3), exclusive. */
const bits = Uint8Array.from({ length: 24 }, (_, at) => {
  const [x, y] = [at % 6, Math.floor(at / 6)];
  return x >= 1 && x < 4 && y >= 1 && y < 3 ? 1 : 0;
});
const rle = encodeMask(bits, 6, 4);

const picture = (channels: 1 | 3 | 4, pixelOf: (inside: number) => number[]) =>
  sharp(Uint8Array.from([...bits].flatMap(pixelOf)), { raw: { width: 6, height: 4, channels } });
const base64 = async (image: Sharp) => (await image.toBuffer()).toString("base64");

describe("the mask of a request", () => {
  it("is read from compressed and from plain run lengths", async () => {
    expect(await readMask({ rle }, size, reading)).toEqual(rle);
    // Columns of 4: 5 outside, 2 inside, 2 outside, and so on.
    const counts = [5, 2, 2, 2, 2, 2, 9];
    expect(await readMask({ rle: { size: [4, 6], counts } }, size, reading)).toEqual(rle);
  });

  it("has the shortest form of run lengths", async () => {
    const counts = [5, 1, 0, 1, 2, 2, 2, 2, 9];
    expect(await readMask({ rle: { size: [4, 6], counts } }, size, reading)).toEqual(rle);
  });

  it.each<[string, () => Promise<string>]>([
    ["grey", () => base64(picture(1, (inside) => [inside * 255]).png())],
    ["grey with the value 1", () => base64(picture(1, (inside) => [inside]).png())],
    ["a palette", () => base64(picture(3, (inside) => [inside * 128, 0, 0]).png({ palette: true }))],
    ["colour", () => base64(picture(3, (inside) => [0, 0, inside * 200]).png())],
    ["transparency", () => base64(picture(4, (inside) => [255, 255, 255, inside * 255]).png())],
    [
      "16 bits",
      () =>
        base64(
          picture(1, (inside) => [inside * 255])
            .toColourspace("grey16")
            .png(),
        ),
    ],
    [
      "a data URL",
      async () => `data:image/png;base64,${await base64(picture(1, (inside) => [inside * 255]).png())}`,
    ],
  ])("is read from a PNG with %s", async (_name, png) => {
    expect(await readMask({ png: await png() }, size, reading)).toEqual(rle);
  });

  it("is read from runs of any length in the shortest form, also without pixels", async () => {
    const expected = encodeMask(
      Uint8Array.from({ length: 24 }, (_, at) => Number(at % 6 < 2)),
      6,
      4,
    );
    for (const counts of [
      [0, 8, 16],
      [0, 3, 0, 5, 16],
      [0, 0, 0, 8, 16],
      [0, 8, 10, 0, 6],
    ])
      expect(await readMask({ rle: { size: [4, 6], counts } }, size, reading)).toEqual(expected);
  });

  it("is read from polygons, whose holes are outside", async () => {
    expect(await readMask({ polygons: [[1, 1, 4, 1, 4, 3, 1, 3]] }, size, reading)).toEqual(rle);
    const hole = await readMask(
      {
        polygons: [
          [0, 0, 6, 0, 6, 4, 0, 4],
          [1, 1, 4, 1, 4, 3, 1, 3],
        ],
      },
      size,
      reading,
    );
    expect([...decodeMask(hole).data]).toEqual([...bits].map((bit) => 1 - bit));
  });

  const other = encodeMask(new Uint8Array(12).fill(1), 4, 3);
  const rejected: [string, () => MaskInput | Promise<MaskInput>, string, RegExp][] = [
    ["another size", () => ({ rle: other }), "mask.rle.size", /6x4 pixels, got 4x3/],
    ["text that is no RLE", () => ({ rle: { size: [4, 6], counts: "é" } }), "mask.rle.counts", /run-length/],
    [
      "too few runs",
      () => ({ rle: { size: [4, 6], counts: [3, 2] } }),
      "mask.rle.counts",
      /24 pixels in all, got 5/,
    ],
    ["too many runs", () => ({ rle: { size: [4, 6], counts: "o8" } }), "mask.rle.counts", /24 pixels/],
    ["no pixel", () => ({ rle: { size: [4, 6], counts: [24] } }), "mask", /at least one pixel/],
    ["text that is not base64", () => ({ png: "not base64!" }), "mask.png", /base64/],
    ["bytes that are no picture", () => ({ png: "AAAA" }), "mask.png", /PNG picture/],
    [
      "a JPEG",
      async () => ({ png: await base64(picture(1, (inside) => [inside * 255]).jpeg()) }),
      "mask.png",
      /got jpeg/,
    ],
    [
      "a PNG of another size",
      async () => ({
        png: await base64(
          picture(1, () => [255])
            .resize(3, 2)
            .png(),
        ),
      }),
      "mask.png",
      /6x4 pixels, got 3x2/,
    ],
    [
      "a PNG that is cut short",
      async () => {
        const bytes = Buffer.from(await base64(picture(1, (inside) => [inside * 255]).png()), "base64");
        return { png: bytes.subarray(0, bytes.length - 20).toString("base64") };
      },
      "mask.png",
      /PNG picture/,
    ],
    [
      "a vertex outside",
      () => ({ polygons: [[0, 0, 7, 0, 6, 4]] }),
      "mask.polygons[0][2]",
      /0..6 pixels, got 7/,
    ],
    ["a polygon without area", () => ({ polygons: [[1, 1, 2, 1, 3, 1]] }), "mask", /at least one pixel/],
  ];
  it.each(rejected)("is rejected with %s", async (_name, mask, field, message) => {
    await expect(readMask(await mask(), size, reading)).rejects.toMatchObject({
      code: "invalid_field",
      field,
      message: expect.stringMatching(message),
    });
  });
});

describe("a polygon", () => {
  it("contains the pixels whose centres are inside", () => {
    const triangle = rleOfPolygons([[0, 0, 4, 0, 0, 4]], [4, 4]);
    expect([...decodeMask(triangle).data]).toEqual([1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("agrees with a test of every centre", () => {
    const ring = [1.3, 0.2, 9.6, 3.1, 4.4, 4.9, 8.8, 9.7, 0.4, 7.3, 6.1, 5.2];
    const [width, height] = [10, 10];
    const isInside = (x: number, y: number) => {
      let inside = false;
      for (let at = 0; at < ring.length; at += 2) {
        const [x0, y0] = [ring[at] as number, ring[at + 1] as number];
        const [x1, y1] = [ring[(at + 2) % ring.length] as number, ring[(at + 3) % ring.length] as number];
        if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) inside = !inside;
      }
      return inside ? 1 : 0;
    };
    const expected = Array.from({ length: 100 }, (_, at) =>
      isInside((at % 10) + 0.5, Math.floor(at / 10) + 0.5),
    );
    const rle = rleOfPolygons([ring], [height, width]);
    expect([...decodeMask(rle).data]).toEqual(expected);
    expect(rle).toEqual(encodeMask(Uint8Array.from(expected), width, height));
  });
});
