import { copyFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { MediaFrame } from "../../../server/media/source.js";
import {
  cutShort,
  expectToolsEnd,
  makeClip,
  makeSound,
  makeStill,
  mediaPath,
  openInTest,
  readFrameNumber,
} from "../../helpers/media.js";

const size = { width: 96, height: 64 };

afterEach(expectToolsEnd);

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = mediaPath(`bad/${name}`);
  await writeFile(path, content);
  return path;
}

/** The frames that come before the error, and the error. */
async function readAll(path: string) {
  const frames: MediaFrame[] = [];
  const media = await openInTest(path);
  try {
    for await (const frame of media.frames({ startFrame: 0, count: 9999, direction: "forward", ...size })) {
      frames.push(frame);
    }
    return { media, frames };
  } catch (error) {
    return { media, frames, error: error as Error };
  } finally {
    await media.close();
  }
}

const numbersOf = (frames: MediaFrame[]) => frames.map(({ rgb }) => readFrameNumber(rgb, 96, 64));
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("a file that is not a video", () => {
  it("is refused with an error that names the reason", async () => {
    const cases: [path: string, code: string, reason: string][] = [
      [await file("empty.mp4", ""), "media_unreadable", "empty"],
      [await file("text.mp4", "this is not a video\n"), "media_unsupported", "text"],
      [await file("song.mp4", "ID3\x04 and so on"), "media_unsupported", "MP3"],
      [await file("animation.mp4", "GIF89a and so on"), "media_unreadable", "damaged"],
      [await file("paper.mp4", "%PDF-1.7 and so on"), "media_unsupported", "PDF"],
      [await makeSound("bad/sound.mp4"), "media_unsupported", "only sound"],
      [
        await file("noise.mkv", Buffer.from("1a45dfa3deadbeef00000000deadbeef", "hex")),
        "media_unreadable",
        "cannot be read",
      ],
      [mediaPath("bad/gone.mp4"), "media_unreadable", "no longer exists"],
    ];
    for (const [path, code, reason] of cases) {
      const opening = openInTest(path);
      await expect(opening, path).rejects.toMatchObject({ code, message: expect.stringContaining(reason) });
      // Messages to a client contain no path of the server.
      await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining(mediaPath("bad")) });
    }
  });

  it("is identified by its content, not its name", async () => {
    await copyFile(await makeClip({ name: "plain.mp4", frames: 30 }), mediaPath("bad/video.jpg"));
    await copyFile(await makeStill("bad/still.png", 5), mediaPath("bad/picture.mp4"));
    expect((await openInTest(mediaPath("bad/video.jpg"))).facts).toMatchObject({
      kind: "video",
      numFrames: 30,
    });
    expect((await openInTest(mediaPath("bad/picture.mp4"))).facts).toMatchObject({
      kind: "image",
      codec: "png",
    });
  });

  it("cannot make ffmpeg read other files or open connections", async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const clip = await makeClip({ name: "plain.mp4", frames: 30 });
    const url = `http://127.0.0.1:${port}/x.ts`;
    for (const playlist of [
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${url}\n#EXT-X-ENDLIST\n`,
      `#EXTM3U\n#EXTINF:1,\nfile://${clip}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile ${clip}\nfile '${url}'\n`,
      // The first bytes are those of an MP4, so the demuxer is the one for MP4.
      `\0\0\0\x08free#EXTM3U\n#EXTINF:1,\n${url}\n`,
    ]) {
      await expect(openInTest(await file("playlist.mp4", playlist))).rejects.toMatchObject({
        code: expect.stringMatching(/^media_un/),
      });
    }
    expect(connections).toBe(0);
    server.close();
  });
});

