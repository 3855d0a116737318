/** Files whose tags are far larger than the video. */
import { openAsBlob } from "node:fs";
import { rm } from "node:fs/promises";
import { afterEach, expect, it } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import { expectToolsEnd, makeClip, mediaPath, readFrameNumber, withTag } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer } from "../../helpers/server.js";

const size = { width: 96, height: 64 };
const files = ["tags/binary.mp4", "tags/lines.mp4", "tags/lyrics.mp4"];
const [binary, lines, lyrics] = files as [string, string, string];

/** The encoder's own tags are left out, so that the file has one `udta` box. */
const clip = () => makeClip({ name: "tagless.mp4", frames: 30, output: ["-fflags", "+bitexact"] });

afterEach(async () => {
  for (const name of files) await rm(mediaPath(name), { force: true });
  await expectToolsEnd();
});

it("opens a file with a tag of 95 MB, by path and as an upload, without reading the tag", async () => {
  const path = await withTag(await clip(), binary, Buffer.alloc(95_000_000, 1));
  const before = process.memoryUsage().rss;
  const media = await openMedia(path);
  // In ffprobe's output the tag would be 570 MB of text.
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
  expect(media.facts).toMatchObject({ kind: "video", ...size, numFrames: 30 });
  await media.close();

  const server = await startTestServer({}, { engine: createScriptedEngine() });
  try {
    const body = await openAsBlob(path);
    const reply = await fetch(`${server.http}/v1/uploads`, { method: "POST", body });
    expect(await reply.json()).toMatchObject({
      upload_id: expect.any(String),
      kind: "video",
      num_frames: 30,
    });
  } finally {
    await server.close();
  }
}, 180_000);

it("opens a file with a tag of many lines, which ffmpeg logs one by one", async () => {
  const media = await openMedia(await withTag(await clip(), lyrics, Buffer.alloc(100_000, "la\n")));
  expect(readFrameNumber((await media.frame(20, size)).rgb, 96, 64)).toBe(20);
  await media.close();
});

it("ends ffmpeg when logging the tags takes too long", async () => {
  // ffmpeg's time for a tag grows with the square of its number of lines.
  const path = await withTag(await clip(), lines, Buffer.alloc(20_000_000, "\n"));
  await expect(openMedia(path, { limits: { stallTimeoutMs: 3000 } })).rejects.toMatchObject({
    code: "media_unreadable",
    message: expect.stringContaining("made no progress for 3000 ms"),
  });
});

it("is not misled by a tag that imitates the log of a frame", async () => {
  const log = "[Parsed_showinfo_4 @ 0x55d0c8a0] n:   0 pts:   9999 pts_time:0.1 pos: 1\n";
  const path = await withTag(await clip(), lyrics, Buffer.from(`x\n${log}\r${log}\v${log}`));
  const media = await openMedia(path);
  const frames: number[] = [];
  for await (const { rgb } of media.frames({ startFrame: 3, count: 3, direction: "forward", ...size })) {
    frames.push(readFrameNumber(rgb, 96, 64));
  }
  expect(frames).toEqual([3, 4, 5]);
  await media.close();
});
