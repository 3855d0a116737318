import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import type { FrameRange, MediaFrame, MediaSource } from "../../../server/media/source.js";
import {
  expectToolsEnd,
  makeClip,
  makeLateVideo,
  mediaPath,
  readCorners,
  readFrameNumber,
  runFfmpegTool,
} from "../../helpers/media.js";

const size = { width: 96, height: 64 };
const opened: MediaSource[] = [];

async function open(path: string): Promise<MediaSource> {
  const media = await openMedia(path);
  opened.push(media);
  return media;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((media) => media.close()));
  await expectToolsEnd();
});

async function collect(media: MediaSource, range: Partial<FrameRange> = {}): Promise<MediaFrame[]> {
  const full: FrameRange = { startFrame: 0, count: 9999, direction: "forward", ...size, ...range };
  const frames: MediaFrame[] = [];
  for await (const frame of media.frames(full)) frames.push(frame);
  return frames;
}

/** The numbers drawn in the pictures; NaN for a frame whose index differs from its number. */
function numbersOf(frames: MediaFrame[], { width, height } = size): number[] {
  return frames.map(({ index, rgb }) => {
    const number = readFrameNumber(rgb, width, height);
    return number === index ? number : Number.NaN;
  });
}

/** Index, time and pixels, in a form that compares quickly. */
const identityOf = ({ index, timestampUs, rgb }: MediaFrame) =>
  `${index} at ${timestampUs}: ${createHash("sha1").update(rgb).digest("hex")}`;

const upTo = (end: number, start = 0) => Array.from({ length: end - start }, (_, i) => start + i);
const x264 = (...options: string[]) => ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", ...options];
const vpx = (codec: string) => [
  "-c:v",
  codec,
  "-deadline",
  "realtime",
  "-cpu-used",
  "8",
  "-g",
  "12",
  "-b:v",
  "1M",
];
const x265 = ["-preset", "ultrafast", "-x265-params", "open-gop=1:keyint=12:bframes=3:log-level=none"];

