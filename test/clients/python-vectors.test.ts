/**
 * Writes the vectors of the Python tests: messages of a server with their masks. `UPDATE_VECTORS=1 npx vitest run
 * test/clients/python-vectors.test.ts`, then `npm run format`, rewrites the file after a change of a format.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { objectsOf } from "../../clients/typescript/index.js";
import {
  encodeMask,
  encodeMessage,
  MASK_FORMATS,
  type Mask,
  packMask,
  polygonsOf,
} from "../../protocol/index.js";
import { createOutputsWriter } from "../../server/outputs.js";
import { encodeLabels } from "../../server/png.js";
import { drawn } from "../helpers/masks.js";

const file = new URL("../../clients/python/tests/vectors.json", import.meta.url);

const FRAMES: Record<string, Mask[]> = {
  "pieces, holes and overlap": [
    drawn("####...###", "#..#...###", "#..#......", "####.##...", ".....#####"),
    drawn("..........", ".....####.", "....##..##", "....##..##", ".....####."),
    drawn("#.#.#.#.#.", ".#.#.#.#.#", "#.#.#.#.#.", ".#.#.#.#.#", "#.#.#.#.#."),
  ],
  "a full column and a full picture": [drawn(".#.", ".#.", ".#."), drawn("###", "###", "###")],
  "one pixel": [drawn("#")],
  "no object": [],
};

const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

async function messagesOf(masks: readonly Mask[]) {
  const frame = {
    frameIndex: 0,
    objects: masks.map(({ data, width, height }, index) => ({
      objectId: 2 * index + 1,
      prob: 0.5,
      boxXywh: [0, 0, 1, 1] as [number, number, number, number],
      mask: encodeMask(data, width, height),
    })),
    stats: { tracked: masks.length, dropped: 0 },
  };
  const messages: Record<string, object> = {};
  for (const mask_format of MASK_FORMATS) {
    const request = { mask_format, polygon_tolerance_px: 0, output_prob_thresh: 0 };
    const outputs = await createOutputsWriter({}).write(frame, request);
    if (mask_format !== "none" && mask_format !== "label_map") {
      expect(objectsOf(outputs).map((object) => object.decodeMask())).toEqual(masks);
    }
    const message = encodeMessage({ type: "frame", frame_index: 0, outputs });
    messages[mask_format] = typeof message === "string" ? { text: message } : { base64: toBase64(message) };
  }
  return messages;
}

function rowsOf({ data, width, height }: Mask): string[] {
  return Array.from({ length: height }, (_, y) =>
    [...data.subarray(y * width, (y + 1) * width)].map((bit) => (bit ? "#" : ".")).join(""),
  );
}

function largeMask() {
  const [width, height] = [1920, 1080];
  // Integer arithmetic: the same on every machine.
  const bits = Uint8Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [(at % width) - 960, Math.floor(at / width) - 540];
    const squared = x * x + y * y;
    return (squared < 160_000 && squared > 10_000) || (Math.abs(x + y) < 40 && x > 0) ? 1 : 0;
  });
  const rle = encodeMask(bits, width, height);
  return { rle, packed: toBase64(packMask(rle)), polygons: polygonsOf(rle, 1) };
}

it("writes the vectors that the Python tests read", async () => {
  const frames: object[] = [];
  for (const [name, masks] of Object.entries(FRAMES)) {
    const expected = Object.fromEntries(masks.map((mask, index) => [2 * index + 1, rowsOf(mask)]));
    frames.push({ name, masks: expected, messages: await messagesOf(masks) });
  }
  const labels16 = (await encodeLabels(Uint16Array.of(0, 1, 256, 300), 2, 2, 300)).toString("base64");
  const vectors = { frames, labels16, large: largeMask() };
  if (process.env.UPDATE_VECTORS) writeFileSync(file, `${JSON.stringify(vectors)}\n`);
  // PNGs depend on the version of zlib: only what they decode to must agree.
  const withoutPngs = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replace(/iVBORw0K[\w+/=]*/g, "PNG"));
  expect(withoutPngs(JSON.parse(readFileSync(file, "utf8")))).toEqual(withoutPngs(vectors));
});
