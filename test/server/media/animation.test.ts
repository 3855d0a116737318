import { readFile, writeFile } from "node:fs/promises";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { FrameRange, MediaSource } from "../../../server/media/source.js";
import { mediaPath, openInTest, paintFrame, readFrameNumber, runFfmpegTool } from "../../helpers/media.js";

const size = { width: 96, height: 64 };
const forward: FrameRange = { startFrame: 0, count: 9999, direction: "forward", ...size };
const FRAMES = 10;

/** Pictures 0 to 9, each shown for 100 ms unless `delay` is given. */
async function makeAnimation(name: string, delay = 100): Promise<string> {
  const path = mediaPath(name);
  const pictures = Array.from({ length: FRAMES }, (_, i) => paintFrame(i, 96, 64));
  if (name.endsWith("png")) {
    const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", String(1000 / delay)];
    await runFfmpegTool([...input, "-i", "pipe:0", "-f", "apng", path], pictures);
    return path;
  }
  const pages = await Promise.all(
    pictures.map((raw) =>
      sharp(raw, { raw: { ...size, channels: 3 } })
        .png()
        .toBuffer(),
    ),
  );
  const animation = sharp(pages, { join: { animated: true } });
  const options = { delay: Array(FRAMES).fill(delay), loop: 0 };
  await writeFile(
    path,
    await (name.endsWith("gif")
      ? animation.gif(options)
      : animation.webp({ ...options, lossless: true })
    ).toBuffer(),
  );
  return path;
}

async function numbers(media: MediaSource, range: Partial<FrameRange> = {}): Promise<number[]> {
  const seen: number[] = [];
  const { width, height } = { ...forward, ...range };
  for await (const { rgb, index, timestampUs } of media.frames({ ...forward, ...range })) {
    expect(timestampUs).toBe(media.timeOf(index));
    expect(readFrameNumber(rgb, width, height)).toBe(index);
    seen.push(index);
  }
  return seen;
}

describe.each(["gif", "webp", "png"])("an animated %s", (format) => {
  it("is a video, the same by stream and at random, forward and backward", async () => {
    const media = await openInTest(await makeAnimation(`animated.${format}`));
    expect(media.facts).toMatchObject({
      ...{ kind: "video", ...size, numFrames: FRAMES, fps: 10, startTimeUs: 0, durationS: 1 },
      codec: format === "png" ? "apng" : format,
    });
    expect(await numbers(media)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await numbers(media, { startFrame: 4, count: 3 })).toEqual([4, 5, 6]);
    expect(await numbers(media, { startFrame: 8, count: 3, direction: "backward" })).toEqual([8, 7, 6]);
    expect(await numbers(media, { startFrame: 3, count: 2, width: 192, height: 128 })).toEqual([3, 4]);
    expect([0, 3, 9].map((index) => media.timeOf(index))).toEqual([0, 300_000, 900_000]);
    for (const index of [9, 0, 5]) {
      expect(readFrameNumber((await media.frame(index, size)).rgb, 96, 64)).toBe(index);
    }
    await expect(media.frame(10, size)).rejects.toMatchObject({ code: "frame_out_of_range" });
    await media.close();
  });

  it("shows pictures without a delay for 100 ms, as browsers do", async () => {
    const media = await openInTest(await makeAnimation(`hasty.${format}`, 10));
    expect(media.timeOf(3)).toBe(300_000);
    await media.close();
  });

  it("ends its streams when it is closed", async () => {
    const media = await openInTest(await makeAnimation(`closed.${format}`));
    const frames = media.frames(forward);
    await frames.next();
    await media.close();
    await expect(frames.next()).rejects.toThrow("closed");
  });
});

it("a GIF or PNG cut short shows its last readable picture in place of the missing ones", async () => {
  for (const format of ["gif", "png"]) {
    const bytes = await readFile(await makeAnimation(`cut-source.${format}`));
    const path = mediaPath(`cut.${format}`);
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    const media = await openInTest(path);
    expect(media.facts.numFrames).toBeGreaterThan(2);
    let last = -1;
    for await (const { index, rgb, damaged } of media.frames(forward)) {
      const random = await media.frame(index, size);
      expect([Buffer.compare(random.rgb, rgb), random.damaged]).toEqual([0, damaged]);
      if (!damaged) last = Math.max(last, index);
    }
    expect(last).toBeGreaterThan(1);
  }
});

it("transparent pixels of an animation are black", async () => {
  for (const format of ["gif", "webp"] as const) {
    const page = (alpha: number) =>
      sharp({ create: { ...size, channels: 4, background: { r: 255, g: 255, b: 255, alpha } } })
        .png()
        .toBuffer();
    const path = mediaPath(`clear.${format}`);
    const animation = sharp([await page(0), await page(1)], { join: { animated: true } });
    await writeFile(path, await animation.toFormat(format).toBuffer());
    const media = await openInTest(path);
    expect(media.facts).toMatchObject({ kind: "video", numFrames: 2 });
    const brightest = async (index: number) => Math.max(...(await media.frame(index, size)).rgb);
    expect([await brightest(0), await brightest(1)]).toEqual([0, 255]);
  }
});
