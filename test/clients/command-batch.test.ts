/** `masklet batch` on a real server with a scripted model. */
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ListOptions, listInputs } from "../../clients/command/batch/inputs.js";
import { videoNames } from "../../clients/command/batch/output.js";
import { callCommand, startCommand } from "../helpers/command.js";
import { makeClip, makeStill, mediaPath } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

interface Coco {
  videos: { id: number; name: string }[];
  images: { id: number; file_name: string; video_id?: number }[];
  categories: { id: number; name: string }[];
  annotations: { id: number; image_id: number; track_id?: number; category_id: number }[];
}

let engine: ScriptedEngine;
let server: TestServer;
let folder: string;

beforeAll(async () => {
  engine = createScriptedEngine();
  server = await startTestServer({}, { engine });
  folder = mediaPath("batch");
  await mkdir(join(folder, "sequence"), { recursive: true });
  await rename(await makeStill("1.png", 0), join(folder, "1.png"));
  await rename(await makeClip({ name: "2.mp4", frames: 6 }), join(folder, "2.mp4"));
  for (const name of ["3.png", "sequence/f_9.png", "sequence/f_10.png"])
    await copyFile(join(folder, "1.png"), join(folder, name));
  await writeFile(join(folder, "notes.txt"), "hello");
});
afterAll(() => server.close());

const args = (out: string, ...more: string[]) => [
  ...["batch", folder, "--text", "dog", "--text", "cat", "--out", mediaPath(out), "--server", server.url],
  ...more,
];
const batch = (out: string, ...more: string[]) => callCommand(args(out, ...more));
const readOut = async (out: string) => JSON.parse(await readFile(mediaPath(out), "utf8")) as Coco;
const opened = () => engine.calls.filter((call) => call === "open").length;

