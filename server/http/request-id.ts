/** An id by which a client and the log name a request. */
import type { IncomingMessage } from "node:http";
import { v4 as uuid } from "uuid";

/** In requests and in their answers. */
export const REQUEST_ID_HEADER = "x-request-id";

/** An id of the client or of a proxy is kept when it is short and plain text, so that it cannot forge log lines. */
const WELL_FORMED = /^[\w.:-]{1,128}$/;

const ids = new WeakMap<IncomingMessage, string>();

export function requestIdOf(request: IncomingMessage): string {
  const known = ids.get(request);
  if (known !== undefined) return known;
  const given = request.headers[REQUEST_ID_HEADER];
  const id = typeof given === "string" && WELL_FORMED.test(given) ? given : uuid();
  ids.set(request, id);
  return id;
}
