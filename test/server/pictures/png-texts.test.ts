import sharp from "sharp";
import { expect, test } from "vitest";
import { withoutTexts } from "../../../server/pictures/png-texts.js";
import { pngWithTexts } from "../../helpers/hostile-pictures.js";

test("texts are removed from a PNG, and nothing else", () => {
  const plain = pngWithTexts(0, 0);
  expect(withoutTexts(Buffer.from(pngWithTexts(3, 100)))).toEqual(plain);
  expect(withoutTexts(Buffer.from(plain))).toEqual(plain);
});

test("a PNG without texts stays as it is", async () => {
  const picture = sharp({ create: { width: 9, height: 9, channels: 4, background: "#1234" } });
  const bytes = await picture.withMetadata({ orientation: 6 }).png().toBuffer();
  expect(withoutTexts(Buffer.from(bytes))).toEqual(bytes);
});

test("a PNG that is cut short keeps its last, incomplete part", () => {
  const plain = pngWithTexts(0, 0);
  const cut = pngWithTexts(2, 100).subarray(0, -20);
  expect(withoutTexts(Buffer.from(cut))).toEqual(plain.subarray(0, -20));
  expect(withoutTexts(Buffer.from(plain.subarray(0, 8)))).toEqual(plain.subarray(0, 8));
});
