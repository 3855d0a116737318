/** `GET /v1/sessions/ID/results`: the stored results of a stretch of frames. */
import {
  encodeMessage,
  encodeText,
  parseQuery,
  resultsQuerySchema,
  SESSIONS_PATH,
} from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import type { Predictor } from "../../predictor.js";
import type { PropagatedFrame } from "../../propagations.js";
import type { App } from "../context.js";
import { pulledBody } from "../reader.js";
import { allowOnly } from "./method-not-allowed.js";
import { checkStretch, sessionOf } from "./reach.js";

/** Results in one part of the answer are about this many bytes: small parts cost more than their bytes. */
const PART_BYTES = 64 * 1024;

export function addResultRoute(app: App, predictor: Predictor, log: Logger): void {
  const path = `${SESSIONS_PATH}/:id/results`;
  app.get(path, async (context) => {
    const query = parseQuery(resultsQuerySchema, context.req.query());
    const { hosted, session } = await sessionOf(context, predictor);
    const { num_frames } = session.facts;
    const stretch = { first: query.first, last: query.last ?? Math.max(query.first, num_frames - 1) };
    checkStretch(stretch, session);
    const isBinary = query.mask_format === "binary";
    const frames = session.storedFrames({ ...query, ...stretch });
    const write = isBinary ? withLength : asLine;
    const parts = inParts(frames, (frame) => {
      hosted.touch();
      return write({ type: "frame", session_id: hosted.id, ...frame });
    });
    const body = await pulledBody(parts, (error) => toProtocolError(error, log));
    const contentType = isBinary ? "application/octet-stream" : "application/x-ndjson";
    return context.body(body, 200, { "content-type": contentType });
  });
  app.all(path, allowOnly("GET"));
}

async function* inParts(
  frames: AsyncGenerator<PropagatedFrame>,
  write: (frame: PropagatedFrame) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const frame of frames) {
    const written = write(frame);
    waiting.push(written);
    bytes += written.length;
    if (bytes < PART_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

const encoder = new TextEncoder();

function asLine(message: object): Uint8Array {
  return encoder.encode(`${encodeText(message)}\n`);
}

/** The binary message after its length in bytes, 32 bits, little-endian. */
function withLength(message: object): Uint8Array {
  const encoded = encodeMessage(message);
  const bytes = typeof encoded === "string" ? encoder.encode(encoded) : encoded;
  const part = new Uint8Array(4 + bytes.length);
  new DataView(part.buffer).setUint32(0, bytes.length, true);
  part.set(bytes, 4);
  return part;
}
