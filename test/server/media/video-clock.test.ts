/**
 * Times of files that do not start at 0. The expected values are those that Chromium reports for the same files as
 * `mediaTime` of requestVideoFrameCallback.
 */
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import { videoClock } from "../../../server/media/video-clock.js";
import { expectToolsEnd, makeClip, mediaPath, readFrameNumber, runFfmpegTool } from "../../helpers/media.js";

const FRAMES = 20;
const FRAME_US = 40_000;
const size = { width: 96, height: 64 };
const SINE = ["-f", "lavfi", "-i", "sine=duration=0.8"];
const VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"];

afterEach(expectToolsEnd);

/** Runs ffmpeg on a clip of numbered pictures at 25 frames a second, with or without AAC sound. */
async function remux(name: string, source: "picture" | "sound", before: string[], after: string[]) {
  const clip = await makeClip({ name: "clock.mp4", frames: FRAMES });
  const sounding = mediaPath("clock-sound.mp4");
  if (source === "sound") {
    await runFfmpegTool([...["-i", clip], ...SINE, "-c:v", "copy", "-c:a", "aac", sounding]);
  }
  const path = mediaPath(name);
  await runFfmpegTool([...before, "-i", source === "sound" ? sounding : clip, ...after, path]);
  return path;
}

/** Checks every time and the picture of some frames, by stream and at random. */
async function expectTimes(path: string, firstUs: number, startTimeUs: number) {
  const media = await openMedia(path);
  try {
    const times = Array.from({ length: FRAMES }, (_, i) => firstUs + i * FRAME_US);
    expect(media.facts).toMatchObject({ numFrames: FRAMES, startTimeUs });
    expect(media.facts.durationS).toBeCloseTo((firstUs + FRAMES * FRAME_US) / 1e6, 3);
    const seen: [number, number | null][] = [];
    const range = { startFrame: 0, count: FRAMES, direction: "forward", ...size } as const;
    for await (const { rgb, timestampUs } of media.frames(range)) {
      seen.push([readFrameNumber(rgb, size.width, size.height), timestampUs]);
    }
    expect(seen).toEqual(times.map((time, i) => [i, time]));
    for (const index of [15, 3]) {
      const { rgb, timestampUs } = await media.frame(index, size);
      expect([readFrameNumber(rgb, size.width, size.height), timestampUs]).toEqual([index, times[index]]);
    }
  } finally {
    await media.close();
  }
}

const copy = ["-c", "copy"];
const fragmented = ["-movflags", "frag_keyframe+empty_moov"];

describe("a file that starts above 0 keeps its clock", () => {
  it.each([
    ["moved.mp4", "picture", ["-itsoffset", "1"], copy, 1_000_000, 1_000_000],
    ["moved.mov", "picture", ["-itsoffset", "1"], copy, 1_000_000, 1_000_000],
    ["moved.mkv", "picture", ["-itsoffset", "1"], copy, 1_000_000, 1_000_000],
    ["far.mp4", "picture", [], [...copy, "-output_ts_offset", "20"], 20_000_000, 20_000_000],
    ["far.mkv", "picture", [], [...copy, "-output_ts_offset", "20"], 20_000_000, 20_000_000],
    ["far.webm", "picture", [], [...VP9, "-output_ts_offset", "20"], 20_000_000, 20_000_000],
    // Without an edit list, B-frames delay the first picture.
    ["fragmented.mp4", "picture", [], [...copy, ...fragmented], 80_000, 80_000],
    // The file starts with the priming of AAC, 24 ms before the sound.
    ["moved-sound.mp4", "sound", ["-itsoffset", "1"], copy, 1_000_000, 976_009],
  ] as [string, "picture" | "sound", string[], string[], number, number][])(
    "%s",
    async (name, source, before, after, firstUs, startTimeUs) => {
      await expectTimes(await remux(name, source, before, after), firstUs, startTimeUs);
    },
  );
});

describe("sound before 0 moves no picture", () => {
  it("in WebM with Opus, which starts at -7 ms", async () => {
    const path = await remux("opus.webm", "picture", SINE, [...VP9, "-c:a", "libopus", "-shortest"]);
    await expectTimes(path, 7_000, 0);
  });

  it("in MP4 with an edit list", async () => {
    await expectTimes(await remux("aac.mp4", "sound", [], copy), 0, 0);
  });
});

it("pictures before 0 have negative times, which browsers do not display", async () => {
  const after = [...VP9, "-output_ts_offset", "-0.4", "-avoid_negative_ts", "disabled"];
  await expectTimes(await remux("negative.webm", "picture", [], after), -400_000, -400_000);
});

it("the last frame of an MP4 lasts as long as its track", async () => {
  const timing = ["-video_track_timescale", "1000", "-bf", "0"];
  const path = await makeClip({ name: "slides.mp4", frames: 3, timesMs: "N*N*150", output: timing });
  const bytes = await readFile(path);
  const box = (type: string) => bytes.indexOf(type, bytes.indexOf("moov"));
  const entries = bytes.readUInt32BE(box("stts") + 8);
  bytes.writeUInt32BE(5000, box("stts") + 8 + entries * 8);
  // The duration of the movie, the track, its edit and its media.
  for (const [type, offset] of [
    ["mvhd", 20],
    ["tkhd", 24],
    ["elst", 12],
    ["mdhd", 20],
  ] as const) {
    bytes.writeUInt32BE(5600, box(type) + offset);
  }
  await writeFile(path, bytes);
  const media = await openMedia(path);
  expect([0, 1, 2].map((index) => media.timeOf(index))).toEqual([0, 150_000, 600_000]);
  expect(media.facts.durationS).toBeCloseTo(5.6, 3);
  await media.close();
});

describe("the clock of a container", () => {
  it.each([
    ["mov", 20, 20, { originS: 0, startS: 20 }],
    ["matroska", 0.007, -0.007, { originS: 0, startS: 0 }],
    ["matroska", -0.4, -0.5, { originS: 0, startS: -0.4 }],
    ["matroska", 0.4, undefined, { originS: 0, startS: 0.4 }],
    ["avi", 1.48, 1.4, { originS: 1.4, startS: 0 }],
    ["avi", 0.08, -0.007, { originS: 0, startS: 0 }],
  ] as const)("%s with pictures from %d s and a start of %d s", (demuxer, firstS, startS, clock) => {
    expect(videoClock(demuxer, firstS, startS)).toEqual(clock);
  });
});
