/** The examples run, and the documents show them unchanged. */
import { execFile, execFileSync } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { SERVER_LIMITS } from "../../protocol/limits.js";
import { readConfig, variableOf } from "../../server/config.js";
import { callCommand } from "../helpers/command.js";
import { makeKeys } from "../helpers/keys.js";
import { makeClip, makeFrameFolder } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { keysFile, keys } = makeKeys("example");
const withKey = { cwd: root, env: { ...process.env, MASKLET_KEY: keys.example } };
const run = promisify(execFile);
const FRAMES = 3;

describe("the documents", () => {
  it.each([
    ["README.md", "ts", "clients/examples/track.ts"],
    ["README.md", "python", "clients/examples/track.py"],
    ["docs/library.md", "ts", "clients/examples/library.ts"],
  ])("%s shows the %s example %s unchanged", async (document, language, path) => {
    const text = await readFile(`${root}/${document}`, "utf8");
    const example = await readFile(`${root}/${path}`, "utf8");
    expect(text).toContain(`\`\`\`${language}\n${example}\`\`\`\n`);
  });

  it.each([
    "README.md",
    "PROTOCOL.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/cli.md",
    "docs/policy.md",
    "docs/library.md",
  ])("%s links to files that exist and to headings that they contain", async (document) => {
    const text = await readFile(`${root}/${document}`, "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    for (const [link, path = "", heading] of links) {
      const target = path === "" ? document : join(dirname(document), path);
      await access(join(root, target));
      if (heading === undefined || !target.endsWith(".md")) continue;
      const headings = (await readFile(join(root, target), "utf8")).match(/^#+ .+$/gm) ?? [];
      expect(headings.map(anchorOf), `${document}: ${link}`).toContain(heading);
    }
  });

  it("lists every option of the commands in docs/cli.md", async () => {
    const text = await readFile(`${root}/docs/cli.md`, "utf8");
    for (const [command, least] of [
      ["track", 4],
      ["serve", 4],
      ["upload", 2],
      ["keys add", 2],
      ["keys list", 1],
      ["keys remove", 1],
    ] as const) {
      const { stdout } = await callCommand([...command.split(" "), "--help"]);
      const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option ?? "");
      expect(options.length).toBeGreaterThanOrEqual(least);
      for (const option of options)
        if (option !== "--help") expect(text).toMatch(new RegExp(`\\| \`${option}[ \`]`));
    }
  });

  it("lists every setting of the server that is not a limit in docs/cli.md", async () => {
    const text = await readFile(`${root}/docs/cli.md`, "utf8");
    const settings = Object.keys(readConfig({}, {})).filter((name) => !(name in SERVER_LIMITS));
    // A setting without a default is not among them.
    for (const name of [...settings, "uploadDir", "saveDir", "keysFile"])
      expect(text).toContain(`\`${variableOf(name)}\``);
  });
});

