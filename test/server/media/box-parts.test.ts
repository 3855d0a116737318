/** The rules of boxes that need no process. */
import { describe, expect, it, vi } from "vitest";
import { ffmpegPath, ffprobePath } from "../../../server/media/binaries.js";
import { toolEnvironment } from "../../../server/media/box/environment.js";
import { interpretExit } from "../../../server/media/box/exit.js";
import { decoderLimits, ulimitCommands } from "../../../server/media/box/limits.js";
import { DECODER_NAMES } from "../../../server/media/codecs.js";
import { refusedSize } from "../../../server/media/ffmpeg.js";
import { cannotLaunch } from "../../../server/media/tool-errors.js";
import { decoderList, isOld, toolFacts } from "../../../server/media/tool-facts.js";

const MIB = 1024 ** 2;

describe("the end of a tool", () => {
  const exit = (code: number | null, signal: NodeJS.Signals | null = null) => ({ code, signal });
  it.each([
    ["a success, whatever is logged", exit(0), "Cannot allocate memory", true, { code: 0, signal: null }],
    ["an error of the file", exit(1), "Invalid data found", true, { code: 1, signal: null }],
    ["an error code of new builds of ffmpeg", exit(183), "Invalid data", true, { code: 183, signal: null }],
    ["a signal that the launcher reports", exit(139), "", true, { code: null, signal: "SIGSEGV" }],
    ["a code that no launcher reports", exit(139), "", false, { code: 139, signal: null }],
    ["a kill", exit(null, "SIGKILL"), "", true, { code: null, signal: "SIGKILL" }],
    ["the processor time", exit(null, "SIGXCPU"), "", false, { exceeded: "processor time" }],
    ["the processor time, reported by a launcher", exit(152), "", true, { exceeded: "processor time" }],
    [
      "the processor time, caught by ffmpeg",
      exit(255),
      "Exiting normally, received signal 24.",
      true,
      { code: 255, exceeded: "processor time" },
    ],
    ["the memory", exit(1), "[h264 @ 0x1] Cannot allocate memory", true, { code: 1, exceeded: "memory" }],
    ["a launcher that fails", exit(1), "bwrap: No such file", true, { launchError: "bwrap: No such file" }],
  ])("reports %s", (_, ended, log, isLaunched, expected) => {
    expect(interpretExit(ended, log, isLaunched)).toMatchObject(expected);
  });

  it("is an overloaded server when the launcher lacks a resource of the system", () => {
    const error = "bwrap: Creating new namespace failed: No space left on device";
    expect(cannotLaunch("ffmpeg", "/bin/ffmpeg", error)).toMatchObject({ code: "server_overloaded" });
    expect(cannotLaunch("ffmpeg", "/bin/ffmpeg", "unshare: unknown option")).not.toHaveProperty("code");
  });
});

describe("limits", () => {
  it("grow with the pictures and their size", () => {
    const run = { maxPicturePixels: 4096 * 2304, outputPixels: 1008 ** 2, pictures: 1 };
    const { memoryBytes, cpuS } = decoderLimits(run);
    expect(memoryBytes / MIB).toBeGreaterThan(1024);
    expect(memoryBytes / MIB).toBeLessThan(2048);
    expect(cpuS).toBeGreaterThan(120);
    const tenHours = decoderLimits({ ...run, pictures: 10 * 3600 * 30 });
    expect(tenHours.memoryBytes).toBe(memoryBytes);
    // A second of processor time for each picture is more than any decoder takes at this size.
    expect(tenHours.cpuS).toBeGreaterThan(10 * 3600 * 30);
  });

  it("are commands of a shell, and those of an endless run have no processor time", () => {
    const commands = ulimitCommands({ memoryBytes: MIB }, { processes: false });
    expect(commands).toContain("ulimit -d 1024;");
    expect(commands).not.toMatch(/-t|-u/);
    expect(ulimitCommands({ memoryBytes: MIB, cpuS: 7 }, { processes: true })).toMatch(
      /-S -t 7; ulimit -H -t 12/,
    );
  });
});

describe("a build of ffmpeg", () => {
  it.each([
    [{ version: "N-47683", year: 2018, libavutil: 56 }, true],
    [{ version: "5.1.9", year: 2026, libavutil: 57 }, false],
    [{ version: "6.0", year: 2023, libavutil: 58 }, false],
    [{ version: "6.0", year: 2022, libavutil: 58 }, true],
    [{ version: "custom", libavutil: 56 }, true],
    [{ version: "custom", libavutil: 60 }, false],
  ])("%o is old in 2026: %s", (facts, expected) => {
    expect(isOld(facts, 2026)).toBe(expected);
  });

  it("reports its version and year", async () => {
    for (const [path, name] of [
      [ffmpegPath(), "ffmpeg"],
      [ffprobePath(), "ffprobe"],
    ] as const) {
      const facts = await toolFacts(path, name);
      expect(facts.version).toMatch(/^\S+$/);
      expect(facts.year).toBeGreaterThan(2010);
      expect(facts.libavutil).toBeGreaterThan(50);
    }
  });

  it("may open the supported video decoders, and those of sound", async () => {
    const decoders = (await decoderList(ffmpegPath())).split(",");
    expect(decoders).toEqual(expect.arrayContaining([...DECODER_NAMES, "aac", "opus"]));
    for (const name of ["rv40", "gif", "indeo3", "smacker", "webp"]) expect(decoders).not.toContain(name);
  });
});

it("finds the size of a refused picture in a line of the log, and not in a tag", () => {
  const line = "Picture size 8192x8192 exceeds specified max pixel count 1000, see the documentation";
  expect(refusedSize(`[h264 @ 0x1] [IMGUTILS @ 0x2] ${line}`)).toBe("8192×8192");
  expect(refusedSize(`    comment : ${line}`)).toBeUndefined();
});

it("tools receive what programs need, and no secrets", () => {
  vi.stubEnv("MASKLET_KEYS", "secret");
  vi.stubEnv("LD_LIBRARY_PATH", "/opt/lib");
  const environment = toolEnvironment({ GCONV_PATH: "/g" });
  expect(environment).toMatchObject({ LD_LIBRARY_PATH: "/opt/lib", GCONV_PATH: "/g" });
  expect(Object.values(environment)).not.toContain("secret");
  vi.unstubAllEnvs();
});
