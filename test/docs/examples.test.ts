/** The examples run against one server with the embedded pack, and the documents show them unchanged. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documents, root } from "../../docs/site/pages.mjs";
import { read, samples } from "../../protocol/docs/markdown.js";
import { ffmpegPath } from "../../server/media/binaries.js";
import { makeKeys } from "../helpers/keys.js";
import { runFfmpegTool } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const EXAMPLES = "clients/examples";
const FRAMES = 6;
const PHRASE = "red square";
const { keysFile, keys } = makeKeys("example");

/** The first Python with the packages of the client and others, of the environments of `.ci` or of the system. */
const pythonWith = (...packages: string[]) =>
  [
    ...["python", "exports", "exports-all"].map((name) =>
      join(root, `node_modules/.cache/${name}/bin/python`),
    ),
    ...[process.env.PYTHON, "python3"],
  ].find((name) => {
    const find = `import sys, importlib.util as i; sys.exit(not all(map(i.find_spec, sys.argv[1:])))`;
    const args = ["-c", find, "websockets", "numpy", ...packages];
    return name && spawnSync(name, args, { stdio: "ignore" }).status === 0;
  });

const python = pythonWith();

describe("the documents", () => {
  const files = readdirSync(join(root, EXAMPLES));

  it("link to every example", () => {
    const texts = documents().map(read).join("\n");
    expect(files.filter((name) => !texts.includes(`${EXAMPLES}/${name}`))).toEqual([]);
  });

  it("show examples unchanged", () => {
    const shown = documents().flatMap((document) => samples(document, read(document)));
    // A sample that begins like an example is that example.
    const beginning = (code: string) => code.split("\n").slice(0, 3).join("\n");
    const examples = new Map(
      files.map((name) => {
        const code = readFileSync(join(root, EXAMPLES, name), "utf8");
        return [beginning(code), { name, code }];
      }),
    );
    const found = shown.flatMap((sample) => {
      const example = examples.get(beginning(sample.code));
      return example ? [{ where: `${sample.document}:${sample.line}`, sample, example }] : [];
    });
    expect(found.length).toBeGreaterThan(2);
    const changed = found.filter(({ sample, example }) => sample.code !== example.code);
    expect(changed.map(({ where, example }) => `${where} differs from ${example.name}`)).toEqual([]);
  });
});

