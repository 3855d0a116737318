/** What is drawn over the picture, and what becomes of it on disk. */
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { FrameLog } from "../../clients/command/frame-log.js";
import { openFrameLog } from "../../clients/command/frame-log.js";
import { ffmpegPath } from "../../clients/command/media.js";
import { renderOverlay } from "../../clients/command/render.js";
import { openEncoder } from "../../clients/drawing/encode.js";
import { drawText } from "../../clients/drawing/glyphs.js";
import { drawOutputs } from "../../clients/drawing/overlay.js";
import { createOverlayStyle } from "../../clients/drawing/overlay-style.js";
import { encodeMask, type FrameMessage, type Mask, maskBox } from "../../protocol/index.js";
import { drawMask } from "../../server/drawing/draw-mask.js";
import { colourOf } from "../../server/drawing/palette.js";
import { drawSprite } from "../../server/drawing/picture.js";
import { openMedia } from "../../server/media/open.js";
import { makeClip, mediaPath, readFrameNumber } from "../helpers/media.js";

const SIZE = 12;
const GREY = 90;
const greyPicture = (width = SIZE, height = SIZE) => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(GREY),
});

const someMask = fc
  .array(fc.integer({ min: 0, max: 1 }), { minLength: SIZE * SIZE, maxLength: SIZE * SIZE })
  .map((bits): Mask => ({ width: SIZE, height: SIZE, data: Uint8Array.from(bits) }));

const boxOf = (mask: Mask) => maskBox(encodeMask(mask.data, mask.width, mask.height));

describe("a mask on a picture", () => {
  it("colours every pixel inside, darkens those that touch it, and leaves the rest alone", () => {
    fc.assert(
      fc.property(someMask, fc.integer({ min: 1, max: 4 }), (mask, thickness) => {
        const picture = greyPicture();
        drawMask(picture, mask, boxOf(mask), [255, 0, 0], thickness);
        for (let y = 0; y < SIZE; y++) {
          for (let x = 0; x < SIZE; x++) {
            const inside = (column: number, row: number) =>
              column >= 0 && row >= 0 && column < SIZE && row < SIZE && mask.data[row * SIZE + column] === 1;
            const touches = inside(x - 1, y) || inside(x + 1, y) || inside(x, y - 1) || inside(x, y + 1);
            const [red = 0, green = 0] = picture.rgb.subarray((y * SIZE + x) * 3);
            if (inside(x, y)) expect(red).toBeGreaterThan(GREY + 50);
            else if (touches) expect(Math.max(red, green)).toBeLessThan(GREY - 20);
            else expect([red, green]).toEqual([GREY, GREY]);
          }
        }
      }),
    );
  });

  it("has an outline as thick as asked for around a paler fill", () => {
    const picture = greyPicture(20, 20);
    const data = new Uint8Array(400);
    for (let y = 3; y < 17; y++) data.fill(1, y * 20 + 3, y * 20 + 17);
    drawMask(picture, { width: 20, height: 20, data }, [3, 3, 14, 14], [255, 0, 0], 2);
    const reds = Array.from({ length: 20 }, (_, x) => picture.rgb[(10 * 20 + x) * 3] ?? 0);
    const strong = reds.flatMap((red, x) => (red > 230 ? [x] : []));
    expect(strong).toEqual([3, 4, 15, 16]);
    expect(reds[10]).toBeGreaterThan(GREY + 50);
  });

  it("must have the size of the picture", () => {
    const mask = { width: 4, height: 4, data: new Uint8Array(16).fill(1) };
    expect(() => drawMask(greyPicture(), mask, [0, 0, 4, 4], [1, 2, 3], 1)).toThrow(/mask of 12x12.*4x4/);
  });
});

