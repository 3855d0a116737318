/** Failures of ffmpeg and ffprobe of every kind: each is an error of its request, and no exception is uncaught. */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openMedia } from "../../../server/media/open.js";
import { passthroughOptions } from "../../../server/media/tool-facts.js";
import { startTool } from "../../../server/media/tool-process.js";
import { expectToolsEnd, makeClip, makeStill, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const limits = { stallTimeoutMs: 1500 };
const clip = () => makeClip({ name: "failures.mp4", frames: 30 });

afterEach(async () => {
  vi.unstubAllEnvs();
  await expectToolsEnd();
});

function script(name: string, body: string): string {
  const path = mediaPath(`failing/${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const errorOf = (task: Promise<unknown>) =>
  task.then(
    () => undefined,
    (error: Error & { code?: string }) => ({ code: error.code, message: error.message }),
  );

describe("an ffprobe that", () => {
  it.each([
    ["exits at once", "exit 1", "media_unreadable", /cannot be read/],
    ["prints nothing", "exit 0", "media_unreadable", /cannot be read/],
    ["prints garbage", "head -c 3000 /dev/urandom", "media_unreadable", /cannot be read/],
    [
      "prints JSON of another shape",
      `echo '{"streams":[{"index":"first"}]}'`,
      "media_unreadable",
      /header is inv/,
    ],
    [
      "prints an endless line",
      "exec cat /dev/zero",
      "media_unsupported",
      /too large: .*line of more than 65536/,
    ],
    ["prints endless lines", "exec yes", "media_unsupported", /too large: .*more than 1048576 bytes/],
    [
      "logs an endless line",
      "cat /dev/zero >&2 & sleep 0.5; kill $!; exit 1",
      "media_unreadable",
      /cannot be read/,
    ],
    [
      "closes its output and stays",
      "exec >&- 2>&-; exec sleep 600",
      "media_unreadable",
      /no progress for 1500 ms/,
    ],
    ["kills itself", "kill -9 $$", "media_unreadable", /cannot be read/],
    [
      "lacks a library",
      "echo 'cannot open shared object file' >&2; exit 127",
      undefined,
      /could not be started: cannot/,
    ],
  ])("%s is an error of the request", async (name, body, code, message) => {
    const path = await clip();
    vi.stubEnv("FFPROBE_PATH", script(`ffprobe-${name}`, body));
    expect(await errorOf(openMedia(path, { limits }))).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });
});

describe("an ffmpeg that", () => {
  it.each([
    ["exits at once", "exit 1", "media_unreadable", /exit code 1/],
    ["decodes nothing", "exit 0", "media_unreadable", /No frame/],
    ["prints endless pictures without times", "exec cat /dev/zero", "media_unreadable", /no progress/],
    ["logs endlessly", "exec yes >&2", "media_unreadable", /logs too much/],
    [
      "closes its output and stays",
      "exec >&- 2>&-; exec sleep 600",
      "media_unreadable",
      /no progress|was killed/,
    ],
    ["kills itself", "kill -9 $$", "media_unreadable", /was killed/],
    [
      "lacks a library",
      "echo 'cannot open shared object file' >&2; exit 127",
      undefined,
      /could not be started: cannot/,
    ],
  ])("%s is an error of the request", async (name, body, code, message) => {
    const path = await clip();
    const version = `case "$*" in *-version*) echo "libavutil 56. 24.101 / 56. 24.101"; exit;; esac`;
    vi.stubEnv("FFMPEG_PATH", script(`ffmpeg-${name}`, `${version}\n${body}`));
    const slowLimits = name === "logs endlessly" ? {} : limits;
    expect(await errorOf(openMedia(path, { limits: slowLimits }))).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("does not report its version is an error of the request, and is asked again by the next one", async () => {
    const path = script("version", "exit 3");
    await expect(passthroughOptions(path)).rejects.toThrow("could not be started");
    script("version", "echo libavutil 60. 1.1");
    expect(await passthroughOptions(path)).toEqual(["-fps_mode", "passthrough"]);
  });
});

describe("a tool that cannot be started", () => {
  it.each([
    ["does not exist", () => "/no/such/tool"],
    ["is a folder", () => mediaPath("failing/")],
    [
      "is not executable",
      () => {
        const path = script("not-executable", "exit 0");
        chmodSync(path, 0o644);
        return path;
      },
    ],
    ["has a name with a null byte, for which spawn throws", () => "/bin/true\0"],
  ])("because it %s", async (_, binary) => {
    const starting = startTool({ name: "ffmpeg", binary: binary(), args: [] });
    await expect(starting).rejects.toThrow(/^ffmpeg \(.*could not be started: /s);
  });

  it("is an internal error of its request over the socket, and the server continues", async () => {
    const resource_path = await clip();
    const server = await startTestServer({}, { engine: createScriptedEngine() });
    const client = await server.connect();
    for (const variable of ["FFPROBE_PATH", "FFMPEG_PATH"]) {
      vi.stubEnv(variable, "/no/such/tool");
      const error = await client.expectError({ type: "start_session", session_id: "s", resource_path });
      expect(error).toMatchObject({ code: "internal", retryable: false });
      vi.unstubAllEnvs();
    }
    await client.expectResponse({ type: "start_session", session_id: "s", resource_path });
    await server.close();
  });
});

it("a tool that closes its input early reports its exit code", async () => {
  const tool = await startTool({
    name: "ffmpeg",
    binary: script("closes-input", "exec <&-; exit 4"),
    args: [],
    input: true,
  });
  const writing = setInterval(() => tool.stdin?.write(Buffer.alloc(1 << 20)), 1);
  const { code } = await tool.exited;
  clearInterval(writing);
  expect(code).toBe(4);
  await tool.kill();
});

it("killing a tool ends it even when a process that it started keeps its output open", async () => {
  const marker = mediaPath("failing/started");
  const body = `sleep 20 & echo $! > "${marker}"; exec sleep 20`;
  const tool = await startTool({
    ...{ name: "ffmpeg", binary: script("parent", body), args: [] },
    box: "none",
  });
  await until(async () => existsSync(marker) && readFileSync(marker, "utf8").endsWith("\n"));
  await tool.kill();
  expect((await tool.exited).code).toBeNull();
  process.kill(Number(readFileSync(marker, "utf8")));
});

// The shell sets a low limit, which applies to a process of its own. Loading the modules needs up to 100 descriptors at once.
it.skipIf(process.platform === "win32")(
  "out of file descriptors, each request gets an error",
  async () => {
    const fixture = "test/helpers/descriptors-fixture.ts";
    const command = 'ulimit -n 500; exec "$0" --import tsx "$@"';
    const args = [process.execPath, fixture, await clip(), await makeStill("failing/still.png", 5)];
    const { stdout } = await promisify(execFile)("sh", ["-c", command, ...args], { cwd: root });
    const { outcomes, afterwards } = JSON.parse(stdout) as {
      outcomes: Record<"video" | "frame" | "still" | "upload", string>[];
      afterwards: Record<string, string>;
    };
    const seen = new Set(outcomes.flatMap((outcome) => Object.values(outcome)));
    expect(seen).toEqual(new Set(["server_overloaded", "done"]));
    expect(outcomes[0]).toEqual({
      video: "server_overloaded",
      frame: "server_overloaded",
      still: "server_overloaded",
      upload: "server_overloaded",
    });
    expect(outcomes.at(-1)).toEqual({ video: "done", frame: "done", still: "done", upload: "done" });
    expect(afterwards).toEqual({ video: "done", frame: "done" });
  },
  60_000,
);
