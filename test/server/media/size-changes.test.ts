/** Videos whose size changes: up to that of a 4K camera they play, beyond it they are refused before the memory is taken. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ffmpegPath } from "../../../server/media/binaries.js";
import { maxPicturePixels } from "../../../server/media/box/limits.js";
import { mediaPath, openInTest } from "../../helpers/media.js";

const FRAMES = 3;
/** 9,830,400 pixels, more than the 9,437,184 of 4096×2304. */
const TOO_LARGE = "4096x2400";

/** How to make an elementary stream that may be concatenated, and a container for it. */
const KINDS = {
  h264: { encoder: "libx264 -preset ultrafast -bf 0", stream: "h264", container: "mp4" },
  mjpeg: { encoder: "mjpeg -pix_fmt yuvj420p", stream: "mjpeg", container: "mov" },
  png: { encoder: "png", stream: "png_pipe", container: "mov" },
} as const;
type Kind = keyof typeof KINDS;

function run(options: string, ...paths: string[]): void {
  const args = options.split(" ").map((option) => (option === "@" ? (paths.shift() as string) : option));
  execFileSync(ffmpegPath(), ["-v", "error", "-y", ...args]);
}

/** A video of {@link FRAMES} pictures of 64×64 and as many of another size. */
function changingTo(size: string, kind: Kind): string {
  const { encoder, stream, container } = KINDS[kind];
  const format = stream === "png_pipe" ? "image2pipe" : stream;
  const parts = ["64x64", size].map((partSize) => {
    const part = mediaPath(`sizes/${kind}-${partSize}.part`);
    run(`-f lavfi -i testsrc=s=${partSize}:r=10 -frames:v ${FRAMES} -c:v ${encoder} -f ${format} @`, part);
    return readFileSync(part);
  });
  const joined = mediaPath(`sizes/${kind}-${size}.joined`);
  writeFileSync(joined, Buffer.concat(parts));
  const path = mediaPath(`sizes/${kind}-${size}.${container}`);
  run(`-f ${stream} -framerate 10 -i @ -c copy @`, joined, path);
  return path;
}

async function framesIn(path: string): Promise<number[]> {
  const media = await openInTest(path);
  const { width, height, numFrames: count } = media.facts;
  const indices: number[] = [];
  const range = { startFrame: 0, count, direction: "forward", width, height } as const;
  for await (const { index } of media.frames(range)) indices.push(index);
  return indices;
}

describe.each(Object.keys(KINDS) as Kind[])("a video in %s", (kind) => {
  it("plays when its size changes to that of another camera", async () => {
    const indices = await framesIn(changingTo("1280x720", kind));
    expect(indices.length).toBeGreaterThanOrEqual(2 * FRAMES - 1);
  });

  it("is refused with the size when it grows beyond the limit", async () => {
    await expect(framesIn(changingTo(TOO_LARGE, kind))).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringMatching(/changes its size to 4096×2400; the limit .* is 9437184 pixels/),
    });
  });
});

describe("the limit of a picture", () => {
  const maxPixels = 128 * 1024 ** 2;
  it.each([
    ["a small video may grow to 4K", 64, 64, maxPixels, 4096 * 2304],
    ["a large video may grow to twice its pixels", 7680, 4320, maxPixels, 2 * 7680 * 4320],
    ["the server's limit holds", 64, 64, 1_000_000, 1_000_000],
    [
      "a picture of the server's limit is decoded with the lines that decoders add",
      1000,
      1000,
      1_000_000,
      1128 ** 2,
    ],
  ])("%s", (_, width, height, limit, expected) => {
    expect(maxPicturePixels({ width, height }, limit)).toBe(expected);
  });
});
