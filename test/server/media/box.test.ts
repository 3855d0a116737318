/** Each way of starting a tool that this machine offers: what the tool can do, and how its end is reported. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ffmpegPath } from "../../../server/media/binaries.js";
import {
  type Box,
  chooseBox,
  findLaunchers,
  isolates,
  tryLauncher,
} from "../../../server/media/box/choose.js";
import { direct, type Launcher } from "../../../server/media/box/launchers.js";
import { checkRan, startTool, type ToolExit, type ToolOptions } from "../../../server/media/tool-process.js";
import { mediaPath } from "../../helpers/media.js";
import { until } from "../../helpers/settle.js";

const used = vi.hoisted(() => ({ launcher: undefined as Launcher | undefined }));
vi.mock("../../../server/media/box/choose.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../../server/media/box/choose.js")>();
  const currentBox = async (): Promise<Box> => {
    const launcher = used.launcher as Launcher;
    return {
      closed: launcher,
      closedWithFiles: launcher,
      networked: launcher,
      tried: new Set(),
      reasons: [],
    };
  };
  return { ...original, currentBox };
});

const isLinux = process.platform === "linux";
const { candidates } = await findLaunchers();
const launchers = await Promise.all(
  candidates.map(async (launcher, position) => ({
    name: `${position}: ${launcher.kind}`,
    launcher,
    problem: await tryLauncher(launcher, [ffmpegPath()]),
  })),
);

function script(name: string, body: string): string {
  const path = mediaPath(`boxed/${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function runTool(options: Partial<ToolOptions>): Promise<ToolExit & { output: string }> {
  const tool = await startTool({ name: "ffmpeg", binary: ffmpegPath(), args: [], ...options });
  const chunks: Buffer[] = [];
  for await (const chunk of tool.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
  return { ...(await tool.exited), output: Buffer.concat(chunks).toString() };
}

const runScript = (body: string, options: Partial<ToolOptions> = {}) =>
  runTool({ binary: script("tool", body), ...options });

/** Processes of the machine with this argument. */
function processesWith(argument: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(argument);
    } catch {
      return false;
    }
  });
}

/** An argument of `sleep` that no other process of the machine has. */
let sleeps = 0;
const uniqueSleepS = () => `${1000 + process.pid}.${++sleeps}`;

afterEach(() => vi.unstubAllEnvs());

