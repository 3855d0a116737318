/** Formats of pictures and videos, read again frame by frame. */
import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { type CocoRle, decodeMask } from "../../protocol/index.js";
import type { ExportPicture, ExportSource } from "../../server/exports/source.js";
import { mediaPath, openInTest } from "../helpers/media.js";
import { exportAll, maskWhere, scene, sourceOf } from "./sources.js";

const [WIDTH, HEIGHT] = [96, 64];
/** Not evenly spaced, and not from 0. */
const TIMES_MS = [400, 440, 500, 700, 720, 1000];
const square = (frame: number): CocoRle =>
  maskWhere(WIDTH, HEIGHT, (x, y) => x >= 8 + 8 * frame && x < 40 + 8 * frame && y >= 16 && y < 48);

/** Every picture is of one grey: 20 more from frame to frame. */
function video(): ExportSource {
  return sourceOf({
    width: WIDTH,
    height: HEIGHT,
    frames: TIMES_MS.map((ms, frameIndex) => ({
      frameIndex,
      timestampUs: 1000 * ms,
      masks: frameIndex === 3 ? new Map() : new Map([[1, square(frameIndex)]]),
    })),
    async *pictures(): AsyncGenerator<ExportPicture> {
      for (const frameIndex of TIMES_MS.keys()) {
        yield { frameIndex, rgb: new Uint8Array(3 * WIDTH * HEIGHT).fill(100 + 20 * frameIndex) };
      }
    },
  });
}

async function openExport(format: string, query: Record<string, string>, path: string) {
  const files = await exportAll(video(), format, query);
  const bytes = files.get(path);
  expect([...files.keys()]).toContain(path);
  const saved = mediaPath(path);
  await writeFile(saved, bytes as Buffer);
  return openInTest(saved);
}

describe("videos", () => {
  test.each([
    ["mask-mp4", {}, "object_1.mp4"],
    ["overlay", { container: "mp4" }, "clip.overlay.mp4"],
    ["overlay", { container: "webm" }, "clip.overlay.webm"],
    ["overlay", { container: "gif" }, "clip.overlay.gif"],
    ["cutout-webm", {}, "clip.cutout.webm"],
  ])("%s %j has every frame at its time", async (format, query, path) => {
    const { facts, ...media } = await openExport(format, query, path);
    expect([facts.width, facts.height, facts.numFrames]).toEqual([WIDTH, HEIGHT, TIMES_MS.length]);
    const times = TIMES_MS.map((_, frame) => Math.round((media.timeOf(frame) ?? 0) / 1000));
    expect(times).toEqual(TIMES_MS.map((ms) => ms - 400));
  });

  test("the masks of a video are those of the session", async () => {
    const media = await openExport("mask-mp4", {}, "object_1.mp4");
    for await (const { index, rgb } of media.frames({
      ...{ startFrame: 0, count: 6, direction: "forward", width: WIDTH, height: HEIGHT },
    })) {
      const inside = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) =>
        (rgb[3 * at] ?? 0) > 127 ? 1 : 0,
      );
      const expected = index === 3 ? new Uint8Array(WIDTH * HEIGHT) : decodeMask(square(index)).data;
      expect(inside, `frame ${index}`).toEqual(expected);
    }
  });

  test("an overlay shows the pictures outside the masks and the colour of the object inside", async () => {
    const media = await openExport("overlay", {}, "clip.overlay.mp4");
    for (const index of [0, 3, 5]) {
      const { rgb } = await media.frame(index, { width: WIDTH, height: HEIGHT });
      const pixel = (x: number, y: number) => [...rgb.subarray(3 * (y * WIDTH + x), 3 * (y * WIDTH + x) + 3)];
      const grey = 100 + 20 * index;
      for (const value of pixel(4, 4)) expect(Math.abs(value - grey)).toBeLessThan(8);
      const [red, , blue] = pixel(24 + 8 * index, 32) as [number, number, number];
      if (index === 3) expect(Math.abs(red - blue)).toBeLessThan(8);
      else expect(blue - red).toBeGreaterThan(30);
    }
  });

  test("a video with transparency is transparent outside the masks", async () => {
    const files = await exportAll(video(), "cutout-webm");
    // AlphaMode 1 in Matroska: the element 53C0 of one byte.
    expect(files.get("clip.cutout.webm")?.includes(Buffer.from([0x53, 0xc0, 0x81, 0x01]))).toBe(true);
  });
});

describe("pictures", () => {
  test("cut-outs have the pixels of the mask, everything else is transparent", async () => {
    const files = await exportAll(video(), "cutout-png");
    expect([...files.keys()]).toEqual([0, 1, 2, 4, 5].map((frame) => `object_1/0000${frame}.png`));
    const { data, info } = await sharp(files.get("object_1/00002.png"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([WIDTH, HEIGHT, 4]);
    const inside = decodeMask(square(2)).data;
    for (let at = 0; at < inside.length; at++) {
      const expected = inside[at] === 1 ? [140, 140, 140, 255] : [0, 0, 0, 0];
      expect([...data.subarray(4 * at, 4 * at + 4)]).toEqual(expected);
    }
  });

  test("cropped cut-outs have the size of the box", async () => {
    const files = await exportAll(video(), "cutout-png", { crop: "true" });
    const { data, info } = await sharp(files.get("object_1/00002.png"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([32, 32]);
    expect(new Set(data)).toEqual(new Set([140, 255]));
  });

  test("binary PNGs are the masks, black where there is none", async () => {
    const files = await exportAll(video(), "mask-png");
    expect(files.size).toBe(6);
    for (const [frame] of TIMES_MS.entries()) {
      const { data } = await sharp(files.get(`object_1/0000${frame}.png`))
        .toColourspace("b-w")
        .raw()
        .toBuffer({ resolveWithObject: true });
      const expected = frame === 3 ? new Uint8Array(WIDTH * HEIGHT) : decodeMask(square(frame)).data;
      expect(data.map((value) => (value > 0 ? 1 : 0))).toEqual(Buffer.from(expected));
    }
  });

  test("the values of DAVIS are the objects in order; the later object covers the earlier one", async () => {
    const source = scene();
    const files = await exportAll(source, "davis");
    expect(JSON.parse(files.get("objects.json")?.toString() ?? "")).toMatchObject([
      { value: 1, object_id: 0, category: "dog" },
      { value: 2, object_id: 2, category: "car" },
      { value: 3, object_id: 5 },
    ]);
    for await (const { frameIndex, masks } of source.frames()) {
      const png = files.get(`Annotations/clip/0000${frameIndex}.png`) as Buffer;
      // The value of a pixel is its colour in the palette; the palette is part of the file.
      const palette = png.subarray(png.indexOf("PLTE") + 4);
      const { data } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      const values = new Map(
        [0, 1, 2, 3].map((value) => [palette.subarray(3 * value, 3 * value + 3).toString("hex"), value]),
      );
      const expected = new Uint8Array(640 * 480);
      for (const { objectId, mask } of masks) {
        const value = [0, 2, 5].indexOf(objectId) + 1;
        decodeMask(mask).data.forEach((inside, at) => {
          if (inside === 1) expected[at] = value;
        });
      }
      const seen = expected.map(
        (_, at) => values.get(data.subarray(3 * at, 3 * at + 3).toString("hex")) ?? 99,
      );
      expect(Buffer.compare(Buffer.from(seen), Buffer.from(expected)), `frame ${frameIndex}`).toBe(0);
    }
  });
});