describe("a damaged video", () => {
  const faststart = () =>
    makeClip({ name: "index-first.mp4", frames: 60, output: ["-movflags", "+faststart"] });

  it("that was cut short yields the frames it has, then an error that names the first missing one", async () => {
    const { media, frames, error } = await readAll(await cutShort(await faststart(), "bad/short.mp4", 0.6));
    expect(media.facts.numFrames).toBe(60);
    expect(frames.length).toBeGreaterThan(10);
    expect(frames.length).toBeLessThan(60);
    expect(numbersOf(frames).slice(0, -3)).toEqual(upTo(frames.length - 3));
    expect(error).toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining(`Frame ${frames.length} `),
    });
    const opened = await openInTest(mediaPath("bad/short.mp4"));
    await expect(opened.frame(59, size)).rejects.toMatchObject({
      code: "media_unreadable",
      message: /Frame 59 /,
    });
    const cut = expect.objectContaining({
      code: "media_unreadable",
      message: expect.stringContaining("Frame 59 "),
    });
    expect(() => opened.timeOf(59)).toThrow(cut);
    expect(opened.timeOf(10)).toBe(400_000);
    await opened.close();
  });

  it("without its index is reported as cut short", async () => {
    const clip = await makeClip({ name: "plain.mp4", frames: 30 });
    await expect(openInTest(await cutShort(clip, "bad/no-index.mp4", 0.5))).rejects.toMatchObject({
      code: "media_unreadable",
      message: expect.stringContaining("cut short"),
    });
  });

  it("keeps the numbers of its frames: a lost picture repeats the one before it", async () => {
    const clip = await makeClip({
      name: "independent.mkv",
      frames: 20,
      encoder: ["-c:v", "mjpeg", "-q:v", "2"],
    });
    const bytes = await readFile(clip);
    // Each picture starts with FF D8 FF; without that, the decoder skips it.
    let start = -1;
    for (let n = 0; n <= 12; n++) {
      start = bytes.indexOf(Buffer.from([0xff, 0xd8, 0xff]), start + 1);
      if (n >= 10) bytes.fill(0, start, start + 200);
    }
    const { media, frames, error } = await readAll(await file("hole.mkv", bytes));
    expect(error).toBeUndefined();
    expect(media.facts.numFrames).toBe(20);
    const expected = upTo(20).map((n) => (n >= 10 && n <= 12 ? 9 : n));
    expect(numbersOf(frames)).toEqual(expected);
    expect(frames.map((frame) => frame.index)).toEqual(upTo(20));
    expect(frames.flatMap(({ index, damaged }) => (damaged ? [index] : []))).toEqual([10, 11, 12]);
    const opened = await openInTest(mediaPath("bad/hole.mkv"));
    expect(numbersOf([await opened.frame(11, size)])).toEqual([9]);
    await opened.close();
  });

  it("without any frame that decodes is refused when it is opened", async () => {
    const bytes = await readFile(
      await makeClip({ name: "independent.mkv", frames: 20, encoder: ["-c:v", "mjpeg", "-q:v", "2"] }),
    );
    for (let at = bytes.indexOf("ffd8ff", 0, "hex"); at >= 0; at = bytes.indexOf("ffd8ff", at, "hex")) {
      bytes.fill(0, at, at + 200);
    }
    await expect(openInTest(await file("nothing.mkv", bytes))).rejects.toMatchObject({
      code: "media_unreadable",
    });
  });
});

describe("a video beyond the limits", () => {
  it("is refused before it is decoded", async () => {
    const clip = await makeClip({ name: "plain.mp4", frames: 30 });
    await expect(openInTest(clip, { limits: { maxPixels: 96 * 64 - 1 } })).rejects.toMatchObject({
      code: "media_unsupported",
      message: expect.stringContaining("96×64"),
    });
    await expect(openInTest(clip, { limits: { maxFrames: 29 } })).rejects.toMatchObject({
      code: "media_unsupported",
    });
    const exact = await openInTest(clip, { limits: { maxPixels: 96 * 64, maxFrames: 30 } });
    expect(exact.facts.numFrames).toBe(30);
  });
});
