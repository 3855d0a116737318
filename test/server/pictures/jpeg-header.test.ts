import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { coefficientBytes } from "../../../server/pictures/jpeg-header.js";

const picture = (width = 100, height = 50) =>
  sharp({ create: { width, height, channels: 3, background: "#123" } });

describe("the coefficients that a JPEG decoder keeps", () => {
  it("are none for a picture in one pass", async () => {
    expect(coefficientBytes(await picture().jpeg().toBuffer())).toBe(0);
  });

  it.each([
    // 7×4 units of 16×16 pixels, each with four blocks of brightness and two of colour.
    ["4:2:0", 7 * 4 * 6],
    // 13×7 units of 8×8 pixels with three blocks.
    ["4:4:4", 13 * 7 * 3],
  ] as const)(
    "are those of the whole picture when it is progressive and %s",
    async (chromaSubsampling, blocks) => {
      const bytes = await picture().jpeg({ progressive: true, chromaSubsampling }).toBuffer();
      expect(coefficientBytes(bytes)).toBe(blocks * 64 * 2);
    },
  );

  it("are those of the whole picture when its first scan lacks a component", async () => {
    const bytes = await picture().jpeg({ chromaSubsampling: "4:4:4" }).toBuffer();
    const scan = bytes.indexOf(Buffer.from([0xff, 0xda]));
    // One component in place of three.
    bytes[scan + 4] = 1;
    expect(coefficientBytes(bytes)).toBe(13 * 7 * 3 * 64 * 2);
  });

  it("are found behind a header with fill bytes and other segments", async () => {
    const bytes = await picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer();
    const filled = Buffer.concat([bytes.subarray(0, 2), Buffer.of(0xff, 0xff), bytes.subarray(2)]);
    expect(coefficientBytes(filled)).toBe(7 * 4 * 6 * 64 * 2);
  });

  it("cannot be determined from a header that is cut", async () => {
    const bytes = await picture().jpeg().toBuffer();
    const scan = bytes.indexOf(Buffer.from([0xff, 0xda]));
    expect(() => coefficientBytes(bytes.subarray(0, scan))).toThrow("no complete header");
  });
});
