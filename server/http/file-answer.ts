/** A media file as an answer, whole or one range of it. */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { toProtocolError } from "../failure.js";
import type { Logger } from "../log.js";
import { mediaUnreadable } from "../media/errors.js";
import type { MediaContent } from "../media/source.js";
import { readRange } from "./byte-range.js";
import type { AppEnvironment } from "./context.js";
import { sendError } from "./errors.js";
import { pulledBody } from "./reader.js";

const PART_BYTES = 256 * 1024;

export interface FileAnswerOptions {
  /** Called for each part that is sent. */
  onPart?: () => void;
  /** Called when nothing more is read. */
  onEnd?: () => Promise<void>;
}

/** The answer follows the headers Range, If-Range and If-None-Match. */
export async function answerWithFile(
  context: Context<AppEnvironment>,
  file: MediaContent,
  log: Logger,
  { onPart = () => {}, onEnd = async () => {} }: FileAnswerOptions = {},
): Promise<Response> {
  const { bytes, version } = await file.check();
  const etag = `"${createHash("sha256").update(version).digest("hex").slice(0, 32)}"`;
  const common = {
    etag,
    "accept-ranges": "bytes",
    // Another session or file can have the same address later.
    "cache-control": "private, no-cache",
    // A browser that opens the address runs nothing that the file contains.
    "content-security-policy": "sandbox; default-src 'none'",
  };
  const { "if-none-match": known, "if-range": expected } = context.env.incoming.headers;
  const isKnown = known?.split(",").some((one) => one.trim() === etag);
  const wanted = expected === undefined || expected === etag ? context.req.header("range") : undefined;
  const range = readRange(wanted, bytes);
  if (isKnown || range === "unsatisfiable") {
    await onEnd();
    if (isKnown) return context.body(null, 304, common);
    const message = `Range: expected bytes of 0..${bytes - 1}, got ${JSON.stringify(wanted?.slice(0, 60))}`;
    const headers = { "content-range": `bytes */${bytes}` };
    return sendError(context, { code: "range_not_satisfiable", message, retryable: false }, headers);
  }
  const { first, last } = range ?? { first: 0, last: bytes - 1 };
  const status = range ? 206 : 200;
  const headers = {
    ...common,
    "content-type": file.contentType,
    "content-length": String(last - first + 1),
    ...(range && { "content-range": `bytes ${first}-${last}/${bytes}` }),
  };
  // The body of an answer to HEAD would never be read to its end.
  if (context.req.method === "HEAD") {
    await onEnd();
    return context.body(null, status, headers);
  }
  const parts = readParts(file, first, last, { onPart, onEnd });
  return context.body(await pulledBody(parts, (error) => toProtocolError(error, log)), status, headers);
}

async function* readParts(
  file: MediaContent,
  first: number,
  last: number,
  { onPart, onEnd }: Required<FileAnswerOptions>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let at = first; at <= last; ) {
      const part = await file.read(at, Math.min(PART_BYTES, last + 1 - at));
      if (part.length === 0) throw mediaUnreadable("The file became shorter while it was read.");
      onPart();
      at += part.length;
      yield part;
    }
  } finally {
    await onEnd();
  }
}
