/** `masklet track` with a real server. The model is scripted, except in the first two tests. */
import { mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMedia } from "../../server/media/open.js";
import { callCommand, readFrames, startCommand } from "../helpers/command.js";
import { makeClip, makeFrameFolder, mediaDirectory, mediaPath } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const FRAMES = 8;
const upTo = (end: number) => Array.from({ length: end }, (_, index) => index);

// These load a model, which is slow on a busy machine.
describe("masklet track, on a server of its own", { timeout: 180_000 }, () => {
  it("writes every frame once as on the wire, and the video with masks at its own size and length", async () => {
    const clip = await makeClip({ name: "own.mp4", frames: FRAMES, width: 160, height: 96 });
    const [out, render] = [mediaPath("own.jsonl"), mediaPath("own-masks.mp4")];
    const { ended } = startCommand(["track", clip, "--box", "30,20,60,40", "--out", out, "--render", render]);
    const { status, stdout, stderr } = await ended;
    expect(stderr).toMatch(/tracking: 8 of 8 frames, [\d.]+ frames\/s/);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });

    const frames = readFrames(await readFile(out, "utf8"));
    expect(frames.map((frame) => frame.frame_index)).toEqual(upTo(FRAMES));
    expect(frames.map((frame) => frame.timestamp_us)).toEqual(upTo(FRAMES).map((index) => index * 40_000));
    expect(frames[0]?.outputs.out_obj_ids).toEqual([0]);
    expect(frames[0]?.outputs.out_binary_masks?.[0]?.size).toEqual([96, 160]);
    const drawn = await openMedia(render);
    expect(drawn.facts).toMatchObject({ width: 160, height: 96, numFrames: FRAMES, fps: 25, codec: "h264" });
    await drawn.close();
  });

  it("covers a folder of frames from a middle one, forward and then backward, onto standard output", async () => {
    const folder = await makeFrameFolder("own-frames", 5);
    const { ended } = startCommand(["track", folder, "--point", "40,30", "--at", "3"]);
    const { status, stdout } = await ended;
    expect(status).toBe(0);
    const frames = readFrames(stdout);
    expect(frames.map((frame) => frame.frame_index)).toEqual([3, 4, 2, 1, 0]);
    expect(frames.every((frame) => frame.timestamp_us === null)).toBe(true);
  });
});

