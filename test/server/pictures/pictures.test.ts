import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterEach, describe, expect, it } from "vitest";
import { readConfig } from "../../../server/config.js";
import { currentBox, isolates } from "../../../server/media/box/choose.js";
import { DEFAULT_MEDIA_LIMITS } from "../../../server/media/limits.js";
import { createPictures, type Pictures, type PicturesParts } from "../../../server/pictures/pictures.js";
import { type PictureSource, sourceOf } from "../../../server/pictures/source.js";
import { createShares, type ShareLimits } from "../../../server/shares/shares.js";
import { pngWithTexts, unfoldingWebp } from "../../helpers/hostile-pictures.js";
import { ended, isRunning, withChildren } from "../../helpers/processes.js";
import { until } from "../../helpers/settle.js";

const limits = DEFAULT_MEDIA_LIMITS;
const size = { width: 32, height: 32 };
const small = () =>
  sharp({ create: { width: 64, height: 48, channels: 3, background: "#468" } })
    .png()
    .toBuffer();

const opened: Pictures[] = [];
afterEach(async () => {
  for (const pictures of opened.splice(0)) await pictures.close();
});

function setUp(parts: Partial<PicturesParts> = {}, shareLimits: Partial<ShareLimits> = {}) {
  const config = { ...readConfig({}, {}), ...shareLimits };
  const shares = createShares({ limits: config });
  const log: string[] = [];
  const pictures = createPictures({
    shares,
    maxBytes: Math.min(config.maxPictureBytes, config.maxPictureBytesPerOwner),
    log: (line) => log.push(line),
    ...parts,
  });
  opened.push(pictures);
  const used = async () => (await shares.total()).find(({ name }) => name === "pictureBytes")?.used;
  return { pictures, shares, log, used };
}

const still = (format: "png" | "webp" | "jpeg") => ({ kind: "still", format, size }) as const;

/** A source that announces `byteLength` bytes, and never sends the last one. */
function endlessSource(byteLength: number): PictureSource {
  return {
    byteLength,
    async *parts() {
      yield new Uint8Array(byteLength - 1);
      await new Promise(() => {});
    },
  };
}

const pixels = (side: number) => ({ kind: "resize", from: { width: side, height: side }, size }) as const;
/** Raw pixels of a large picture. */
const LARGE = { work: pixels(6000), source: () => endlessSource(3 * 6000 ** 2) };
const HUGE = { work: pixels(15_000), source: () => endlessSource(3 * 15_000 ** 2) };
const MEDIUM = { work: pixels(1000), source: () => endlessSource(3 * 1000 ** 2) };