describe("masklet batch", { timeout: 180_000 }, () => {
  it("continues after kill -9, computes nothing twice, and writes the file of a run that was not killed", async () => {
    const before = opened();
    const first = startCommand(args("killed.json"));
    await engine.called("next 3");
    const release = engine.hold("next");
    first.process.kill("SIGKILL");
    await first.ended;
    release();
    await expect(readFile(mediaPath("killed.json"))).rejects.toThrow("ENOENT");
    const { status, stderr } = await batch("killed.json", "--json");
    expect(status).toBe(0);
    expect(stderr).toContain("1 of 3 files are done from an earlier run\n");
    // Three inputs, and the one that was killed.
    expect(opened() - before).toBe(4);
    expect((await batch("whole.json")).status).toBe(0);
    expect(await readFile(mediaPath("killed.json"), "utf8")).toBe(
      (await readFile(mediaPath("whole.json"), "utf8")).replace('"whole"', '"killed"'),
    );
    // A third run has nothing to do.
    const after = opened();
    const { stdout } = await batch("killed.json", "--json");
    expect(JSON.parse(stdout).files).toEqual({ total: 3, tracked: 0, done_before: 3, failed: 0 });
    expect(opened()).toBe(after);
  });

  it("numbers videos, images, tracks and categories in the order of inputs and phrases", async () => {
    const file = await readOut("whole.json");
    expect(file.videos).toMatchObject([{ id: 2, name: "2.mp4" }]);
    expect(file.images.map(({ id, file_name, video_id }) => [id, file_name, video_id])).toEqual([
      [1, "1.png", undefined],
      ...[0, 1, 2, 3, 4, 5].map((frame) => [frame + 2, `2/0000${frame}.jpg`, 2]),
      [8, "3.png", undefined],
    ]);
    expect(file.categories).toMatchObject([
      { id: 1, name: "dog" },
      { id: 2, name: "cat" },
    ]);
    const ids = file.annotations.map(({ id }) => id);
    expect(ids).toEqual(ids.map((_, at) => at + 1));
    expect(new Set(file.annotations.map(({ image_id }) => image_id)).size).toBe(8);
  });

  it("tracks the others when a file cannot be read, and again only that file", async () => {
    const broken = join(folder, "broken.mp4");
    await writeFile(broken, Buffer.alloc(3000, 0xa5));
    const { status, stdout, stderr } = await batch("whole.json", "--json");
    expect(status).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({
      files: { total: 4, tracked: 0, done_before: 3, failed: 1 },
      failed: [{ path: "broken.mp4", reason: expect.stringContaining("The file is text; videos (MP4") }],
      left_out: 1,
    });
    expect(stderr).toMatch(
      /\nfailed: broken\.mp4: .*\n1 of 4 files failed; the same command tries them again\.\n$/,
    );
    expect((await readOut("whole.json")).videos[0]?.id).toBe(2);
    await copyFile(join(folder, "2.mp4"), broken);
    const before = opened();
    expect((await batch("whole.json")).status).toBe(0);
    expect(opened() - before).toBe(1);
    await rm(broken);
  });

  it("takes folders of numbered pictures as clips, with the names of their files", async () => {
    const { status } = await batch(
      ...(["clips.json", "--recursive", "--pictures", "numbered", "--format", "youtube-vis"] as const),
    );
    expect(status).toBe(0);
    const { videos } = JSON.parse(await readFile(mediaPath("clips.json"), "utf8"));
    expect(videos.map(({ file_names }: { file_names: string[] }) => file_names).at(-1)).toEqual([
      "sequence/f_9.png",
      "sequence/f_10.png",
    ]);
  });

  it("lists what it would track, and tracks nothing", async () => {
    const before = engine.calls.length;
    const { status, stdout } = await batch("whole.json", "--recursive", "--dry-run", "--json");
    const { inputs, left_out } = JSON.parse(stdout);
    expect([status, left_out]).toEqual([0, 1]);
    expect(inputs.map((one: Record<string, unknown>) => [one.path, one.kind, one.done])).toEqual([
      ["1.png", "picture", true],
      ["2.mp4", "video", true],
      ["3.png", "picture", true],
      ["sequence/f_9.png", "picture", false],
      ["sequence/f_10.png", "picture", false],
    ]);
    expect(engine.calls.length).toBe(before);
  });

  it.each<[string, () => string[], number, RegExp]>([
    [
      "other phrases",
      () => [...args("whole.json"), "--text", "owl"],
      2,
      /^--text: .*whole\.json\.parts has results of "dog", "cat"; /,
    ],
    ["no phrase", () => ["batch", folder], 2, /^Required option '--text <phrase>' not specified/],
    [
      "a missing folder",
      () => ["batch", "nowhere", "--text", "a"],
      2,
      /^FOLDER: expected a folder, got "nowhere", which does not exist/,
    ],
    [
      "a format of one video",
      () => [...args("x.json"), "--format", "mot"],
      2,
      /^--format: expected coco or youtube-vis, got "mot"/,
    ],
    [
      "an option of no format",
      () => [...args("x.json"), "--option", "masks=png"],
      2,
      /^--option: masks: expected "rle" or "polygons"/,
    ],
    [
      "pictures as nothing",
      () => [...args("x.json"), "--pictures", "all"],
      2,
      /^--pictures: expected each, clip, numbered, got "all"/,
    ],
    [
      "a video as the output",
      () => ["batch", folder, "--text", "a", "--out", join(folder, "2.mp4")],
      2,
      /^--out: expected a file that may be replaced, ".*2\.mp4" is a video\.\n$/,
    ],
    [
      "a lost server",
      () => ["batch", folder, "--text", "a", "--out", mediaPath("lost.json"), "--server", "ws://127.0.0.1:1"],
      1,
      /--server: /,
    ],
  ])("refuses %s", async (_, given, status, sentence) => {
    const ended = await callCommand(given());
    expect(ended.stderr).toMatch(sentence);
    expect(ended.status).toBe(status);
  });

  it("stops when it is interrupted, and leaves no session", async () => {
    const long = mediaPath("batch-long");
    await mkdir(long);
    const clip = await makeClip({ name: "long.mp4", frames: 600, width: 48, height: 32 });
    await rename(clip, join(long, "long.mp4"));
    const out = mediaPath("interrupted.json");
    // The command that was killed has left one.
    const { sessions } = await server.health();
    const command = startCommand(["batch", long, "--text", "dog", "--out", out, "--server", server.url]);
    await engine.called("next 20");
    command.process.kill("SIGINT");
    const { status, stderr } = await command.ended;
    expect(stderr).toContain("Stopped; the same command continues the batch.\n");
    expect(status).toBe(130);
    await expect(readFile(out)).rejects.toThrow("ENOENT");
    expect(await server.health()).toMatchObject({ sessions });
  });

  it("does not run twice at the same time with one file", async () => {
    await writeFile(`${mediaPath("whole.json")}.parts/lock`, String(process.ppid));
    const { status, stderr } = await batch("whole.json");
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^Process \d+ runs a batch with .*whole\.json\.parts; /),
    ]);
    await rm(`${mediaPath("whole.json")}.parts/lock`);
  });
});

describe("the inputs of a batch", () => {
  const list = async (more: Partial<ListOptions>) => {
    const options = { isRecursive: true, picturesAs: "each" as const, except: "", ...more };
    const { inputs } = await listInputs(folder, options);
    return inputs.map(({ path, kind }) => `${kind} ${path}`);
  };

  it("are clips where all names of a folder differ only by a number", async () => {
    // 1.png and 3.png differ by a number as well.
    expect(await list({ picturesAs: "numbered" })).toEqual(["frames .", "video 2.mp4", "frames sequence"]);
    await writeFile(join(folder, "sequence", "cover.png"), "");
    expect(await list({ picturesAs: "numbered" })).toContain("picture sequence/cover.png");
    expect(await list({ picturesAs: "clip" })).toContain("frames sequence");
    await rm(join(folder, "sequence", "cover.png"));
  });

  it("keep their extension in names that would be the same without it", () => {
    const inputs = ["a.mp4", "a.mov", "v1.2/b.mp4"].map((path) => ({ path, kind: "video" as const }));
    expect(videoNames(inputs)).toEqual(["a.mp4", "a.mov", "v1.2/b"]);
  });
});
