/** The examples do what they say, and the README shows them as they are. */
import { execFile, execFileSync } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
const FRAMES = 3;

describe("the README", () => {
  it.each([
    ["ts", "clients/examples/track.ts"],
    ["ts", "clients/examples/library.ts"],
    ["python", "clients/examples/track.py"],
  ])("shows the %s example %s as it is", async (language, path) => {
    const readme = await readFile(`${root}/README.md`, "utf8");
    const example = await readFile(`${root}/${path}`, "utf8");
    expect(readme).toContain(`\`\`\`${language}\n${example}\`\`\`\n`);
  });

  it("links to files that are there", async () => {
    const readme = await readFile(`${root}/README.md`, "utf8");
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? "");
    expect(links).toContain("PROTOCOL.md");
    await Promise.all(links.map((link) => access(`${root}/${link}`)));
  });
});

describe("the example", { timeout: 180_000 }, () => {
  let server: TestServer;
  let clip: string;

  beforeAll(async () => {
    clip = await makeClip({ name: "example.mp4", frames: FRAMES });
    server = await startTestServer({}, { engine: createScriptedEngine() });
  });
  afterAll(() => server.close());

  it("in TypeScript prints one line per object and frame", async () => {
    const args = ["--import", "tsx", "clients/examples/track.ts", server.url, clip, "red circle"];
    const { stdout } = await run(process.execPath, args, { cwd: root });
    const lines = stdout.split("\n").filter((line) => /^\d+ 0 \[ 0, 0, 1, 1 \]/.test(line));
    expect(lines.map((line) => Number(line.split(" ")[0]))).toEqual([0, 1, 2]);
  });

  it("of the library prints one line per frame", async () => {
    const args = ["--import", "tsx", "clients/examples/library.ts", clip, "red circle"];
    const { stdout } = await run(process.execPath, args, { cwd: root });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line[0]),
    ).toEqual(["0", "1", "2"]);
  });

  it("of interactive segmentation draws its own picture and takes every step of SAM 2's walk-through", async () => {
    const real = await startTestServer();
    const args = ["--import", "tsx", "clients/examples/interactive.ts", real.url];
    const { stdout } = await run(process.execPath, args, { cwd: root });
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
    // The wheel's box holds 75,625 pixels of the picture's 2,160,000; the truck's more than ten times as many.
    expect(areas["box 0"]).toBeGreaterThan(20_000);
    expect(areas["box 0"]).toBeLessThan(150_000);
    expect(areas["box 0 0"]).toBeGreaterThan(300_000);
  });

  const python = pythonWithWebsockets();
  it.skipIf(python === undefined)(
    `in Python prints one line per frame${python === undefined ? " (skipped: no python3 with websockets here)" : ""}`,
    async () => {
      const { stdout } = await run(
        python ?? "",
        ["clients/examples/track.py", server.url, clip, "red circle"],
        {
          cwd: root,
        },
      );
      expect(stdout.trim().split("\n")).toEqual([0, 1, 2].map((frame) => `${frame} [0] [[0, 0, 1, 1]]`));
    },
  );
});

function pythonWithWebsockets(): string | undefined {
  const python = process.env.PYTHON || "python3";
  try {
    execFileSync(python, ["-c", "import websockets"], { stdio: "ignore" });
    return python;
  } catch {
    return undefined;
  }
}