describe("a picture process", () => {
  it("returns the header and the pixels, and gives the share back", async () => {
    const { pictures, used } = setUp();
    const reader = pictures.of("a");
    const source = sourceOf(await small());
    expect(await reader.probe(source, "png", { limits })).toMatchObject({ width: 64, height: 48, pages: 1 });
    const { rgb } = await reader.run(still("png"), source, { limits });
    expect(rgb?.length).toBe(32 * 32 * 3);
    expect([...(rgb?.subarray(0, 3) ?? [])]).toEqual([0x44, 0x66, 0x88]);
    expect(await used()).toBe(0);
  });

  it("reads only the formats that the server supports, whatever is announced", async () => {
    const { pictures } = setUp();
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>');
    for (const format of ["png", "jpeg", "webp", "gif", "tiff"] as const)
      await expect(pictures.of("a").probe(sourceOf(svg), format, { limits })).rejects.toMatchObject({
        kind: "damaged",
      });
    await expect(
      pictures.of("a").run(still("jpeg"), sourceOf(await small()), { limits }),
    ).rejects.toMatchObject({ kind: "damaged", message: expect.stringContaining("expected jpeg") });
  });

  it("decodes nothing of a picture with another size than expected", async () => {
    const { pictures } = setUp();
    const work = { ...still("webp"), expected: { width: 640, height: 480 } };
    const { header, rgb } = await pictures.of("a").run(work, sourceOf(unfoldingWebp), { limits });
    expect([header.width, header.height, rgb]).toEqual([11585, 11585, undefined]);
  });

  it("refuses more pixels, and longer sides, than the limits", async () => {
    const { pictures } = setUp();
    const reader = pictures.of("a");
    const png = sourceOf(await small());
    for (const tight of [{ maxPixels: 64 * 48 - 1 }, { maxSidePx: 63 }]) {
      const request = { limits: { ...limits, ...tight } };
      await expect(reader.probe(png, "png", request)).rejects.toMatchObject({ kind: "too_large" });
      await expect(reader.run(still("png"), png, request)).rejects.toMatchObject({ kind: "too_large" });
    }
  });

  it("ignores the texts of a PNG, however much they unfold to", async () => {
    const { pictures, log } = setUp();
    const { rgb } = await pictures
      .of("a")
      .run(still("png"), sourceOf(pngWithTexts(200, 7 * 1024 ** 2)), { limits });
    expect(rgb?.length).toBe(32 * 32 * 3);
    expect(log).toEqual([]);
  });

  it("that is killed from outside is replaced, and its pictures are decoded again", async () => {
    const { pictures } = setUp();
    const reader = pictures.of("a");
    await reader.run(still("png"), sourceOf(await small()), { limits });
    const slow = reader.run(still("webp"), sourceOf(unfoldingWebp), { limits });
    await until(() => pictures.pids[1] !== undefined);
    process.kill(pictures.pids[1] as number, "SIGKILL");
    expect((await slow).rgb?.length).toBe(32 * 32 * 3);
    process.kill(pictures.pids[0] as number, "SIGKILL");
    await ended(pictures.pids[0] as number);
    expect((await reader.run(still("png"), sourceOf(await small()), { limits })).rgb?.length).toBe(
      32 * 32 * 3,
    );
  });

  it("that gives no sign of life is replaced, and its pictures are decoded again", async () => {
    const { pictures, used } = setUp({ timing: { silenceMs: 400 } });
    const reader = pictures.of("a");
    await reader.run(still("png"), sourceOf(await small()), { limits });
    const [pid] = pictures.pids;
    for (const each of withChildren(pid as number)) process.kill(each, "SIGSTOP");
    const { rgb } = await reader.run(still("png"), sourceOf(await small()), { limits });
    expect(rgb?.length).toBe(32 * 32 * 3);
    expect(isRunning(pid as number)).toBe(false);
    expect(await used()).toBe(0);
  });

  it("that works on one picture for too long is ended", async () => {
    const { pictures, used } = setUp({ timing: { workMs: 300 } });
    await expect(pictures.of("a").run(LARGE.work, LARGE.source(), { limits })).rejects.toMatchObject({
      kind: "exhausted",
    });
    expect(await used()).toBe(0);
  });

  it("is ended when it has had no work for a while", async () => {
    const { pictures } = setUp({ timing: { idleMs: 50 } });
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
    await until(() => pictures.pids[0] === undefined);
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
  });
});

