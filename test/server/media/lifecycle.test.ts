import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import type { FrameRange } from "../../../server/media/source.js";
import { ffmpegChildren, makeClip, readFrameNumber } from "../../helpers/media.js";

const size = { width: 64, height: 48 };
const all: FrameRange = { startFrame: 0, count: 9999, direction: "forward", ...size };
const long = () =>
  makeClip({ name: "long.mp4", frames: 3000, ...size, encoder: ["-c:v", "mpeg4", "-q:v", "4", "-g", "100"] });

describe("the ffmpeg of a stream", () => {
  it("ends before the loop that reads it ends", async () => {
    const media = await openMedia(await long());
    for (const direction of ["forward", "backward"] as const) {
      for await (const { index } of media.frames({ ...all, startFrame: 1500, direction })) {
        if (direction === "forward") expect(ffmpegChildren()).toHaveLength(1);
        if (index === (direction === "forward" ? 1505 : 1495)) break;
      }
      expect(ffmpegChildren()).toEqual([]);
    }
    await media.close();
  });

  it("ends when the consumer throws", async () => {
    const media = await openMedia(await long());
    const consume = async () => {
      for await (const { index } of media.frames(all)) if (index === 3) throw new Error("enough");
    };
    await expect(consume()).rejects.toThrow("enough");
    expect(ffmpegChildren()).toEqual([]);
    await media.close();
  });

  it("ends at once when the signal aborts, also while a frame is awaited", async () => {
    const media = await openMedia(await long());
    const abort = new AbortController();
    const frames = media.frames({ ...all, signal: abort.signal });
    await frames.next();
    // Far more frames than are buffered, so that the last ones have to be awaited.
    const waiting = Promise.all(Array.from({ length: 2990 }, () => frames.next()));
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    expect(ffmpegChildren()).toEqual([]);
    await expect(media.frame(5, { ...size, signal: AbortSignal.abort(new Error("late")) })).rejects.toThrow(
      "late",
    );
    await media.close();
  });

  it("ends with the source, even when its stream is no longer read", async () => {
    const media = await openMedia(await long());
    const abandoned = [media.frames(all), media.frames({ ...all, startFrame: 2000 })];
    await Promise.all(abandoned.map((frames) => frames.next()));
    const justStarted = media.frames(all).next();
    expect(ffmpegChildren().length).toBeGreaterThanOrEqual(2);
    justStarted.catch(() => {});
    await media.close();
    expect(ffmpegChildren()).toEqual([]);
    await expect(justStarted).rejects.toThrow("closed");
    await expect(media.frame(0, size)).rejects.toThrow("closed");
    await media.close();
  });

  it("waits for a consumer that pauses, without filling memory, and misses no frame", async () => {
    const media = await openMedia(await long());
    const large = { width: 640, height: 480 };
    const frames = media.frames({ ...all, ...large });
    await frames.next();
    await delay(300);
    const before = process.memoryUsage();
    await delay(1500);
    const after = process.memoryUsage();
    // The whole video is 2.7 GB at this size. At most the pipe and two frames may be in flight.
    expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(8e6);
    const { value } = await frames.next();
    expect(readFrameNumber(value?.rgb as Uint8Array, 640, 480)).toBe(1);
    await frames.return?.();
    await media.close();
  });

  it("yields three thousand frames in order without growing memory", async () => {
    const media = await openMedia(await long());
    expect(media.facts.numFrames).toBe(3000);
    let expected = 0;
    let peak = 0;
    const start = process.memoryUsage();
    for await (const { index, rgb } of media.frames(all)) {
      if (index !== expected++ || readFrameNumber(rgb, 64, 48) !== index)
        throw new Error(`wrong frame at ${index}`);
      if (index % 50) continue;
      const { arrayBuffers, external } = process.memoryUsage();
      peak = Math.max(peak, arrayBuffers + external - start.arrayBuffers - start.external);
    }
    expect(expected).toBe(3000);
    expect(peak).toBeLessThan(100e6);
    await media.close();
  });
});