describe("the example", { timeout: 300_000 }, () => {
  let server: TestServer;
  let media: string;
  const clip = () => join(media, "clip.mp4");
  const pictures = () => join(media, "frames");

  beforeAll(async () => {
    media = await mkdtemp(join(tmpdir(), "masklet-examples-"));
    await mkdir(pictures());
    // A red square of 48 pixels that moves to the right.
    const drawn = ["-f", "lavfi", "-i", "color=c=gray:s=192x128:r=12:d=0.5"];
    const square = ["-f", "lavfi", "-i", "color=c=red:s=48x48:r=12:d=0.5"];
    const moved = ["-filter_complex", "overlay=x=20+60*t:y=40", "-pix_fmt", "yuv420p"];
    for (const target of [clip(), join(pictures(), "%d.png")])
      await runFfmpegTool([...drawn, ...square, ...moved, target]);
    server = await startTestServer({ keysFile, mediaRoots: [media] });
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await rm(media, { recursive: true });
  });

  async function run(program: string, args: string[]): Promise<string[]> {
    const { stdout } = await promisify(execFile)(program, args, {
      cwd: root,
      // live.py runs the ffmpeg of the system, which a machine may not have.
      env: {
        ...process.env,
        FFMPEG_PATH: ffmpegPath(),
        MASKLET_KEY: keys.example,
        PYTHONPATH: join(root, "clients/python/src"),
      },
    });
    return stdout.trim().split("\n");
  }

  const typescript = (name: string, ...args: string[]) =>
    run(process.execPath, ["--import", "tsx", `${EXAMPLES}/${name}.ts`, server.url, ...args]);
  const inPython = (name: string, ...args: string[]) =>
    run(python ?? "", [`${EXAMPLES}/${name}.py`, server.url, ...args]);

  const numbers = Array.from({ length: FRAMES }, (_, frame) => String(frame));
  const firstWords = (lines: string[]) => lines.map((line) => line.split(/[ {[:]/)[0]);
  const box = (line: string | undefined) => (line ?? "").split(" ").slice(1).map(Number);

  const both: [string, typeof typescript][] = [
    ["in TypeScript", typescript],
    ...(python ? [["in Python", inPython] satisfies [string, typeof typescript]] : []),
  ];

  const noPython = "there is no Python with websockets and numpy";
  it.skipIf(python !== undefined)(`in Python: skipped, ${noPython}`, () => {});

  describe.each(both)("%s", (language, example) => {
    it("click prints the box of the clicked object on every frame", async () => {
      const lines = await example("click", clip(), "0.23", "0.5");
      expect(firstWords(lines)).toEqual(numbers);
      // Left edge: 20 of 192 pixels on the first frame, 45 on the last.
      const scale = language === "in Python" ? 192 : 1;
      const left = (line: string | undefined) => ((box(line)[0] ?? Number.NaN) / scale) * 192;
      expect(Math.abs(left(lines[0]) - 20)).toBeLessThan(6);
      expect(Math.abs(left(lines.at(-1)) - 45)).toBeLessThan(6);
    });

    it("track prints the masks of a phrase", async () => {
      const lines = await example("track", clip(), PHRASE);
      expect(firstWords(lines)).toEqual(numbers);
      const areas = lines.map((line) => Number(/(\d+)(?: pixels|\])$/.exec(line)?.[1]));
      for (const area of areas) expect(Math.abs(area - 48 * 48)).toBeLessThan(500);
    });

    it("correct computes again only what the correction changes", async () => {
      const lines = await example("correct", clip(), PHRASE);
      expect(lines[0]).toBe(`tracked ${FRAMES} frames`);
      expect(lines[1]).toMatch(/^corrected frame 3; stale: \[.*1.*\]$/);
      const again = Number(/^computed (\d) of 6 frames again$/.exec(lines.at(-1) ?? "")?.[1]);
      expect(again).toBeGreaterThan(0);
      expect(again).toBeLessThan(FRAMES);
    });

    it("live pushes the frames of ffmpeg", async () => {
      const lines = await example("live", PHRASE, "-i", clip());
      expect(firstWords(lines)).toEqual(numbers);
      // No object before the prompt, which follows the first frame.
      expect(lines[0]).toMatch(/^0 (\[\] \[\])?$/);
      for (const line of lines.slice(1)) expect(line).toMatch(/^\d (0: 0\.\d|\[0\] \[\[\d)/);
    });

    it("coco writes one annotation for each frame", async () => {
      const out = join(media, `${language}.json`);
      await example("coco", clip(), PHRASE, out);
      const { images, annotations, categories } = JSON.parse(readFileSync(out, "utf8"));
      expect([images.length, annotations.length]).toEqual([FRAMES, FRAMES]);
      expect(categories.map(({ name }: { name: string }) => name)).toEqual([PHRASE]);
    });

    it("batch counts the frames of each object of each video", async () => {
      const lines = await example("batch", media, PHRASE);
      expect(lines.map((line) => JSON.parse(line))).toEqual([
        { video: "clip.mp4", frames_of_objects: { "0": FRAMES } },
      ]);
    });
  });

  it("track_async.py tracks with asyncio", async ({ skip }) => {
    if (!python) return skip(noPython);
    expect(firstWords(await inPython("track_async", clip(), PHRASE))).toEqual(numbers);
  });

  it("labelme_files.py writes a file for each frame", async ({ skip }) => {
    if (!python) return skip(noPython);
    const out = join(media, "labelme");
    expect(firstWords(await inPython("labelme_files", clip(), PHRASE, out))).toEqual(numbers);
    for (const number of numbers) {
      const { shapes } = JSON.parse(readFileSync(join(out, `0000${number}.json`), "utf8"));
      expect(shapes).toMatchObject([{ label: PHRASE, group_id: 0, shape_type: "polygon" }]);
    }
  });

  const withSupervision = pythonWith("supervision");
  it("supervision_tracks.py draws the tracks", async ({ skip }) => {
    if (!withSupervision) return skip("there is no Python with supervision");
    const out = join(media, "tracks.mp4");
    const args = [`${EXAMPLES}/supervision_tracks.py`, server.url, clip(), PHRASE, out];
    const lines = await run(withSupervision, args);
    expect(firstWords(lines)).toEqual(numbers);
    for (const line of lines) {
      const [, area] = /^\d \['#0'\] \[(\d+)\]$/.exec(line) ?? [];
      expect(Math.abs(Number(area) - 48 * 48)).toBeLessThan(500);
    }
    expect(existsSync(out)).toBe(true);
  });

  const withFiftyone = pythonWith("fiftyone");
  it("fiftyone_dataset.py fills a sample; a data set would need MongoDB", async ({ skip }) => {
    if (!withFiftyone) return skip("there is no Python with fiftyone");
    const program = `
import runpy, sys
sample = runpy.run_path("${EXAMPLES}/fiftyone_dataset.py")["collect"](*sys.argv[1:])
for number in sorted(sample.frames):
    for one in sample.frames[number].masklet.detections:
        print(number - 1, one.index, one.label, one.to_segmentation(frame_size=(192, 128), target=1).mask.sum())`;
    const lines = await run(withFiftyone, ["-c", program, server.url, clip(), PHRASE]);
    expect(firstWords(lines)).toEqual(numbers);
    for (const line of lines) {
      const [, area] = /^\d 0 red square (\d+)$/.exec(line) ?? [];
      expect(Math.abs(Number(area) - 48 * 48)).toBeLessThan(500);
    }
  });

  it("folder.ts uploads pictures", async () => {
    const lines = await typescript("folder", pictures(), PHRASE);
    expect(lines[0]).toBe(`${FRAMES} frames, left out: 0`);
    expect(firstWords(lines.slice(1))).toEqual(numbers);
    expect(lines.at(-1)).toMatch(/ 192x128$/);
  });

  it("resume.ts watches, attaches again, saves and loads", async () => {
    expect(await typescript("resume", clip(), PHRASE)).toEqual(
      expect.arrayContaining([
        "watched frame 0",
        "watched frame 1",
        ...[0, 1, 2].map((frame) => `attached, frame ${frame}: [ 0 ]`),
        expect.stringMatching(/^saved \d+ bytes: GET \/v1\/saved\/[\w-]+$/),
        "loaded, objects: [ 0 ]",
      ]),
    );
  });

  it("edit.ts corrects and undoes, and computes only what a click can change", async () => {
    const lines = await typescript("edit", clip());
    expect(lines.slice(0, 8)).toEqual([
      expect.stringMatching(/^tracked: 6 frames, the object is on [1-6] of them$/),
      "the click can change: [ { obj_id: 0, first_frame_index: 1, last_frame_index: 4 } ]",
      expect.stringMatching(/^computed again: 3 frames, /),
      ...["undone: add_prompt", "undone: rename", "undone: mark_absent"],
      lines[0]?.replace("tracked", "stored"),
      expect.stringMatching(/^frames worth checking: /),
    ]);
  });

  it("http.sh tracks a folder with curl alone", async () => {
    const [prompt, ...stream] = await run("sh", [`${EXAMPLES}/http.sh`, server.http, pictures(), PHRASE]);
    expect(JSON.parse(prompt ?? "")).toMatchObject({ frame_index: 0, outputs: { out_obj_ids: [0] } });
    const frames = stream.map((line) => (JSON.parse(line) as { frame_index?: number }).frame_index);
    // After the frames: the end of the stream, and the answer to close_session.
    expect(frames).toEqual([...numbers.map(Number), undefined, undefined]);
  });

  it("library.ts tracks without a server", async () => {
    const args = ["--import", "tsx", `${EXAMPLES}/library.ts`, clip(), PHRASE];
    expect(firstWords(await run(process.execPath, args))).toEqual(numbers);
  });

  it("interactive.ts draws its own picture and runs every step of SAM 2's notebook", async () => {
    const lines = await typescript("interactive");
    const steps = lines.map((line) => /^(.+: mask \d) has (\d+) pixels, score \d\.\d{3}$/.exec(line));
    expect(steps.map((step) => step?.[1])).toEqual([
      ...["click: mask 0", "click: mask 1", "click: mask 2", "refine: mask 0", "exclude: mask 0"],
      ...["box: mask 0", "box and point: mask 0"],
      ...["box 0: mask 0", "box 1: mask 0", "box 2: mask 0", "box 3: mask 0"],
    ]);
    const areas = Object.fromEntries(steps.map((step) => [step?.[1], Number(step?.[2])]));
    // The box of the wheel has 75,625 of the picture's 2,160,000 pixels; that of the truck has more than ten times as many. The
    // embedded pack marks a part of this truck: its sides are large areas of one colour.
    expect(areas["box: mask 0"]).toBeGreaterThan(20_000);
    expect(areas["box: mask 0"]).toBeLessThan(150_000);
    expect(areas["box 0: mask 0"]).toBeGreaterThan(100_000);
  });

  it("has a test for every file", () => {
    const tested = readFileSync(new URL(import.meta.url), "utf8");
    const names = readdirSync(join(root, EXAMPLES)).map((name) => name.replace(/\.\w+$/, ""));
    expect(names.filter((name) => !tested.includes(`"${name}"`) && !tested.includes(`/${name}.`))).toEqual(
      [],
    );
    expect(existsSync(join(root, EXAMPLES, "track.py"))).toBe(true);
  });
});