describe.each(launchers)("a tool started by $name", ({ launcher, problem }) => {
  const testIf = (holds: boolean) => it.runIf(problem === undefined && holds);
  const test = testIf(true);
  // This machine does not have the launcher; the title contains what is missing.
  if (problem !== undefined) it.skip(`is not tried: ${problem}`, () => {});
  const runsIsolated = isolates(launcher.kind);

  test("exits with its code, and a signal is no code", async () => {
    used.launcher = launcher;
    expect(await runScript("exit 3")).toMatchObject({ code: 3, signal: null });
    expect(await runScript("kill -SEGV $$")).toMatchObject({ code: null, signal: "SIGSEGV" });
  });

  test("writes no file and leaves no core", async () => {
    used.launcher = launcher;
    const target = mediaPath("boxed/written");
    await runScript(`echo 1 > "${target}"`);
    expect(existsSync(target) ? readFileSync(target, "utf8") : "").toBe("");
  });

  testIf(isLinux)("leaves no process when it is killed while its box starts", async () => {
    used.launcher = launcher;
    const argument = uniqueSleepS();
    const binary = script("sleeper", 'exec sleep "$1"');
    for (let delayUs = 0; delayUs < 8000; delayUs += 200) {
      const tool = await startTool({ name: "ffmpeg", binary, args: [argument] });
      const killAtMs = performance.now() + delayUs / 1000;
      // Timers have a resolution of one millisecond.
      while (performance.now() < killAtMs);
      await tool.kill();
    }
    await until(() => processesWith(argument).length === 0);
  });

  testIf(isLinux)("has limits on memory, processor time, files and core dumps", async () => {
    used.launcher = launcher;
    const limits = { memoryBytes: 100 * 1024 ** 2, cpuS: 70 };
    const { output } = await runScript("cat /proc/self/limits", { limits });
    const soft = (name: string) => new RegExp(`^${name} +(\\S+)`, "m").exec(output)?.[1];
    expect(soft("Max data size")).toBe(String(100 * 1024 ** 2));
    expect(Number(soft("Max address space"))).toBeGreaterThan(100 * 1024 ** 2);
    expect(soft("Max cpu time")).toBe("70");
    expect(soft("Max open files")).toBe("64");
    expect(soft("Max file size")).toBe("0");
    expect(soft("Max core file size")).toBe("0");
  });

  testIf(isLinux)("that needs more memory than its limit is reported with the limit", async () => {
    used.launcher = launcher;
    const exit = await runTool({
      args: "-v error -f lavfi -i color=s=64x64 -frames:v 1 -vf scale=16000:16000 -f rawvideo -".split(" "),
      limits: { memoryBytes: 200 * 1024 ** 2, cpuS: 60 },
    });
    expect(exit).toMatchObject({ exceeded: "memory" });
    expect(() => checkRan("ffmpeg", ffmpegPath(), exit)).toThrow(/more than 200 MB of memory/);
  });

  test("that needs more processor time than its limit is ended, and reported with the limit", async () => {
    used.launcher = launcher;
    const exit = await runScript("while :; do :; done", { limits: { memoryBytes: 2 ** 30, cpuS: 1 } });
    expect(exit).toMatchObject({ code: null, exceeded: "processor time" });
    expect(() => checkRan("ffmpeg", ffmpegPath(), exit)).toThrow(/more than 1 s of processor time/);
  });

  test("an ffmpeg that needs more processor time than its limit is reported alike", async () => {
    used.launcher = launcher;
    const exit = await runTool({
      args: "-nostdin -v info -f lavfi -i testsrc2=s=1920x1080 -f null -".split(" "),
      limits: { memoryBytes: 2 ** 30, cpuS: 1 },
    });
    expect(exit).toMatchObject({ exceeded: "processor time" });
  });

  test("receives no variables of the server but those that programs need", async () => {
    used.launcher = launcher;
    vi.stubEnv("MASKLET_TEST_SECRET", "secret");
    const { output } = await runScript("env", { env: { GIVEN: "value" } });
    expect(output).toContain("GIVEN=value");
    expect(output).not.toContain("secret");
  });

  test("inherits the descriptors that it is given, and no others", async () => {
    used.launcher = launcher;
    const files = [openSync(script("given", ""), "r"), openSync("/dev/null", "r")];
    const body = 'for n in 3 4 5 6 7 8 9; do if (eval "exec <&$n") 2>/dev/null; then echo "$n"; fi; done';
    expect((await runScript(body, { files: files.slice(0, 1) })).output).toBe("3\n");
    const { output } = await runScript(isLinux ? "cat /proc/self/fd/3" : "cat <&3", { files });
    expect(output).toBe("#!/bin/sh\n\n");
    for (const file of files) closeSync(file);
  });

  testIf(isLinux && runsIsolated)("has no network and does not see the server's processes", async () => {
    used.launcher = launcher;
    const { output } = await runScript(`tail -n +3 /proc/self/net/dev; kill -0 ${process.pid} || echo alone`);
    expect(output.match(/^ *\w+:/gm)?.map((name) => name.trim())).toEqual(["lo:"]);
    expect(output).toMatch(/alone\n$/);
  });

  testIf(launcher.kind === "bubblewrap")("sees no files of users", async () => {
    used.launcher = launcher;
    const { output } = await runScript(`ls / /tmp; cat "${import.meta.filename}" /etc/passwd || echo hidden`);
    expect(output).toMatch(/hidden\n$/);
    expect(output).not.toContain("home");
  });

  testIf(isLinux)("has no privileges", async () => {
    used.launcher = launcher;
    const { output } = await runScript("cat /proc/self/status");
    const hex = /^CapEff:\s+(\w+)/m.exec(output)?.[1] ?? "";
    // Only CAP_DAC_READ_SEARCH (bit 2), and that only for root.
    if (problem === undefined && launcher.hasOwnProcesses) expect(BigInt(`0x${hex}`) & ~4n).toBe(0n);
  });

  testIf(isLinux)(
    "ends when it is killed, with what it has started where it has its own processes",
    async () => {
      used.launcher = launcher;
      const sleepS = uniqueSleepS();
      const body = launcher.hasOwnProcesses
        ? `sleep ${sleepS} & exec sleep ${sleepS}`
        : `exec sleep ${sleepS}`;
      const tool = await startTool({ name: "ffmpeg", binary: script("sleeps", body), args: [] });
      await until(async () => processesWith(sleepS).length >= (launcher.hasOwnProcesses ? 2 : 1));
      await tool.kill();
      expect((await tool.exited).code).toBeNull();
      await until(async () => processesWith(sleepS).length === 0);
    },
  );

  const endsWithServer = launcher.hasOwnProcesses || candidates.length > 1;
  testIf(isLinux && endsWithServer && launcher !== candidates.at(-1))(
    "ends when the server is killed",
    async () => {
      const sleepS = uniqueSleepS();
      const command = launcher.command({
        binary: script("outlives", `exec sleep ${sleepS}`),
        args: [],
        limits: { memoryBytes: 2 ** 30 },
        readable: [],
      });
      const server = spawn(process.execPath, [
        "-e",
        `const { file, args } = ${JSON.stringify(command)};
         require("node:child_process").spawn(file, args, { stdio: "ignore" });
         setInterval(() => {}, 1000);`,
      ]);
      await until(async () => processesWith(sleepS).length === 1);
      server.kill("SIGKILL");
      await once(server, "exit");
      await until(async () => processesWith(sleepS).length === 0);
    },
  );

  testIf(isLinux)("yields to others with a low priority", async () => {
    used.launcher = launcher;
    const body = "sleep 0.1; cut -d ' ' -f 19 /proc/self/stat";
    const [usual, low] = await Promise.all([runScript(body), runScript(body, { priority: "low" })]);
    expect(Number(low.output)).toBeGreaterThan(Number(usual.output));
  });

  test("cannot be started when it does not exist", async () => {
    used.launcher = launcher;
    await expect(runTool({ binary: "/no/such/tool" })).rejects.toThrow(/could not be started/);
  });
});

describe("the choice of a box", () => {
  it("starts tools directly when it is off", async () => {
    expect(await chooseBox("off")).toMatchObject({ closed: direct, networked: direct });
  });

  it("takes the strongest box that works, and one with network for cameras", async () => {
    const { closed, closedWithFiles, networked } = await chooseBox("auto");
    const working = launchers.filter(({ problem }) => problem === undefined);
    expect(closed.kind).toBe(working[0]?.launcher.kind ?? "none");
    expect(closedWithFiles.kind).not.toBe("bubblewrap");
    expect(isolates(networked.kind)).toBe(false);
  });

  it("names the reasons for a weaker box, and fails when one without network is required", async () => {
    vi.stubEnv("PATH", "/nonexistent");
    const { closed, reasons } = await chooseBox("auto");
    expect({ kind: closed.kind, reasons: reasons.length }).toEqual({ kind: "none", reasons: 1 });
    await expect(chooseBox("required")).rejects.toThrow(
      /cannot be started without access to the network.*sh/,
    );
  });
});
