/** The size, the colours and the video track that a player displays, on files with all kinds of headers. */
import { afterEach, describe, expect, it } from "vitest";
import { openFrameLog } from "../../../clients/command/frame-log.js";
import { renderOverlay } from "../../../clients/command/render.js";
import { openMedia } from "../../../server/media/open.js";
import type { MediaSource } from "../../../server/media/source.js";
import {
  type ClipOptions,
  expectToolsEnd,
  makeClip,
  mediaPath,
  readCorners,
  readFrameNumber,
  runFfmpegTool,
} from "../../helpers/media.js";

const opened: MediaSource[] = [];

async function open(path: string, limits = {}): Promise<MediaSource> {
  const media = await openMedia(path, { limits });
  opened.push(media);
  return media;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((media) => media.close()));
  await expectToolsEnd();
});

const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12"];
const vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"];

describe("a video whose pixels are not square", () => {
  const withAspect = (sar: string, name: string, more: Partial<ClipOptions> = {}) =>
    makeClip({ name, frames: 3, encoder: x264, output: ["-vf", `setsar=${sar}`], ...more });

  // The sizes of the video element of Chromium for the same files.
  it.each([
    ["2/1", 192, 64],
    ["1/2", 96, 128],
    ["16/15", 102, 64],
    ["10/11", 96, 70],
    ["32/27", 114, 64],
    ["1/1", 96, 64],
  ])("with a sample aspect ratio of %s is displayed at %i×%i", async (sar, width, height) => {
    for (const container of ["mp4", "mkv", "mov"]) {
      const media = await open(await withAspect(sar, `aspect-${sar.replace("/", "-")}.${container}`));
      expect(media.facts).toMatchObject({ width, height, numFrames: 3 });
      const { rgb } = await media.frame(2, { width, height });
      expect(readFrameNumber(rgb, width, height)).toBe(2);
    }
  });

  it("has the size that the container states, also for codecs without an aspect ratio", async () => {
    const media = await open(await withAspect("2/1", "aspect.webm", { encoder: vp9 }));
    expect(media.facts).toMatchObject({ width: 192, height: 64 });
  });

  it("is widened before it is rotated", async () => {
    const path = await withAspect("2/1", "aspect-turned.mp4", { displayMatrix: [0, 1, -1, 0] });
    const media = await open(path);
    const size = { width: 64, height: 192 };
    expect(media.facts).toMatchObject({ ...size, rotationDeg: 90 });
    const { rgb } = await media.frame(1, size);
    expect(readCorners(rgb, 64, 192).join(" ")).toBe("blue red white green");
  });

  it("is refused when the displayed picture is larger than the limit", async () => {
    const path = await withAspect("50/1", "aspect-extreme.mkv");
    await expect(openMedia(path, { limits: { maxPixels: 4800 * 64 - 1 } })).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringMatching(/4800×64 .*limit is 307199 pixels/),
    });
    expect((await open(path, { maxPixels: 4800 * 64 })).facts).toMatchObject({ width: 4800, height: 64 });
  });

  it("has an overlay of the displayed size", async () => {
    const video = await open(await withAspect("2/1", "aspect-2-1.mp4"));
    const frames = await openFrameLog(mediaPath("aspect-frames"));
    try {
      await renderOverlay({ video, frames, path: mediaPath("aspect-overlay.mp4") });
    } finally {
      await frames.close();
    }
    const overlay = await open(mediaPath("aspect-overlay.mp4"));
    expect(overlay.facts).toMatchObject({ width: 192, height: 64, numFrames: 3 });
    const { rgb } = await overlay.frame(2, { width: 192, height: 64 });
    expect(readFrameNumber(rgb, 192, 64)).toBe(2);
  });
});