describe("the objects of a frame", () => {
  const outputs = (ids: number[], masks: Mask[]) => ({
    out_obj_ids: ids,
    out_probs: ids.map(() => 1),
    out_boxes_xywh: ids.map((): [number, number, number, number] => [0, 0, 1, 1]),
    out_binary_masks: masks.map(({ data, width, height }) => encodeMask(data, width, height)),
    out_states: [],
    frame_stats: null,
  });

  it("have their own colours, and badges that stay inside the picture", async () => {
    const [width, height] = [120, 80];
    const corner = (x0: number, y0: number): Mask => {
      const data = new Uint8Array(width * height);
      for (let y = y0; y < y0 + 30; y++) data.fill(1, y * width + x0, y * width + x0 + 40);
      return { width, height, data };
    };
    const picture = greyPicture(width, height);
    const style = createOverlayStyle(picture);
    await drawOutputs(picture, outputs([3, 14], [corner(0, 0), corner(80, 50)]), style);
    const has = (id: number) => {
      const [red, green, blue] = colourOf(id);
      return Array.from({ length: width * height }, (_, at) => at * 3).some(
        (at) => picture.rgb[at] === red && picture.rgb[at + 1] === green && picture.rgb[at + 2] === blue,
      );
    };
    expect([has(3), has(14), has(7)]).toEqual([true, true, false]);
  });

  it("have colours that differ between neighbouring ids, however many there are", () => {
    for (let id = 0; id < 60; id++) {
      const [a, b] = [colourOf(id), colourOf(id + 1)];
      const distance = a.reduce((sum, channel, index) => sum + Math.abs(channel - (b[index] ?? 0)), 0);
      expect(distance, `colours of ${id} and ${id + 1}`).toBeGreaterThan(90);
      expect(a.every((channel) => channel >= 0 && channel <= 255)).toBe(true);
    }
  });

  it("may carry sprites that reach over the edge", () => {
    const picture = greyPicture(4, 4);
    const sprite = { width: 3, height: 3, rgba: new Uint8Array(36).fill(255) };
    drawSprite(picture, sprite, -2, 3);
    const white = [...picture.rgb].flatMap((value, at) => (value === 255 && at % 3 === 0 ? [at / 3] : []));
    expect(white).toEqual([12]);
  });
});

describe("text", () => {
  it("is drawn without any font: each letter leaves its own ink inside the width it announces", async () => {
    const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789.,:-+/()'\"?"];
    const drawn = await Promise.all(
      letters.map(async (letter) => {
        const { svg, width } = drawText(letter, { x: 4, y: 30, size: 24, colour: "#fff" });
        expect(svg).not.toContain("<text");
        const page = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48">${svg}</svg>`;
        const ink = await sharp(Buffer.from(page)).extractChannel(3).raw().toBuffer();
        const columns = [...ink].flatMap((alpha, at) => (alpha > 128 ? [at % 48] : []));
        expect(columns.length, letter).toBeGreaterThan(4);
        expect(Math.min(...columns), letter).toBeGreaterThanOrEqual(3);
        expect(Math.max(...columns), letter).toBeLessThanOrEqual(5 + width);
        return ink.toString("base64");
      }),
    );
    expect(new Set(drawn).size).toBe(letters.length);
  });

  it("grows with its letters, and shows a question mark for unknown characters", () => {
    const style = { x: 0, y: 0, size: 8, colour: "#fff" };
    expect(drawText("Red circle", style)).toEqual(drawText("red circle", style));
    expect(drawText("ab", style).width).toBeGreaterThan(drawText("a", style).width);
    expect(drawText("ß", style)).toEqual(drawText("?", style));
    expect(drawText("", style).width).toBe(0);
  });
});

/** Frames that are known, instead of a file. */
function logOf(frames: Map<number, FrameMessage>): FrameLog {
  return {
    append: async () => {},
    read: async (index) => frames.get(index),
    close: async () => {},
  };
}

function frameWith(frameIndex: number, mask: Mask): FrameMessage {
  return {
    type: "frame",
    request_id: "1",
    session_id: "s",
    frame_index: frameIndex,
    timestamp_us: null,
    outputs: {
      out_obj_ids: [0],
      out_probs: [1],
      out_boxes_xywh: [[0, 0, 1, 1]],
      out_binary_masks: [encodeMask(mask.data, mask.width, mask.height)],
      out_states: [],
      frame_stats: null,
    },
  };
}