describe("pictures that wait", () => {
  it("small ones do not wait for a large one, of the same owner either", async () => {
    const { pictures, used } = setUp();
    const abort = new AbortController();
    const request = { limits, signal: abort.signal };
    // Together they need more than one owner may have.
    const large = [1, 2].map(() => pictures.of("a").run(HUGE.work, HUGE.source(), request));
    await until(async () => ((await used()) ?? 0) > 0);
    for (const owner of ["a", "b"])
      await pictures.of(owner).run(still("png"), sourceOf(await small()), { limits });
    abort.abort(new Error("gone"));
    for (const one of large) await expect(one).rejects.toThrow("gone");
  });

  it("are decoded at once when the large one before them is no longer needed", async () => {
    const { pictures, used } = setUp();
    const abort = new AbortController();
    const first = pictures.of("a").run(LARGE.work, LARGE.source(), { limits, signal: abort.signal });
    await until(() => pictures.pids[1] !== undefined);
    const [, pid] = pictures.pids;
    const second = pictures.of("b").run(still("webp"), sourceOf(unfoldingWebp), { limits });
    abort.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    expect((await second).rgb?.length).toBe(32 * 32 * 3);
    expect(isRunning(pid as number)).toBe(false);
    expect(await used()).toBe(0);
  });

  it("fail with server_busy after the longest wait", async () => {
    const { pictures } = setUp({ timing: { maxWaitMs: 200 } });
    const abort = new AbortController();
    const first = pictures.of("a").run(LARGE.work, LARGE.source(), { limits, signal: abort.signal });
    first.catch(() => {});
    await until(() => pictures.pids[1] !== undefined);
    await expect(pictures.of("b").run(LARGE.work, LARGE.source(), { limits })).rejects.toMatchObject({
      code: "server_busy",
      retryAfterMs: expect.any(Number),
    });
    abort.abort(new Error("gone"));
  });

  it("run alone when they need more than all pictures may take", async () => {
    const { pictures, used } = setUp({}, { maxPictureBytes: 1024 ** 2, maxPictureBytesPerOwner: 1024 ** 2 });
    const { rgb } = await pictures.of("a").run(still("webp"), sourceOf(unfoldingWebp), { limits });
    expect(rgb?.length).toBe(32 * 32 * 3);
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
    expect(await used()).toBe(0);
  });

  it("fail with the error of their source, and others go on", async () => {
    const { pictures } = setUp();
    const broken: PictureSource = {
      byteLength: MEDIUM.source().byteLength,
      parts: () => {
        throw new Error("the disk failed");
      },
    };
    const reader = pictures.of("a");
    await expect(reader.run(MEDIUM.work, broken, { limits })).rejects.toThrow("the disk failed");
    const short = { byteLength: broken.byteLength, parts: () => [new Uint8Array(10)] };
    await expect(reader.run(MEDIUM.work, short, { limits })).rejects.toThrow("has changed");
    await reader.run(still("png"), sourceOf(await small()), { limits });
  });
});

describe("a program that decodes pictures", () => {
  const module = (name: string) => JSON.stringify(new URL(`../../../server/${name}`, import.meta.url).href);
  const root = fileURLToPath(new URL("../../..", import.meta.url));

  /** Another program that decodes a picture, prints the id of the process, and then runs `next`. */
  async function startHost(next: string) {
    const program = `
      import { createPictures } from ${module("pictures/pictures.ts")};
      import { sourceOf } from ${module("pictures/source.ts")};
      import { createShares } from ${module("shares/shares.ts")};
      import { readConfig } from ${module("config.ts")};
      import { DEFAULT_MEDIA_LIMITS as limits } from ${module("media/limits.ts")};
      const config = readConfig({}, {});
      const pictures = createPictures({ shares: createShares({ limits: config }), maxBytes: config.maxPictureBytes });
      const png = Buffer.from("${(await small()).toString("base64")}", "base64");
      await pictures.of("a").probe(sourceOf(png), "png", { limits });
      console.log(pictures.pids[0]);
      ${next}
    `;
    const host = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: host.stdout }), "line")) as [string];
    return { host, pid: Number(line) };
  }

  it("ends without closing them, and no process stays", async () => {
    const { host, pid } = await startHost("");
    if (host.exitCode === null) expect(await once(host, "exit")).toEqual([0, null]);
    await ended(pid);
  });

  it("may be killed, and no process stays", async () => {
    const { host, pid } = await startHost("setInterval(() => {}, 1000);");
    const processes = withChildren(pid);
    expect(processes.map(isRunning)).not.toContain(false);
    host.kill("SIGKILL");
    for (const each of processes) await ended(each);
  });

  it("have no network where the system allows that", async ({ skip }) => {
    const { kind } = (await currentBox()).closedWithFiles;
    skip(!isolates(kind), `the box of this system is ${kind}`);
    const { pictures } = setUp();
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
    const program = withChildren(pictures.pids[0] as number).at(-1);
    const networkOf = (pid: number | string) => readlinkSync(`/proc/${pid}/ns/net`);
    expect(networkOf(program as number)).not.toBe(networkOf("self"));
  });

  it("may be interrupted in its terminal without losing them", async () => {
    const { pictures } = setUp();
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
    const [pid] = pictures.pids;
    for (const each of withChildren(pid as number)) process.kill(each, "SIGINT");
    await pictures.of("a").run(still("png"), sourceOf(await small()), { limits });
    expect(pictures.pids[0]).toBe(pid);
  });
});