describe("masklet track --server", () => {
  let engine: ScriptedEngine;
  let server: TestServer;
  let clip: string;
  let uploads: string;

  beforeEach(async () => {
    clip = await makeClip({ name: "sent.mp4", frames: FRAMES });
    uploads = mediaPath("sent-uploads");
    await mkdir(uploads, { recursive: true });
    engine = createScriptedEngine();
    server = await startTestServer({ uploadDir: uploads }, { engine });
  });
  afterEach(() => server.close());

  const track = (...args: string[]) => callCommand(["track", ...args, "--server", server.url]);

  it("uploads the video and deletes the upload", async () => {
    const out = mediaPath("sent.jsonl");
    const { status, stderr } = await track(clip, "--text", "dog", "--out", out);
    expect(stderr).toContain(`1 object on ${FRAMES} frames, in ${out}`);
    expect(status).toBe(0);
    expect(readFrames(await readFile(out, "utf8")).map((frame) => frame.frame_index)).toEqual(upTo(FRAMES));
    const left = await readdir(uploads, { recursive: true, withFileTypes: true });
    // The folder keeps the lock of the server that uses it.
    expect(left.filter((entry) => entry.isFile() && !entry.name.startsWith("lock.json"))).toEqual([]);
    expect(await server.health()).toMatchObject({ sessions: 0 });
  });

  it("reports the prompts as it understood them", async () => {
    const { status, stderr } = await track(clip, "--box", "0.25,0.25,0.5,0.5", "--text", "dog", "--at", "2");
    expect(stderr).toContain(
      `box 24,16 48x32 px; phrase "dog" on frame 2 of sent.mp4 (96x64, ${FRAMES} frames)\n`,
    );
    expect(status).toBe(0);
  });

  it("ends with status 3 and a sentence when no frame has an object, and keeps the frames", async () => {
    const out = mediaPath("nothing.jsonl");
    const { status, stderr } = await track(clip, "--text", "nothing", "--out", out);
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^No object on any of 8 frames: phrase "nothing" found no object on frame 0; try /m,
    );
    expect(readFrames(await readFile(out, "utf8"))).toHaveLength(FRAMES);
  });

  it("notes a prompt that found nothing beside one that found an object", async () => {
    const { status, stderr } = await track(clip, "--text", "dog", "--text", "nothing");
    expect(stderr).toContain('note: phrase "nothing" found no object on frame 0\n');
    expect(status).toBe(0);
  });

  it("accepts an http address, and prints frames without --out or with -", async () => {
    for (const out of [[], ["--out", "-"]]) {
      const { stdout } = await callCommand(["track", clip, "--text", "a", "--server", server.http, ...out]);
      expect(readFrames(stdout)).toHaveLength(FRAMES);
    }
  });

  it("tracks backward including the prompted frame", async () => {
    const { stdout } = await track(clip, "--text", "dog", "--at", "4", "--direction", "backward");
    expect(readFrames(stdout).map((frame) => frame.frame_index)).toEqual([4, 3, 2, 1, 0]);
    expect(engine.calls).toContain("prompt 4");
  });

  it("sends the pictures of a folder, which the server cannot read by its path", async () => {
    const folder = await makeFrameFolder("sent-frames", 12);
    const link = mediaPath("linked-frames");
    await symlink(folder, link);
    const elsewhere = await startTestServer({ mediaRoots: [uploads] }, { engine: createScriptedEngine() });
    const args = ["track", link, "--text", "dog", "--server", elsewhere.url];
    const { status, stdout } = await callCommand(args);
    await elsewhere.close();
    expect(status).toBe(0);
    expect(readFrames(stdout).map((frame) => frame.frame_index)).toEqual(upTo(12));
  });

  it("reports the error of the server for a file that is not a video", async () => {
    const { status, stdout, stderr } = await track("package.json", "--text", "dog");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/package\.json cannot be opened: .*supported/);
  });

  it("keeps the frames that arrived before the session was lost", async () => {
    const out = mediaPath("lost.jsonl");
    const release = engine.hold("next");
    const running = track(clip, "--text", "dog", "--out", out);
    await engine.called("next 0");
    release();
    await engine.called("next 2");
    engine.crash();
    const { status, stderr } = await running;
    expect(status).toBe(1);
    expect(stderr).toMatch(/inference process ended/);
    const kept = readFrames(await readFile(out, "utf8")).map((frame) => frame.frame_index);
    expect(kept).toEqual(upTo(kept.length));
    expect(kept.length).toBeLessThan(FRAMES);
  });

  it("ends with one sentence when standard output is closed", { timeout: 180_000 }, async () => {
    const long = await makeClip({ name: "long.mp4", frames: 600, width: 48, height: 32 });
    const command = startCommand(["track", long, "--text", "dog", "--server", server.url]);
    await command.printed(/"frame_index":3,/);
    command.process.stdout?.destroy();
    const { status, stderr } = await command.ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Standard output cannot be written: .*EPIPE.*$/m);
    expect(stderr).not.toMatch(/at .*\.ts/);
    expect(await server.health()).toMatchObject({ sessions: 0 });
  });

  it("stops when it is interrupted, keeps the frames made so far, and leaves no session", {
    timeout: 180_000,
  }, async () => {
    const long = await makeClip({ name: "long.mp4", frames: 600, width: 48, height: 32 });
    const out = mediaPath("interrupted.jsonl");
    const command = startCommand(["track", long, "--text", "dog", "--server", server.url, "--out", out]);
    await engine.called("next 20");
    command.process.kill("SIGINT");
    const { status, stderr } = await command.ended;
    expect({ status, stderr }).toMatchObject({ status: 130, stderr: expect.stringContaining("Stopped") });
    const kept = readFrames(await readFile(out, "utf8")).map((frame) => frame.frame_index);
    expect(kept).toEqual(upTo(kept.length));
    expect(kept.length).toBeLessThan(600);
    expect(await server.health()).toMatchObject({ sessions: 0 });
  });

  it.each([
    [
      "a box outside the video",
      ["--box", "90,0,20,20"],
      /^--box: expected a box inside the 96x64 video, got 90,0,20,20\.\n$/,
    ],
    ["a frame after the last", ["--text", "a", "--at", "8"], /^--at: expected 0 to 7, .* got 8\.\n$/],
  ])("refuses %s before anything is written", async (_name, args, sentence) => {
    const out = mediaPath("refused.jsonl");
    const { status, stderr } = await track(clip, ...args, "--out", out);
    expect(status).toBe(2);
    expect(stderr).toMatch(sentence);
    await expect(readFile(out)).rejects.toThrow();
  });
});

describe("masklet track with an invalid command line", () => {
  it.each<[string, (clip: string) => string[], RegExp]>([
    ["no video", () => ["track"], /^Missing required argument 'video'/],
    ["a missing file", () => ["track", "nowhere.mp4", "--text", "a"], /^VIDEO: .*no "nowhere\.mp4"/],
    [
      "a device",
      () => ["track", "/dev/null", "--text", "a"],
      /^VIDEO: .*"\/dev\/null" is a pipe or a device/,
    ],
    ["no prompt", (clip) => ["track", clip], /^Nothing to track/],
    ["an unknown option", (clip) => ["track", clip, "--boxx", "1,2,3,4"], /^Unknown option '--boxx'.*--box/],
    ["an unknown command", () => ["follow"], /^Unknown command 'follow'/],
    [
      "a result over the video",
      (clip) => ["track", clip, "--text", "a", "--out", clip],
      /^--out: .*video itself/,
    ],
    [
      "two results in one file",
      (clip) => ["track", clip, "--text", "a", "--out", "x.mp4", "--render", "x.mp4"],
      /^--render: "x\.mp4" is the file of --out/,
    ],
    [
      "a result without a folder",
      (clip) => ["track", clip, "--text", "a", "--out", "no/such/folder.jsonl"],
      /^--out: there is no folder "no\/such"/,
    ],
    [
      "a result that is a folder",
      (clip) => ["track", clip, "--text", "a", "--out", mediaDirectory()],
      /^--out: expected a file/,
    ],
  ])("answers %s with one sentence and status 2", async (_name, args, sentence) => {
    const clip = await makeClip({ name: "nonsense.mp4", frames: 2 });
    const { status, stdout, stderr } = await callCommand(args(clip));
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(sentence);
    expect(stderr.split("\n")).toHaveLength(2);
  });

  it("ends with status 1 without a server at the address", async () => {
    const clip = await makeClip({ name: "nonsense.mp4", frames: 2 });
    const { status, stderr } = await callCommand([
      ...["track", clip, "--text", "a", "--server", "ws://127.0.0.1:9"],
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^--server: no connection to ws:\/\/127\.0\.0\.1:9/);
  });
});
