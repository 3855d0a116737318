/** One numbering of frames for streams and single frames, in files whose times or packets do not identify pictures. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { ffprobePath } from "../../../server/media/binaries.js";
import { framesOfPackets } from "../../../server/media/index-by-packets.js";
import { DEFAULT_MEDIA_LIMITS, frameLimit } from "../../../server/media/limits.js";
import { withMediaFile } from "../../../server/media/media-file.js";
import { readPackets } from "../../../server/media/packets.js";
import { showsVp9Picture } from "../../../server/media/vpx-frames.js";
import { fieldStream } from "../../helpers/h264-fields.js";
import { expectToolsEnd, makeClip, mediaPath, runFfmpegTool } from "../../helpers/media.js";
import { expectOneNumbering } from "../../helpers/numbering.js";

afterEach(expectToolsEnd);

const upTo = (end: number, start = 0) => Array.from({ length: end - start }, (_, i) => start + i);
const xvid = (...options: string[]) => ["-c:v", "libxvid", "-bf", "2", "-q:v", "2", ...options];
const x264 = (...options: string[]) => ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", ...options];

async function copied(
  source: string,
  name: string,
  options: string[] = [],
  input: string[] = [],
): Promise<string> {
  const path = mediaPath(name);
  await runFfmpegTool([...input, "-i", source, "-c", "copy", ...options, path]);
  return path;
}

/** Damages the second half of a keyframe's data. */
async function withDamagedKeyframe(source: string, name: string, keyframe: number): Promise<string> {
  const entries = ["-select_streams", "v", "-show_entries", "packet=pos,size,flags", "-of", "json"];
  const { stdout } = await promisify(execFile)(ffprobePath(), ["-v", "error", ...entries, source]);
  const { packets } = JSON.parse(stdout) as { packets: { pos: string; size: string; flags: string }[] };
  const { pos, size } = packets.filter(({ flags }) => flags.startsWith("K"))[keyframe] as (typeof packets)[0];
  const bytes = await readFile(source);
  const from = Number(pos) + Math.floor(Number(size) / 2);
  for (let at = from; at < from + 24; at++) bytes[at] = (bytes[at] as number) ^ 0x5a;
  const path = mediaPath(name);
  await writeFile(path, bytes);
  return path;
}

/** VP8 or VP9 with reference frames that are not shown: libvpx inserts them with two passes. */
async function withHiddenFrames(codec: string, name: string): Promise<string> {
  const options = ["-auto-alt-ref", "1", "-lag-in-frames", "16", "-deadline", "good", "-cpu-used", "5"];
  const encoder = ["-c:v", codec, ...options, "-b:v", "300k", "-passlogfile", mediaPath(`${name}.pass`)];
  await makeClip({ name: `first-pass-${name}`, frames: 60, encoder: [...encoder, "-pass", "1"] });
  return makeClip({ name, frames: 60, encoder: [...encoder, "-pass", "2"] });
}

/** A copy of a file in which `bytes` bytes, from `fraction` of its length on, are 0. */
async function withHole(source: string, name: string, fraction: number, bytes: number): Promise<string> {
  const content = await readFile(source);
  const start = Math.floor(content.length * fraction);
  content.fill(0, start, start + bytes);
  const path = mediaPath(name);
  await writeFile(path, content);
  return path;
}

/** The number of frames that packets identify without decoding; null when they do not. */
async function framesByPackets(path: string, demuxer: "avi" | "matroska", stream: object) {
  return withMediaFile({ path, name: "The file", roots: undefined }, async (file) => {
    const probe = { file, demuxer, stallTimeoutMs: 60_000 };
    const limit = frameLimit(DEFAULT_MEDIA_LIMITS, await file.size(), "video");
    const packets = await readPackets(probe, 0, limit);
    const described = { index: 0, time_base: "1/25", ...stream };
    const frames = await framesOfPackets(probe, described, packets, 1, limit);
    return { packets: packets.length, frames: frames?.pts.length ?? null };
  });
}

