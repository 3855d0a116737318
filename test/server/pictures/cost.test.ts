/** The estimates of memory and the memory that decoding takes, in a new process for each picture. */
import { existsSync, readFileSync } from "node:fs";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { costOf, pagesAtOnce } from "../../../server/pictures/cost.js";
import { startPictureProcess } from "../../../server/pictures/entry-point.js";
import type {
  FromProcess,
  Header,
  PictureFormat,
  ToProcess,
  Work,
} from "../../../server/pictures/messages.js";
import { unfoldingWebp } from "../../helpers/hostile-pictures.js";

const MIB = 1024 ** 2;
const side = 3600;
const size = { width: 512, height: 512 };
const admitted = { bytes: Number.POSITIVE_INFINITY, pixels: Number.POSITIVE_INFINITY };
const rules = { admitted, maxPixels: 2 ** 30, maxSidePx: 2 ** 20, maxMaskEdges: 2 ** 20 };

type Answer = Extract<FromProcess, { id: number }>;

/** Peak resident memory of a process, in bytes. */
function peakOf(pid: number | undefined): number {
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return 1024 * Number(kilobytes);
}

/** Carries out work in a new process. Returns the memory that it took beyond that of an idle process. */
async function measure(
  bytes: Buffer,
  format: PictureFormat,
  workOf: (header: Header) => Work,
): Promise<{ header: Header; work: Work; peakBytes: number }> {
  const child = startPictureProcess();
  let nextId = 1;
  const ask = (work: Work, input: Buffer) =>
    new Promise<Answer>((resolve) => {
      const id = nextId++;
      const message: ToProcess = { id, work, rules, inputBytes: input.length, bytes: input };
      child.on("message", (answer: FromProcess) => {
        if ("id" in answer && answer.id === id) resolve(answer);
      });
      child.send(message);
    });
  try {
    // The first picture loads the library.
    const first = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#000" } })
      .png()
      .toBuffer();
    await ask({ kind: "still", format: "png", size: { width: 4, height: 4 } }, first);
    const probed = await ask({ kind: "probe", format }, bytes);
    if (!("result" in probed)) throw new Error(JSON.stringify(probed));
    const { header } = probed.result as { header: Header };
    const idleBytes = peakOf(child.pid);
    const work = workOf(header);
    const answer = await ask(work, bytes);
    expect(Object.keys(answer)).toContain("result");
    return { header, work, peakBytes: peakOf(child.pid) - idleBytes };
  } finally {
    child.kill("SIGKILL");
  }
}

const plain = (channels: 3 | 4 = 3, width = side, height = side) =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 90, b: 30, alpha: 0.5 } } });
const deep = (channels: 3 | 4 = 4, width = side, height = side) =>
  plain(channels, width, height).toColourspace("rgb16");
const noise = (width: number, height: number) =>
  sharp({
    create: {
      width,
      height,
      channels: 3,
      background: "#000",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  });

const stills: [string, PictureFormat, () => Sharp | Buffer][] = [
  ["an interlaced PNG of 16 bits with transparency", "png", () => deep().png({ progressive: true })],
  ["an interlaced PNG of 8 bits", "png", () => plain().png({ progressive: true })],
  ["a PNG of 16 bits with transparency", "png", () => deep().png()],
  ["a PNG", "png", () => plain().png()],
  ["a wide PNG of 16 bits with transparency", "png", () => deep(4, 60_000, 300).png()],
  ["a progressive JPEG", "jpeg", () => plain().jpeg({ progressive: true, chromaSubsampling: "4:4:4" })],
  [
    "a progressive CMYK JPEG",
    "jpeg",
    () => plain().toColourspace("cmyk").jpeg({ progressive: true, chromaSubsampling: "4:4:4" }),
  ],
  ["a JPEG", "jpeg", () => noise(4000, 3000).jpeg()],
  ["a wide JPEG", "jpeg", () => plain(3, 65_500, 1000).jpeg()],
  ["a lossless WebP that unfolds", "webp", () => unfoldingWebp],
  ["a WebP with transparency", "webp", () => plain(4).webp({ effort: 0 })],
  ["a noisy lossless WebP", "webp", () => noise(3000, 3000).webp({ lossless: true, effort: 0 })],
  ["a large lossless WebP", "webp", () => plain(4, 4200, 4200).webp({ lossless: true, effort: 0 })],
  ["a GIF", "gif", () => plain().gif({ effort: 1 })],
  ["a TIFF of 16 bits", "tiff", () => deep().tiff({ compression: "deflate" })],
  ["a turned TIFF", "tiff", () => deep().withMetadata({ orientation: 6 }).tiff({ compression: "lzw" })],
];

describe.skipIf(!existsSync("/proc/self/status"))(
  "the estimate of memory is not below the measured peak",
  () => {
    const check = async (bytes: Buffer, format: PictureFormat, workOf: (header: Header) => Work) => {
      const { header, work, peakBytes } = await measure(bytes, format, workOf);
      const estimated = costOf(work, header, bytes.length).bytes;
      expect(estimated / MIB).toBeGreaterThanOrEqual(peakBytes / MIB);
    };

    it.each(stills)("of %s", { timeout: 120_000 }, async (_name, format, make) => {
      const made = make();
      const bytes = Buffer.isBuffer(made) ? made : await made.toBuffer();
      await check(bytes, format, () => ({ kind: "still", format: format as PictureFormat, size }));
    });

    it.each(["webp", "gif"] as const)("of an animated %s", { timeout: 120_000 }, async (format) => {
      for (const width of [800, 3000]) {
        const page = await (width < 1000 ? noise(width, width) : plain(4, width, width)).png().toBuffer();
        const pages = await sharp([page, page, page], { join: { animated: true } })
          .toFormat(format, { effort: format === "gif" ? 1 : 0 })
          .toBuffer();
        await check(pages, format, ({ stored }) => ({
          ...{ kind: "pages", format, first: 0, size },
          end: Math.min(3, pagesAtOnce(stored, size)),
        }));
      }
    });

    it("of a mask", { timeout: 120_000 }, async () => {
      const bytes = await plain().png({ progressive: true }).toBuffer();
      await check(bytes, "png", ({ stored }) => ({ kind: "mask", format: "png", expected: stored }));
    });
  },
);