/** The anchor that GitHub gives to a heading. */
function anchorOf(heading: string): string {
  const text = heading.replace(/^#+ /, "").replace(/`/g, "").toLowerCase();
  return text.replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
}

describe("the example", { timeout: 180_000 }, () => {
  let server: TestServer;
  let clip: string;
  let folder: string;

  beforeAll(async () => {
    clip = await makeClip({ name: "example.mp4", frames: FRAMES });
    folder = await makeFrameFolder("example-frames", FRAMES);
    server = await startTestServer({ keysFile }, { engine: createScriptedEngine() });
  });
  afterAll(() => server.close());

  it.each([
    ["with a key", keysFile, withKey],
    ["without keys", undefined, { cwd: root }],
  ])("in TypeScript prints one line per object and frame, %s", async (_, setting, options) => {
    const own = await startTestServer(setting === undefined ? {} : { keysFile: setting }, {
      engine: createScriptedEngine(),
    });
    onTestFinished(() => own.close());
    const args = ["--import", "tsx", "clients/examples/track.ts", own.url, clip, "red circle"];
    const { stdout } = await run(process.execPath, args, options);
    const lines = stdout.split("\n").filter((line) => /^\d+ 0 \[ 0, 0, 1, 1 \]/.test(line));
    expect(lines.map((line) => Number(line.split(" ")[0]))).toEqual([0, 1, 2]);
  });

  /** The lines that an example in TypeScript prints. */
  async function linesOf(example: string, ...given: string[]): Promise<string[]> {
    const args = ["--import", "tsx", `clients/examples/${example}.ts`, ...given];
    const { stdout } = await run(process.execPath, args, withKey);
    return stdout.trim().split("\n");
  }

  it("of a folder uploads its pictures and prints one line per object and frame", async () => {
    expect(await linesOf("folder", server.url, folder)).toEqual([
      "3 frames, left out: 0",
      ...[0, 1, 2].map((frame) => `${frame} 0 [ 0, 0, 1, 1 ] 4x4`),
    ]);
  });

  it("of a live session prints the object on every frame after the prompt", async () => {
    expect(await linesOf("live", server.url, folder)).toEqual(
      [1, 2].map((frame) => `${frame} 0 [ 0, 0, 1, 1 ]`),
    );
  });

  it("of sessions that last watches, attaches again, saves and loads", async () => {
    const real = await startTestServer();
    const lines = await linesOf("resume", real.url, clip, "red circle").finally(() => real.close());
    expect(lines).toEqual(
      expect.arrayContaining([
        "watched frame 0",
        "watched frame 1",
        ...[0, 1, 2].map((frame) => expect.stringMatching(`^attached, frame ${frame}: \\[.*\\]$`)),
        expect.stringMatching(/^saved \d+ bytes: GET \/v1\/saved\/[\w-]+$/),
        expect.stringMatching(/^loaded, objects: \[.*\]$/),
      ]),
    );
  });

  it("of edits corrects and undoes them, and computes only what a click can change", async () => {
    const real = await startTestServer();
    const longer = await makeClip({ name: "example-edit.mp4", frames: 5 });
    const lines = await linesOf("edit", real.url, longer).finally(() => real.close());
    expect(lines.slice(0, 8)).toEqual([
      expect.stringMatching(/^tracked: 5 frames, the object is on [1-5] of them$/),
      "the click can change: [ { obj_id: 0, first_frame_index: 1, last_frame_index: 3 } ]",
      expect.stringMatching(/^computed again: 2 frames, /),
      ...["undone: add_prompt", "undone: rename", "undone: mark_absent"],
      lines[0]?.replace("tracked", "stored"),
      expect.stringMatching(/^frames worth checking: /),
    ]);
  });

  it("of HTTP tracks a folder with curl alone", async () => {
    const { stdout } = await run("sh", ["clients/examples/http.sh", server.http, folder], withKey);
    const [prompt, ...stream] = stdout.trim().split("\n");
    expect(JSON.parse(prompt ?? "")).toMatchObject({ frame_index: 0, outputs: { out_obj_ids: [0] } });
    expect(stream.map((line) => (JSON.parse(line) as { frame_index?: number }).frame_index)).toEqual([
      ...[0, 1, 2],
      ...[undefined, undefined],
    ]);
  });

  it("of the library prints one line per frame", async () => {
    const args = ["--import", "tsx", "clients/examples/library.ts", clip, "red circle"];
    const { stdout } = await run(process.execPath, args, withKey);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line[0]),
    ).toEqual(["0", "1", "2"]);
  });

  it("of interactive segmentation draws its own picture and runs every step of SAM 2's notebook", async () => {
    const real = await startTestServer();
    const args = ["--import", "tsx", "clients/examples/interactive.ts", real.url];
    const { stdout } = await run(process.execPath, args, withKey);
    await real.close();
    const steps = stdout
      .trim()
      .split("\n")
      .map((line) => /^(.+): mask (\d) has (\d+) pixels, score \d\.\d{3}$/.exec(line));
    expect(steps.map((step) => `${step?.[1]} ${step?.[2]}`)).toEqual([
      ...["click 0", "click 1", "click 2", "refine 0", "exclude 0", "box 0", "box and point 0"],
      ...["box 0 0", "box 1 0", "box 2 0", "box 3 0"],
    ]);
    const areas = Object.fromEntries(steps.map((step) => [`${step?.[1]} ${step?.[2]}`, Number(step?.[3])]));
    // The box of the wheel has 75,625 of the picture's 2,160,000 pixels; that of the truck has more than ten times as many.
    expect(areas["box 0"]).toBeGreaterThan(20_000);
    expect(areas["box 0"]).toBeLessThan(150_000);
    expect(areas["box 0 0"]).toBeGreaterThan(300_000);
  });

  const python = pythonWith("websockets, numpy");
  const fromSources = {
    ...withKey,
    env: { ...process.env, ...withKey.env, PYTHONPATH: "clients/python/src" },
  };
  it.skipIf(python === undefined)(
    `in Python prints one line per frame${python === undefined ? " (skipped: no python3 with websockets and numpy here)" : ""}`,
    async () => {
      const args = ["clients/examples/track.py", server.url, clip, "red circle"];
      const { stdout } = await run(python ?? "", args, fromSources);
      expect(stdout.trim().split("\n")).toEqual(
        [0, 1, 2].map((frame) => expect.stringMatching(`^${frame} \\[0\\] \\[\\[.*\\]\\] \\[\\d+\\]$`)),
      );
    },
  );

  it.skipIf(python === undefined)("in Python pushes live frames", async () => {
    const args = ["clients/examples/live.py", server.url, folder, "red circle"];
    const { stdout } = await run(python ?? "", args, fromSources);
    expect(stdout.trim().split("\n")).toEqual([
      "0 [] []",
      ...[1, 2].map((frame) => expect.stringMatching(`^${frame} \\[0\\] \\[\\[0.0, 0.0, `)),
    ]);
  });

  it.skipIf(python === undefined)("in Python tracks with asyncio", async () => {
    const args = ["clients/examples/track_async.py", server.url, clip, "red circle"];
    const { stdout } = await run(python ?? "", args, fromSources);
    expect(stdout.trim().split("\n")).toEqual(
      [0, 1, 2].map((frame) => expect.stringMatching(`^${frame} 0 \\(\\d+, \\d+\\) \\d+ pixels$`)),
    );
  });
});

/** A Python that has the modules, undefined when there is none. */
function pythonWith(modules: string): string | undefined {
  const python = process.env.PYTHON || "python3";
  try {
    execFileSync(python, ["-c", `import ${modules}`], { stdio: "ignore" });
    return python;
  } catch {
    return undefined;
  }
}