describe("the rendered video", () => {
  it("has every frame of the source in order, each with its own masks", async () => {
    const [width, height, count] = [192, 128, 10];
    const video = await openMedia(
      await makeClip({ name: "rendered.mp4", frames: count, width, height, fps: 12 }),
    );
    // A bar at the bottom that is as wide as the frame's number says; one frame was not tracked.
    const frames = new Map<number, FrameMessage>();
    for (let index = 0; index < count; index++) {
      if (index === 4) continue;
      const data = new Uint8Array(width * height);
      for (let y = 120; y < height; y++) data.fill(1, y * width + 40, y * width + 40 + 8 * (index + 1));
      frames.set(index, frameWith(index, { width, height, data }));
    }
    const path = mediaPath("rendered-overlay.mp4");
    let drawn = 0;
    await renderOverlay({ video, frames: logOf(frames), path, onFrame: () => drawn++ });
    await video.close();
    expect(drawn).toBe(count);

    const result = await openMedia(path);
    expect(result.facts).toMatchObject({ width, height, numFrames: count, fps: 12 });
    const range = { startFrame: 0, count, direction: "forward", width, height } as const;
    for await (const { index, rgb } of result.frames(range)) {
      expect(readFrameNumber(rgb, width, height)).toBe(index);
      const isRed = (x: number) => {
        const at = (124 * width + x) * 3;
        return (rgb[at] ?? 0) - (rgb[at + 1] ?? 0) > 30;
      };
      const reddened = Array.from({ length: 100 }, (_, x) => x + 36).filter(isRed).length;
      expect(Math.abs(reddened - (index === 4 ? 0 : 8 * (index + 1))), `frame ${index}`).toBeLessThanOrEqual(
        5,
      );
    }
    await result.close();
  });

  it("keeps the time of each frame of a variable rate, and is as long as the source", async () => {
    const timesMs = "if(lt(N,20),N*1000/30,20*1000/30+(N-20)*5000)";
    const clip = await makeClip({ name: "uneven.mkv", frames: 26, fps: 30, timesMs });
    const video = await openMedia(clip);
    for (const extension of ["mp4", "mkv", "mov"]) {
      const path = mediaPath(`uneven-overlay.${extension}`);
      await renderOverlay({ video, frames: logOf(new Map()), path });
      const result = await openMedia(path);
      expect(result.facts.numFrames).toBe(26);
      const range = { startFrame: 0, count: 26, direction: "forward", width: 96, height: 64 } as const;
      for await (const { index, rgb, timestampUs } of result.frames(range)) {
        expect(readFrameNumber(rgb, 96, 64)).toBe(index);
        expect(Math.abs(Number(timestampUs) - Number(video.timeOf(index)))).toBeLessThanOrEqual(1000);
      }
      await result.close();
    }
    await video.close();
  });

  it("is even-sized for players: an odd size grows by a pixel that repeats the edge", async () => {
    const path = mediaPath("odd.mp4");
    const [width, height] = [33, 21];
    const encoder = openEncoder(path, { width, height, fps: 30000 / 1001, ffmpegPath: ffmpegPath() });
    for (let frame = 0; frame < 3; frame++) await encoder.write(new Uint8Array(width * height * 3).fill(200));
    await encoder.finish();
    await encoder.abort();
    const media = await openMedia(path);
    expect(media.facts).toMatchObject({ width: 34, height: 22, numFrames: 3, codec: "h264" });
    expect(media.facts.fps).toBeCloseTo(29.97, 2);
    const { rgb } = await media.frame(1, { width: 34, height: 22 });
    expect(Math.min(...rgb)).toBeGreaterThan(190);
    await media.close();
  });

  it("reports an ffmpeg that cannot be started, or that ends early, where frames are written", async () => {
    const [width, height] = [64, 64];
    for (const [binary, message] of [
      ["/no/such/ffmpeg", /^ffmpeg \(\/no\/such\/ffmpeg\) could not be started/],
      ["/bin/false", /early\.mp4 cannot be written: ffmpeg ended with 1/],
    ] as const) {
      const encoder = openEncoder(mediaPath("early.mp4"), { width, height, fps: 25, ffmpegPath: binary });
      const writing = async () => {
        for (let frame = 0; frame < 1000; frame++) await encoder.write(new Uint8Array(width * height * 3));
      };
      await expect(writing()).rejects.toThrow(message);
      await expect(encoder.finish()).rejects.toThrow(message);
      await encoder.abort();
    }
  });

  it("leaves nothing behind when it cannot be finished", async () => {
    const video = await openMedia(await makeClip({ name: "broken-off.mp4", frames: 6 }));
    const path = mediaPath("broken-off-overlay.mp4");
    const wrongSize = { width: 2, height: 2, data: new Uint8Array(4).fill(1) };
    const frames = logOf(new Map([[3, frameWith(3, wrongSize)]]));
    await expect(renderOverlay({ video, frames, path })).rejects.toThrow(/expected a mask of 96x64/);
    await expect(readFile(path)).rejects.toThrow(/ENOENT/);
    const nowhere = mediaPath("x").replace(/x$/, "missing/overlay.mp4");
    await expect(renderOverlay({ video, frames: logOf(new Map()), path: nowhere })).rejects.toThrow(
      /cannot be written/,
    );
    await video.close();
  });
});

describe("the frame log", () => {
  it("keeps lines in the order of arrival and finds each frame again", async () => {
    const path = mediaPath("log.jsonl");
    const log = await openFrameLog(path);
    const mask = { width: 3, height: 2, data: Uint8Array.from([0, 1, 1, 0, 1, 0]) };
    const frames = [5, 6, 4].map((index) => ({ ...frameWith(index, mask), session_id: `é${index}` }));
    for (const frame of frames) await log.append(frame);
    expect(await log.read(4)).toEqual(frames[2]);
    expect(await log.read(5)).toEqual(frames[0]);
    expect(await log.read(7)).toBeUndefined();
    await log.close();
    expect(await readFile(path, "utf8")).toBe(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(""));
  });
});
