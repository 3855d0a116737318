/** `GET /v1/sessions/ID/media`: the bytes of the video, from the file that the session has open. */
import { createHash } from "node:crypto";
import { SESSIONS_PATH } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import { mediaUnreadable } from "../../media/errors.js";
import type { MediaContent } from "../../media/source.js";
import type { Predictor } from "../../predictor.js";
import { readRange } from "../byte-range.js";
import type { App } from "../context.js";
import { sendError } from "../errors.js";
import { pulledBody } from "../reader.js";
import { allowOnly } from "./method-not-allowed.js";
import { sessionOf } from "./reach.js";

const PART_BYTES = 256 * 1024;

export function addContentRoute(app: App, predictor: Predictor, log: Logger): void {
  const path = `${SESSIONS_PATH}/:id/media`;
  app.get(path, async (context) => {
    const { hosted, session } = await sessionOf(context, predictor);
    const { file } = session.media;
    if (!file) {
      const message = `This session has no single file: it is a ${session.facts.kind === "live" ? "live session" : "folder of pictures"}.`;
      return sendError(context, { code: "no_single_file", message, retryable: false });
    }
    const { bytes, version } = await file.check();
    const etag = `"${createHash("sha256").update(version).digest("hex").slice(0, 32)}"`;
    const common = {
      etag,
      "accept-ranges": "bytes",
      // Another session can have the same id later.
      "cache-control": "private, no-cache",
      // A browser that opens the address runs nothing that the file contains.
      "content-security-policy": "sandbox; default-src 'none'",
    };
    const { "if-none-match": known, "if-range": expected } = context.env.incoming.headers;
    if (known?.split(",").some((one) => one.trim() === etag)) return context.body(null, 304, common);
    const wanted = expected === undefined || expected === etag ? context.req.header("range") : undefined;
    const range = readRange(wanted, bytes);
    if (range === "unsatisfiable") {
      const message = `Range: expected bytes of 0..${bytes - 1}, got ${JSON.stringify(wanted?.slice(0, 60))}`;
      const headers = { "content-range": `bytes */${bytes}` };
      return sendError(context, { code: "range_not_satisfiable", message, retryable: false }, headers);
    }
    const { first, last } = range ?? { first: 0, last: bytes - 1 };
    const body = await pulledBody(readParts(file, first, last, hosted.touch), (error) =>
      toProtocolError(error, log),
    );
    return context.body(body, range ? 206 : 200, {
      ...common,
      "content-type": file.contentType,
      "content-length": String(last - first + 1),
      ...(range && { "content-range": `bytes ${first}-${last}/${bytes}` }),
    });
  });
  app.all(path, allowOnly("GET"));
}

async function* readParts(
  file: MediaContent,
  first: number,
  last: number,
  onPart: () => void,
): AsyncGenerator<Uint8Array> {
  for (let at = first; at <= last; ) {
    const part = await file.read(at, Math.min(PART_BYTES, last + 1 - at));
    if (part.length === 0) throw mediaUnreadable("The file became shorter while it was read.");
    onPart();
    at += part.length;
    yield part;
  }
}