describe("MPEG-4 with two pictures in a packet", () => {
  // The encoder writes 58 of 60 pictures: those that it still holds back at the end are lost.
  it("has one numbering in AVI, which stores no presentation times", async () => {
    const avi = await makeClip({ name: "packed.avi", frames: 60, encoder: xvid() });
    const { facts, numbers } = await expectOneNumbering(avi);
    expect(facts).toMatchObject({ numFrames: 58, fps: 25 });
    expect(numbers).toEqual(upTo(58));
  });

  it("has one numbering in Matroska, where decoded pictures share their times", async () => {
    const avi = await makeClip({ name: "packed.avi", frames: 60, encoder: xvid() });
    const mkv = await copied(avi, "packed.mkv", [], ["-fflags", "+genpts"]);
    const { numbers, timesUs } = await expectOneNumbering(mkv);
    expect(numbers).toEqual(upTo(58));
    expect(timesUs.map((us) => Number(us) - Number(timesUs[0]))).toEqual(upTo(58).map((n) => n * 40_000));
  });

  it.each([
    ["packed-long.avi", xvid("-g", "100")],
    ["reordered-long.avi", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "2", "-g", "20"]],
    ["untimed-long.avi", x264("-bf", "2", "-g", "100")],
    ["untimed-open-long.avi", x264("-bf", "3", "-g", "100", "-x264opts", "open-gop=1")],
  ])("and without times is read from a keyframe nearby: %s", async (name, encoder) => {
    const { facts, numbers } = await expectOneNumbering(await makeClip({ name, frames: 700, encoder }), [
      ...[249, 250, 299, 300, 301, 399, 400, 401],
    ]);
    expect(facts.fps).toBe(25);
    expect(numbers).toEqual(upTo(facts.numFrames));
  });
});

describe("packets identify the frames, without decoding,", () => {
  it("of VP8 and VP9 with hidden reference frames", async () => {
    const vp8 = await withHiddenFrames("libvpx", "hidden.webm");
    const hidden = await framesByPackets(vp8, "matroska", { codec_name: "vp8" });
    expect(hidden.packets).toBeGreaterThan(60);
    expect(hidden.frames).toBe(60);
    expect((await expectOneNumbering(vp8)).numbers).toEqual(upTo(60));

    const vp9 = await withHiddenFrames("libvpx-vp9", "hidden-vp9.webm");
    expect(await framesByPackets(vp9, "matroska", { codec_name: "vp9" })).toEqual({
      packets: 60,
      frames: 60,
    });
    expect((await expectOneNumbering(vp9)).numbers).toEqual(upTo(60));
  });

  it("of VP9 with hidden reference frames as packets of their own", () => {
    // frame_marker 10, profile 00, show_existing_frame, frame_type, show_frame, error_resilient_mode
    expect(showsVp9Picture(Buffer.from([0b10000010, 1]))).toBe(true);
    expect(showsVp9Picture(Buffer.from([0b10000100, 1]))).toBe(false);
    expect(showsVp9Picture(Buffer.from([0b10001000]))).toBe(true);
    // Profile 3 has one more bit.
    expect(showsVp9Picture(Buffer.from([0b10110001, 1]))).toBe(true);
    expect(showsVp9Picture(Buffer.from([0b10110010, 1]))).toBe(false);
    // A superframe of a hidden frame of 2 bytes and a shown one of 1 byte, then its index.
    expect(showsVp9Picture(Buffer.from([0b10000100, 1, 0b10001000, 0xc1, 2, 1, 0xc1]))).toBe(true);
    expect(showsVp9Picture(Buffer.alloc(0))).toBe(false);
  });

  it.each(["mkv", "mp4", "avi"])("of H.264 with a packet for each field, in %s", async (extension) => {
    const stream = mediaPath("fields.h264");
    await writeFile(stream, fieldStream(30, { width: 96, height: 64, isFrame: (n) => n % 5 === 3 }));
    const clip = await copied(stream, `fields.${extension}`, [], ["-fflags", "+genpts", "-r", "25"]);
    const { facts, numbers } = await expectOneNumbering(clip);
    expect(facts.numFrames).toBe(30);
    expect(numbers).toEqual(upTo(30));
    if (extension !== "mkv") return;
    expect(await framesByPackets(clip, "matroska", { codec_name: "h264" })).toEqual({
      packets: 54,
      frames: 30,
    });
  });

  it("of packed MPEG-4", async () => {
    const avi = await makeClip({ name: "packed.avi", frames: 60, encoder: xvid() });
    expect((await framesByPackets(avi, "avi", { codec_name: "mpeg4" })).frames).toBe(58);
  });
});

