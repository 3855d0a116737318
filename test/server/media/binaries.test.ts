import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ffmpegPath, ffprobePath } from "../../../server/media/binaries.js";
import { passthroughOptions } from "../../../server/media/tool-facts.js";
import { expectToolsEnd, makeClip, mediaPath, openInTest, readFrameNumber } from "../../helpers/media.js";

afterEach(async () => {
  vi.unstubAllEnvs();
  await expectToolsEnd();
});

function script(name: string, body: string): string {
  const path = mediaPath(`bin/${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const size = { width: 96, height: 64 };
const clip = () => makeClip({ name: "binaries.mp4", frames: 3 });

describe("the tools", () => {
  it("are those of the package, unless environment variables name others", async () => {
    const [ffmpeg, ffprobe] = [ffmpegPath(), ffprobePath()];
    expect(existsSync(ffmpeg)).toBe(true);
    expect(existsSync(ffprobe)).toBe(true);
    const path = await clip();
    const log = mediaPath("bin/calls.log");
    vi.stubEnv("FFMPEG_PATH", script("ffmpeg", `echo ffmpeg >> "${log}"; exec "${ffmpeg}" "$@"`));
    vi.stubEnv("FFPROBE_PATH", script("ffprobe", `echo ffprobe >> "${log}"; exec "${ffprobe}" "$@"`));
    const media = await openInTest(path);
    await media.frame(1, size);
    expect(new Set(readFileSync(log, "utf8").split("\n").filter(Boolean))).toEqual(
      new Set(["ffmpeg", "ffprobe"]),
    );
  });

  it("that cannot be started are reported as such, not as bad media", async () => {
    const path = await clip();
    vi.stubEnv("FFPROBE_PATH", "/no/such/ffprobe");
    await expect(openInTest(path)).rejects.toThrow(/^ffprobe \(.*\) could not be started: .*ENOENT/);
    vi.unstubAllEnvs();
    const version = `echo "libavutil      56. 24.101 / 56. 24.101"`;
    vi.stubEnv("FFMPEG_PATH", script("not-executable", version));
    await passthroughOptions(ffmpegPath());
    chmodSync(ffmpegPath(), 0o644);
    await expect(openInTest(path)).rejects.toThrow(/^ffmpeg \(.*\) could not be started: .*EACCES/);
  });

  it("receive the option for passing frames through that their version has", async () => {
    const old = script("old", `echo "libavutil      56. 24.101 / 56. 24.101"`);
    const recent = script("recent", `echo "libavutil      60.  8.100 / 60.  8.100"`);
    expect(await passthroughOptions(old)).toEqual(["-vsync", "0"]);
    expect(await passthroughOptions(recent)).toEqual(["-fps_mode", "passthrough"]);
    await expect(passthroughOptions("/no/such/ffmpeg")).rejects.toThrow();
  });

  it("are killed when they make no progress", async () => {
    const path = await clip();
    const real = ffmpegPath();
    const limits = { stallTimeoutMs: 300 };
    const stuck = 'case "$*" in *rawvideo*) exec sleep 600;; esac';
    vi.stubEnv("FFMPEG_PATH", script("stuck", `${stuck}; exec "${real}" "$@"`));
    await expect(openInTest(path, { limits })).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("no progress"),
    });
    vi.unstubAllEnvs();
    vi.stubEnv("FFPROBE_PATH", script("slow", "exec sleep 600"));
    await expect(openInTest(path, { limits: { stallTimeoutMs: 300 } })).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("no progress for 300 ms"),
    });
  });
});

describe("frames keep their numbers", () => {
  it("when a seek lands after the frame requested", async () => {
    const long = await makeClip({ name: "seek.mp4", frames: 48 });
    const expected = await (await openInTest(long)).frame(20, size);
    // Every seek goes to the keyframe after the right one.
    const late = `for arg; do shift; [ "$last" = -ss ] && arg=1.0; last="$arg"; set -- "$@" "$arg"; done`;
    vi.stubEnv("FFMPEG_PATH", script("late", `${late}; exec "${ffmpegPath()}" "$@"`));
    const { index, rgb } = await (await openInTest(long)).frame(20, size);
    expect({ index, number: readFrameNumber(rgb, 96, 64) }).toEqual({ index: 20, number: 20 });
    expect(Buffer.compare(rgb, expected.rgb)).toBe(0);
  });

  it("when ffmpeg and ffprobe disagree about times", async () => {
    const clip = await makeClip({ name: "offset.mkv", frames: 30, timesMs: "500+N*40" });
    const shifted = `for arg; do shift; [ "$arg" = -copyts ] || set -- "$@" "$arg"; done`;
    vi.stubEnv("FFMPEG_PATH", script("shifted", `${shifted}; exec "${ffmpegPath()}" "$@"`));
    const media = await openInTest(clip);
    const numbers: number[] = [];
    for (const startFrame of [0, 17]) {
      for await (const frame of media.frames({ startFrame, count: 3, direction: "forward", ...size })) {
        numbers.push(frame.index, readFrameNumber(frame.rgb, 96, 64), frame.timestampUs as number);
      }
    }
    // The times are those of the decoder, whose clock starts at the first frame here.
    expect(numbers).toEqual([0, 1, 2, 17, 18, 19].flatMap((n) => [n, n, n * 40_000]));
  });
});
