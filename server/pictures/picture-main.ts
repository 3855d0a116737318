/**
 * Entry of a picture process. It reads pictures that the server sends and returns their pixels; it opens no file. Work starts
 * when all its bytes have arrived. The server decides how much runs at once.
 */
import { costOf } from "./cost.js";
import { decodeMask, decodePages, decodeStill, resizeRgb, TooDetailedError } from "./decode.js";
import { encodeJpeg } from "./encode.js";
import { readHeader } from "./header.js";
import {
  type Cost,
  type FileWork,
  type FromProcess,
  type Header,
  isOfPixels,
  type ToProcess,
  type Work,
  type WorkResult,
} from "./messages.js";
import { withoutTexts } from "./png-texts.js";

type Order = Extract<ToProcess, { work: Work }>;

/** The estimates may be wrong by this much before the process ends itself. */
const MEMORY_SLACK_BYTES = 96 * 1024 ** 2;
const MEMORY_CHECK_MS = 50;
const REPORT_MS = 500;

const send = (message: FromProcess, sent = () => {}) => {
  process.send?.(message, undefined, undefined, sent);
};
const end = () => process.kill(process.pid, "SIGKILL");

// The server is gone. Nothing here outlives it.
process.on("disconnect", end);
// A terminal's Ctrl-C reaches every process of the group; the server decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

/** Work whose bytes arrive, or that is in progress. */
const orders = new Map<number, { order: Order; input: Buffer; filled: number }>();

process.on("message", (message: ToProcess) => {
  if ("work" in message) {
    const { id, inputBytes, bytes } = message;
    orders.set(id, { order: message, input: Buffer.allocUnsafeSlow(inputBytes), filled: 0 });
    take(id, bytes ?? new Uint8Array());
  } else if ("part" in message) take(message.id, message.part);
  else orders.delete(message.id);
});

function take(id: number, part: Uint8Array): void {
  const current = orders.get(id);
  if (!current || current.filled + part.length > current.input.length) return;
  current.input.set(part, current.filled);
  current.filled += part.length;
  if (current.filled === current.input.length) void carryOut(current.order, current.input);
}

async function carryOut(order: Order, input: Buffer): Promise<void> {
  const { id } = order;
  try {
    send(await answer(order, input));
  } catch (error) {
    const failure = error instanceof RuleError ? error.kind : "damaged";
    send({ id, failure, message: (error as Error).message });
  } finally {
    orders.delete(id);
  }
}

class RuleError extends Error {
  constructor(
    readonly kind: "too_large" | "too_detailed",
    message: string,
  ) {
    super(message);
  }
}

async function answer({ id, work, rules }: Order, bytes: Buffer): Promise<FromProcess> {
  if (isOfPixels(work)) return { id, result: await convert(work, bytes) };
  const input = work.format === "png" && bytes.length > 8 ? withoutTexts(bytes) : bytes;
  const header = await readHeader(input, work.format);
  if (work.kind === "probe") return { id, result: { header } };
  const { width, height } = header.stored;
  if (width * height > rules.maxPixels || Math.max(width, height) > rules.maxSidePx)
    throw new RuleError("too_large", `the picture is ${width}×${height}`);
  if (isUnexpected(work, header)) return { id, result: { header } };
  const cost = costOf(work, header, input.length);
  if (exceeds(cost, rules.admitted)) return { id, needs: cost };
  return { id, result: await decode(work, header, input, rules.maxMaskEdges) };
}

async function convert(
  work: Exclude<Work, FileWork>,
  rgb: Uint8Array,
): Promise<WorkResult["resize" | "encode"]> {
  return work.kind === "encode"
    ? { jpeg: await encodeJpeg(rgb, work.from) }
    : { rgb: await resizeRgb(rgb, work.from, work.size) };
}

function exceeds(cost: Cost, admitted: Cost): boolean {
  return cost.bytes > admitted.bytes || cost.pixels > admitted.pixels;
}

function isUnexpected(work: Work, header: Header): boolean {
  if (!("expected" in work) || !work.expected) return false;
  const { width, height } = work.kind === "mask" ? header.stored : header;
  return width !== work.expected.width || height !== work.expected.height;
}

async function decode(
  work: Exclude<FileWork, { kind: "probe" }>,
  header: Header,
  input: Buffer,
  maxMaskEdges: number,
): Promise<WorkResult["still" | "pages" | "mask"]> {
  if (work.kind === "pages") return { pictures: await decodePages(input, header.stored, work) };
  if (work.kind === "still") return { header, rgb: await decodeStill(input, header, work.size) };
  const rle = await decodeMask(input, header, maxMaskEdges).catch((error) => {
    throw error instanceof TooDetailedError ? new RuleError("too_detailed", error.message) : error;
  });
  return { header, rle };
}

/** Memory of the process without work. */
const idleBytes = process.memoryUsage.rss();

setInterval(() => {
  if (orders.size === 0) return;
  let admitted = idleBytes + MEMORY_SLACK_BYTES;
  for (const { order } of orders.values()) admitted += order.rules.admitted.bytes;
  const exceededBytes = process.memoryUsage.rss() - admitted;
  if (exceededBytes > 0) send({ exceededBytes }, end);
}, MEMORY_CHECK_MS).unref();

setInterval(() => {
  if (orders.size > 0) send({ rssBytes: process.memoryUsage.rss() });
}, REPORT_MS).unref();

send({ ready: true });