it("H.264 with times that ascend in the order of decoding has one numbering", async () => {
  const encoder = x264("-bf", "2", "-b_strategy", "0", "-g", "12");
  const avi = await makeClip({ name: "reordered.avi", frames: 60, encoder });
  // AVI has no presentation times: those of the copy are the times of decoding.
  const mp4 = await copied(avi, "reordered.mp4", [], ["-fflags", "+genpts"]);
  const { numbers, damaged } = await expectOneNumbering(mp4);
  expect(numbers).toEqual(upTo(60));
  expect(damaged).toEqual([]);
});

describe("a damaged video", () => {
  it.each([
    ["mp4", 0.3],
    ["mkv", 0.7],
    ["avi", 0.5],
  ] as const)("with a hole of zeroes has one numbering: H.264 in %s, at %d", async (extension, fraction) => {
    const encoder = x264("-bf", "2", "-b_strategy", "0", "-g", "20");
    // Large pictures, so that the hole is in their data and not in the index of the file.
    const output = extension === "mp4" ? ["-movflags", "+faststart"] : [];
    const clip = await makeClip({
      name: `whole.${extension}`,
      frames: 60,
      width: 960,
      height: 640,
      encoder,
      output,
    });
    for (const bytes of [300, 1500, 6000]) {
      const name = `hole-${fraction}-${bytes}.${extension}`;
      await expectOneNumbering(await withHole(clip, name, fraction, bytes), [19, 20, 21, 39, 40, 41]);
    }
  });

  it("shows the same picture of concealed damage in every range", async () => {
    const clip = await makeClip({ name: "concealed.mp4", frames: 48 });
    // The decoder fills the rest of a damaged keyframe from the picture before it.
    for (const keyframe of [1, 2]) {
      const damaged = await withDamagedKeyframe(clip, `concealed-${keyframe}.mp4`, keyframe);
      await expectOneNumbering(damaged, [13, 15, 23, 24, 25, 27, 34, 36]);
    }
  });

  it("with keyframe marks on other pictures has one numbering", async () => {
    const avi = await makeClip({ name: "packed.avi", frames: 60, encoder: xvid() });
    // Placeholders marked as keyframes become pictures, out of order.
    const mkv = await copied(avi, "unpacked.mkv", ["-bsf:v", "mpeg4_unpack_bframes"], ["-fflags", "+genpts"]);
    await expectOneNumbering(mkv);
  });
});

it("a video whose size changes keeps the first size, and the picture of each frame", async () => {
  const encoder = x264("-bf", "0", "-g", "10");
  const small = await makeClip({ name: "small.h264", frames: 20, encoder });
  const large = await makeClip({ name: "large.h264", frames: 40, width: 192, height: 128, encoder });
  const joined = mediaPath("joined.h264");
  await writeFile(joined, Buffer.concat([await readFile(small), await readFile(large)]));
  for (const extension of ["mp4", "avi"]) {
    const { facts, numbers } = await expectOneNumbering(await copied(joined, `joined.${extension}`));
    expect(facts).toMatchObject({ width: 96, height: 64, numFrames: 60 });
    expect(numbers).toEqual([...upTo(20), ...upTo(40)]);
  }
});

it("the rate of uneven times is that of the frames, not that of the header", async () => {
  // 200 frames at 30 a second, then one every 5 s.
  const timesMs = "if(lt(N,200),N*1000/30,200*1000/30+(N-200)*5000)";
  const clip = await makeClip({ name: "uneven.mkv", frames: 219, fps: 30, timesMs });
  const { facts, timesUs } = await expectOneNumbering(clip);
  expect(facts.numFrames).toBe(219);
  const spanS = (Number(timesUs[218]) - Number(timesUs[0])) / 1e6;
  expect(spanS).toBeGreaterThan(90);
  expect(facts.fps).toBeCloseTo(218 / spanS, 6);
});
