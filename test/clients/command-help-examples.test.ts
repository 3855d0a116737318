/** Every example of `--help` runs, in the order of the table, on a server with the embedded model. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leavesOf } from "../../clients/command/command-spec.js";
import { COMMANDS } from "../../clients/command/table.js";
import { type CvatQueue, startCvatQueue } from "../adapters/tools/cvat-queue.js";
import { makeTarGz } from "../helpers/archives.js";
import { callCommand, startCommand } from "../helpers/command.js";
import { makeClip, makeFrameFolder } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { commandsOf } from "../helpers/shell-words.js";
import { compactPackDir, readManifest } from "../helpers/tiny-pack.js";

const home = process.cwd();
let folder: string;
let server: TestServer;
let sessionId: string;
let cvat: CvatQueue;

/** The files that the examples name. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "masklet-examples-"));
  const clip = await makeClip({ name: "help.mp4", frames: 4 });
  const frames = await makeFrameFolder("help-frames", 3);
  for (const name of ["videos", "work", "packs/mine", "frames", "sequences/a"])
    await mkdir(join(folder, name), { recursive: true });
  await copyFile(clip, join(folder, "clip.mp4"));
  await copyFile(clip, join(folder, "videos/clip.mp4"));
  for (const [at, name] of (await readdir(frames)).sort().entries()) {
    await copyFile(join(frames, name), join(folder, "frames", name));
    await copyFile(
      join(frames, name),
      join(folder, "sequences/a", `f_${at}${name.slice(name.lastIndexOf("."))}`),
    );
  }
  const files = Object.fromEntries(
    await Promise.all(
      (await readdir(compactPackDir)).map(
        async (name): Promise<[string, Buffer]> => [name, await readFile(join(compactPackDir, name))],
      ),
    ),
  );
  files["manifest.json"] = Buffer.from(
    JSON.stringify({ ...(await readManifest(compactPackDir)), id: "mine" }),
  );
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, "packs/mine", name), content);
  await writeFile(join(folder, "mine.tar.gz"), await makeTarGz(files));
  server = await startTestServer({ mediaRoots: [folder] });
  sessionId = await startSession();
  cvat = await startCvatQueue(Array(4).fill(clip), { labels: { 1: "dog" }, width: 96, height: 64 });
  process.chdir(folder);
  process.env.XDG_DATA_HOME = join(folder, "data");
}, 120_000);

afterAll(async () => {
  process.chdir(home);
  await server.close();
  await cvat.close();
  await rm(folder, { recursive: true, force: true });
});

/** A session with a result on every frame. */
async function startSession(): Promise<string> {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${server.http}/v1/${path}`, { method: "POST", body: JSON.stringify(body) });
    return response.text();
  };
  const started = await post("handle_request", {
    type: "start_session",
    resource_path: join(folder, "clip.mp4"),
  });
  const { session_id } = JSON.parse(started) as { session_id: string };
  const box = { bounding_boxes: [[0.2, 0.2, 0.4, 0.4]], obj_id: 0 };
  await post("handle_request", { type: "add_prompt", session_id, frame_index: 0, ...box });
  await post("handle_stream_request", { type: "propagate_in_video", session_id });
  return session_id;
}

/** The words after `masklet`, with the server, session and key of the test. */
async function argumentsOf(line: string): Promise<string[]> {
  const [[program, ...words] = []] = commandsOf(line);
  expect(program).toBe("masklet");
  const isRemote = ["upload", "import"].includes(words[0] ?? "") || words.includes("SESSION");
  const hash = line.includes("HASH") ? await hashOfKey() : "";
  const args = words.map((word) =>
    word.replace("ws://127.0.0.1:8765", server.url).replace("SESSION", sessionId).replace("HASH", hash),
  );
  if (words[0] === "cvat-upload") args.push("--cvat", cvat.url);
  return isRemote && !args.includes("--server") ? [...args, "--server", server.url] : args;
}

async function hashOfKey(): Promise<string> {
  // The example before this one removed all keys of the owner.
  await callCommand(["keys", "add", "bob", "--file", "masklet.keys"]);
  await callCommand(["keys", "add", "ann", "--file", "masklet.keys"]);
  const { stdout } = await callCommand(["keys", "list", "--file", "masklet.keys", "--json"]);
  const { keys } = JSON.parse(stdout) as { keys: { name: string; hash_start: string }[] };
  return keys.find(({ name }) => name === "ann")?.hash_start ?? "";
}

/** Nothing found is a result: the clip shows no dog. */
const statusesOf = (words: readonly string[]) => (["track", "batch"].includes(words[0] ?? "") ? [0, 3] : [0]);

const examples = leavesOf(COMMANDS)
  .filter(({ words }) => words[0] !== "serve")
  .flatMap(({ words, command }) => (command.examples ?? []).map(({ line }) => ({ words, line })));

describe("the examples of --help", { timeout: 240_000 }, () => {
  it.each(examples)("$line", async ({ words, line }) => {
    const { status, stdout, stderr } = await callCommand(await argumentsOf(line));
    expect(statusesOf(words), stderr).toContain(status);
    const [, target] = / > (\S+)$/.exec(line) ?? [];
    if (target !== undefined) await writeFile(target, stdout);
    if (line.includes("--json")) expect(JSON.parse(stdout)).toBeTypeOf("object");
    const [, out] = / --out (\S+)/.exec(line) ?? [];
    if (out !== undefined) expect((await readFile(out)).length).toBeGreaterThan(0);
  });

  const serve = COMMANDS.find(({ name }) => name === "serve")?.examples ?? [];
  it.each(serve)("$line", async ({ line }) => {
    await callCommand(["keys", "add", "ann", "--file", "masklet.keys"]);
    const args = (await argumentsOf(line)).map((word) =>
      ["videos", "work", "masklet.keys"].includes(word) ? join(folder, word) : word,
    );
    const port = args.indexOf("--port");
    if (port >= 0) args.splice(port, 2);
    const command = startCommand([...args, "--port", "0"]);
    await command.printed(/masklet serves ws:\/\//);
    command.process.kill("SIGTERM");
    expect(await command.ended).toMatchObject({ status: 0 });
  });
});