describe("the colours of a video", () => {
  const RED = [220, 30, 30];
  const GREEN = [30, 200, 30];
  /** Red and green encoded as BT.601 and displayed as BT.709, and the reverse. */
  const WRONG = { bt601: [236, 49, 28], bt709: [202, 10, 32] } as const;

  interface Encoded {
    matrix: "bt601" | "bt709";
    width: number;
    height: number;
    range?: "tv" | "pc";
    /** Options that tag the video; by default it is untagged. */
    tags?: string[];
    more?: Partial<ClipOptions>;
  }

  async function coloursOf({ matrix, width, height, range = "tv", tags = [], more }: Encoded) {
    const tagged = tags.join("").replace(/\W/g, "") + Object.keys(more ?? {}).join("");
    const media = await open(
      await makeClip({
        ...{ name: `colour-${matrix}-${width}x${height}-${range}-${tagged}.mp4`, frames: 1, width, height },
        encoder: [...x264, "-pix_fmt", range === "pc" ? "yuvj420p" : "yuv420p", ...tags],
        output: [
          "-vf",
          `scale=out_color_matrix=${matrix}:out_range=${range}:flags=accurate_rnd+full_chroma_int`,
        ],
        ...more,
      }),
    );
    const { facts } = media;
    const { rgb } = await media.frame(0, facts);
    const at = (x: number, y: number) => {
      const offset = (Math.floor(y * facts.height) * facts.width + Math.floor(x * facts.width)) * 3;
      return [...rgb.subarray(offset, offset + 3)];
    };
    return { media, red: at(1 / 12, 1 / 8), green: at(11 / 12, 1 / 8) };
  }

  const near = (expected: readonly number[]) =>
    expected.map((value) => expect.toSatisfy((seen: number) => Math.abs(seen - value) <= 4, `near ${value}`));

  it.each([
    [640, 360, "bt601"],
    [1280, 718, "bt601"],
    [1280, 720, "bt709"],
    [480, 864, "bt709"],
  ] as const)("without a tag at %i×%i are those of %s", async (width, height, assumed) => {
    const { red, green } = await coloursOf({ matrix: assumed, width, height });
    expect([red, green]).toEqual([near(RED), near(GREEN)]);
    const other = assumed === "bt601" ? "bt709" : "bt601";
    expect((await coloursOf({ matrix: other, width, height })).red).toEqual(near(WRONG[other]));
  });

  it("with a tag are those of the tag", async () => {
    for (const [matrix, tag] of [
      ["bt601", "smpte170m"],
      ["bt709", "bt709"],
    ] as const) {
      for (const [width, height] of [
        [640, 360],
        [1280, 720],
      ] as const) {
        const tags = ["-colorspace", tag, "-color_primaries", tag, "-color_trc", tag];
        const { red, green } = await coloursOf({ matrix, width, height, tags });
        expect([red, green], `${matrix} ${width}×${height}`).toEqual([near(RED), near(GREEN)]);
      }
    }
  });

  it("keep their range, with and without a tag of the matrix", async () => {
    for (const [matrix, width, height] of [
      ["bt601", 640, 360],
      ["bt709", 1280, 720],
    ] as const) {
      const { red, green } = await coloursOf({ matrix, width, height, range: "pc" });
      expect([red, green], `${matrix} ${width}×${height}`).toEqual([near(RED), near(GREEN)]);
    }
  });

  it("of RGB video and Motion JPEG do not change with the size", async () => {
    const size = { width: 1280, height: 720 };
    for (const [name, encoder] of [
      ["colour-rgb.mov", ["-c:v", "qtrle", "-pix_fmt", "rgb24"]],
      ["colour-jpeg.mkv", ["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"]],
    ] as const) {
      const more = { name, encoder: [...encoder], output: [] };
      const { red, green } = await coloursOf({ matrix: "bt601", ...size, more });
      expect([red, green], name).toEqual([near(RED), near(GREEN)]);
    }
  });

  it("are chosen by the displayed height before rotation", async () => {
    // 360 lines of pixels that are twice as high as wide, and 640 lines turned by 90 degrees.
    const tall = await coloursOf({
      ...{ matrix: "bt709", width: 640, height: 360 },
      more: {
        name: "colour-tall.mp4",
        output: ["-vf", "scale=out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,setsar=1/2"],
      },
    });
    expect(tall.media.facts).toMatchObject({ width: 640, height: 720 });
    expect(tall.red).toEqual(near(RED));
    const turned = await coloursOf({
      ...{ matrix: "bt601", width: 1280, height: 640 },
      more: { name: "colour-turned.mp4", displayMatrix: [-1, 0, 0, 1] },
    });
    expect([turned.green, turned.red]).toEqual([near(RED), near(GREEN)]);
  });
});

describe("of several video tracks", () => {
  /** Track 0 is the negative of track 1. */
  async function twoTracks(name: string, ...dispositions: [string, string]): Promise<string> {
    const clip = await makeClip({ name: "track.mp4", frames: 6, encoder: x264 });
    const negative = mediaPath("track-negative.mp4");
    await runFfmpegTool(["-i", clip, "-vf", "negate", ...x264, negative]);
    const path = mediaPath(name);
    await runFfmpegTool([
      ...["-i", negative, "-i", clip, "-map", "0:v", "-map", "1:v", "-c", "copy"],
      ...dispositions.flatMap((disposition, i) => [`-disposition:v:${i}`, disposition]),
      path,
    ]);
    return path;
  }

  it.each([
    ["the first that is enabled in an MP4", "second-enabled.mp4", ["0", "default"], 1],
    ["the first in Matroska, as browsers do", "second-default.mkv", ["0", "default"], 0],
    ["the first of two enabled ones", "both-enabled.mp4", ["default", "default"], 0],
    ["the first when none is enabled", "none-enabled.mp4", ["0", "0"], 0],
  ] as [string, string, [string, string], number][])("uses %s", async (_, name, dispositions, track) => {
    const media = await open(await twoTracks(name, ...dispositions));
    const size = { width: 96, height: 64 };
    expect(media.facts).toMatchObject({ ...size, numFrames: 6 });
    for (const index of [0, 4]) {
      const { rgb } = await media.frame(index, size);
      const number = readFrameNumber(rgb, 96, 64);
      expect(number).toBe(track === 1 ? index : 4095 - index);
    }
  });
});