describe.each([
  ["MP4 with B-frames", { name: "plain.mp4" }],
  ["QuickTime", { name: "plain.mov", encoder: x264("-g", "8") }],
  ["WebM, VP9", { name: "vp9.webm", encoder: vpx("libvpx-vp9") }],
  ["WebM, VP8 with hidden reference frames", { name: "vp8.webm", encoder: vpx("libvpx") }],
  [
    "AVI, Motion JPEG",
    { name: "mjpeg.avi", encoder: ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"] },
  ],
  ["AVI, H.264 with B-frames and thus without times", { name: "h264.avi" }],
  [
    "open groups of pictures",
    { name: "open.mp4", encoder: x264("-g", "12", "-bf", "3", "-x264opts", "open-gop=1") },
  ],
  ["intra refresh", { name: "refresh.mp4", encoder: x264("-g", "10", "-intra-refresh", "1") }],
  ["HEVC", { name: "hevc.mp4", encoder: ["-c:v", "libx265", ...x265] }],
  [
    "interlaced",
    { name: "fields.mkv", encoder: x264("-g", "12", "-flags", "+ildct+ilme", "-x264opts", "tff=1") },
  ],
  ["variable frame rate", { name: "variable.mkv", timesMs: "N*40+if(gt(N,10),N*N*7,0)+mod(N,2)*39" }],
])("%s", (_, clip) => {
  it("yields every frame once in both directions, and the same frames from any start", async () => {
    const media = await open(await makeClip({ frames: 30, ...clip }));
    expect(media.facts).toMatchObject({ kind: "video", ...size, numFrames: 30 });

    const all = await collect(media);
    expect(numbersOf(all)).toEqual(upTo(30));
    for (const [i, frame] of all.entries()) {
      expect(frame.timestampUs).toBeGreaterThan(all[i - 1]?.timestampUs ?? -1);
    }
    const expected = all.map(identityOf);
    const backward = await collect(media, { startFrame: 29, direction: "backward" });
    expect(backward.map(identityOf)).toEqual([...expected].reverse());
    const middle = await collect(media, { startFrame: 13, count: 6 });
    expect(middle.map(identityOf)).toEqual(expected.slice(13, 19));
    for (const index of [12, 23]) expect(identityOf(await media.frame(index, size))).toBe(expected[index]);
  });
});

describe("frames of a video", () => {
  it("of a clip cut from a longer one are those that players show", async () => {
    const clip = await makeClip({ name: "plain.mp4", frames: 30 });
    for (const name of ["cut.mp4", "cut.mkv"]) {
      // Copied without decoding: the MP4 hides the frames before the cut in an edit list.
      await runFfmpegTool(["-ss", "0.7", "-i", clip, "-c", "copy", mediaPath(name)]);
      const media = await open(mediaPath(name));
      const all = await collect(media);
      const numbers = all.map(({ rgb }) => readFrameNumber(rgb, 96, 64));
      expect(numbers).toEqual(upTo(30, numbers[0]));
      expect(numbers[0]).toBeGreaterThanOrEqual(12);
      expect(media.facts.numFrames).toBe(all.length);
      const last = all.length - 1;
      expect(identityOf(await media.frame(last, size))).toBe(identityOf(all[last] as MediaFrame));
    }
  });

  it("keep the times of a variable frame rate on the clock of the container", async () => {
    const media = await open(await makeClip({ name: "times.mkv", frames: 6, timesMs: "500+N*N*20" }));
    const frames = await collect(media);
    expect(frames.map((frame) => frame.timestampUs)).toEqual(
      [0, 1, 4, 9, 16, 25].map((n) => 500_000 + n * 20_000),
    );
  });

  it("have known times without decoding", async () => {
    const media = await open(await makeClip({ name: "times.mkv", frames: 6, timesMs: "500+N*N*20" }));
    expect(upTo(6).map(media.timeOf)).toEqual([0, 1, 4, 9, 16, 25].map((n) => 500_000 + n * 20_000));
    for (const index of [-1, 6, 1.5, Number.NaN]) {
      expect(() => media.timeOf(index)).toThrow(expect.objectContaining({ code: "frame_out_of_range" }));
    }
  });

  it("are timed from the start of the container, also when sound starts first", async () => {
    const media = await open(await makeLateVideo("late.mp4", 6));
    const expected = upTo(6).map((n) => 400_000 + n * 40_000);
    expect(upTo(6).map(media.timeOf)).toEqual(expected);
    expect((await collect(media)).map((frame) => frame.timestampUs)).toEqual(expected);
  });

  it("are rotated upright according to the display matrix", async () => {
    const turns: [matrix: [number, number, number, number], rotationDeg: number, corners: string][] = [
      [[0, 1, -1, 0], 90, "blue red white green"],
      [[-1, 0, 0, -1], 180, "white blue green red"],
      [[0, -1, 1, 0], 270, "green white red blue"],
      [[-1, 0, 0, 1], 0, "green red white blue"],
    ];
    for (const [displayMatrix, rotationDeg, corners] of turns) {
      const media = await open(
        await makeClip({ name: `turned-${rotationDeg}.mp4`, frames: 2, displayMatrix }),
      );
      const isPortrait = rotationDeg % 180 === 90;
      const upright = isPortrait ? { width: 64, height: 96 } : { width: 96, height: 64 };
      expect(media.facts).toMatchObject({ ...upright, rotationDeg });
      const { rgb } = await media.frame(1, upright);
      expect(readCorners(rgb, upright.width, upright.height).join(" ")).toBe(corners);
    }
  });

  it("of odd sizes keep their size and every pixel row", async () => {
    const odd = { width: 101, height: 57 };
    const media = await open(
      await makeClip({ name: "odd.mp4", frames: 5, ...odd, encoder: x264("-pix_fmt", "yuv444p") }),
    );
    expect(media.facts).toMatchObject(odd);
    const frames = await collect(media, odd);
    expect(frames.map(({ rgb }) => rgb.length)).toEqual(Array(5).fill(101 * 57 * 3));
    expect(numbersOf(frames, odd)).toEqual(upTo(5));
    expect(readCorners(frames[0]?.rgb as Uint8Array, 101, 57)).toEqual(["red", "green", "blue", "white"]);
  });

  it("are scaled to the requested size without keeping the aspect ratio", async () => {
    const media = await open(await makeClip({ name: "plain.mp4", frames: 30 }));
    const square = { width: 50, height: 50 };
    const [frame] = await collect(media, { ...square, startFrame: 21, count: 1 });
    expect(frame?.rgb.length).toBe(50 * 50 * 3);
    expect(readFrameNumber(frame?.rgb as Uint8Array, 50, 50)).toBe(21);
  });

  it("outside the video are refused with frame_out_of_range", async () => {
    const media = await open(await makeClip({ name: "plain.mp4", frames: 30 }));
    for (const index of [-1, 30, 1.5, Number.NaN]) {
      await expect(media.frame(index, size)).rejects.toMatchObject({ code: "frame_out_of_range" });
    }
    expect(numbersOf(await collect(media, { startFrame: 28, count: 50 }))).toEqual([28, 29]);
    expect(numbersOf(await collect(media, { startFrame: 1, count: 50, direction: "backward" }))).toEqual([
      1, 0,
    ]);
  });

  it("are decoded backward in bounded parts", async () => {
    const media = await open(await makeClip({ name: "plain.mp4", frames: 30 }));
    // Thirteen pictures fill the reserved memory, so that several parts are needed.
    const large = { width: 1000, height: 800 };
    const frames = media.frames({ startFrame: 29, count: 16, direction: "backward", ...large });
    const numbers: number[] = [];
    for await (const { rgb } of frames) numbers.push(readFrameNumber(rgb, large.width, large.height));
    expect(numbers).toEqual(upTo(30, 14).reverse());
  });
});
