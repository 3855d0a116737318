/** The drawing parts of the demo; the whole of it is the command's parts, which have tests of their own. */
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { SHEET_WIDTH, type SheetTile, writeContactSheet } from "../../clients/demo/contact-sheet.js";
import { ACTORS, actorCentre, CLIP, drawActors } from "../../clients/demo/scene.js";
import { spreadEvenly } from "../../clients/demo/tiles.js";
import { mediaPath } from "../helpers/media.js";

async function pixelsOf(svg: string) {
  const { data, info } = await sharp(Buffer.from(svg))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return (x: number, y: number) => [...data.subarray((y * info.width + x) * 4, (y * info.width + x) * 4 + 4)];
}

describe("the demo's scene", () => {
  it("shows the pebble at the click, and the red circle at its pose", async () => {
    for (const frame of [0, 40, CLIP.frameCount - 1]) {
      const pixel = await pixelsOf(drawActors(frame));
      const [x, y] = actorCentre("red circle", frame).map(Math.round) as [number, number];
      if (frame === 0) expect(pixel(x, y)).toEqual([0xe0, 0x25, 0x2b, 255]);
      const [px, py] = actorCentre("pebble", frame).map(Math.round) as [number, number];
      expect(pixel(px, py)[3]).toBe(255);
    }
  });

  it("brings a second green star in while it runs", () => {
    const stars = ACTORS.filter(({ name }) => name === "green star");
    const visible = (seconds: number) =>
      stars.filter(({ pose }) => pose(seconds).x > 0 && pose(seconds).x < CLIP.width).length;
    expect([visible(0), visible(CLIP.frameCount / CLIP.fps)]).toEqual([1, 2]);
  });
});

describe("the contact sheet", () => {
  const tile = (colour: number): SheetTile => ({
    caption: "frame 1",
    picture: { width: 64, height: 36, rgb: new Uint8Array(64 * 36 * 3).fill(colour) },
  });

  it("shows its tiles in rows of four below a heading and a legend", async () => {
    const path = mediaPath("sheet.png");
    const legend = [
      { label: "clicked", objectIds: [0] },
      { label: '"red circle"', objectIds: [] },
    ];
    const tiles = [tile(10), tile(60), tile(110), tile(160), tile(210)];
    await writeContactSheet(path, { title: "masklet", subtitle: "a test", legend, tiles });
    const { width, height } = await sharp(path).metadata();
    expect(width).toBe(SHEET_WIDTH);
    const grey = await sharp(path).greyscale().raw().toBuffer();
    const at = (x: number, y: number) => grey[y * SHEET_WIDTH + x] ?? 0;
    const near = (value: number, wanted: number) => Math.abs(value - wanted) <= 3;
    // The first row's tiles, from left to right, somewhere below the legend; the fifth begins the second row.
    const rowOf = (wanted: number, x: number) =>
      Array.from({ length: height ?? 0 }, (_, y) => y).filter((y) => near(at(x, y), wanted));
    const [first, second, fourth, fifth] = [
      rowOf(10, 180),
      rowOf(60, 520),
      rowOf(160, 1180),
      rowOf(210, 180),
    ];
    expect(second.length).toBeGreaterThan(170);
    expect(fourth).toEqual(second);
    expect(first.length).toBeGreaterThan(0);
    expect(Math.min(...fifth)).toBeGreaterThan(Math.max(...second));
  });
});

describe("the frames of the contact sheet", () => {
  it("are spread evenly from the first to the last", () => {
    expect(spreadEvenly(168, 12)).toEqual([0, 15, 30, 46, 61, 76, 91, 106, 121, 137, 152, 167]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 20 }), (total, count) => {
        const frames = spreadEvenly(total, count);
        expect(frames).toHaveLength(Math.min(total, count));
        expect(new Set(frames).size).toBe(frames.length);
        expect(frames[0]).toBe(0);
        if (count > 1) expect(frames.at(-1)).toBe(total - 1);
      }),
    );
  });
});
