/** One log line for each HTTP request, and an id by which a client and the log name it. */
import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import { v4 as uuid } from "uuid";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import { ownerOf } from "./context.js";

const HEADER = "x-request-id";

/** An id of the client or of a proxy is kept when it is short and plain text, so that it cannot forge log lines. */
const WELL_FORMED = /^[\w.:-]{1,128}$/;

/** Requests that supervisors repeat every few seconds. */
const FREQUENT = new Set(["/readyz", "/healthz", "/metrics"]);

/** Methods as label values; a client can invent others. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Answers with `x-request-id`, and logs method, path without its query, status, bytes and duration when the answer has been
 * sent or the client has gone.
 */
export function accessLog(log: Logger, metrics: Metrics): MiddlewareHandler<{ Bindings: HttpBindings }> {
  return async (context, next) => {
    const { incoming, outgoing } = context.env;
    const given = context.req.header(HEADER);
    const requestId = given !== undefined && WELL_FORMED.test(given) ? given : uuid();
    const { method, path } = context.req;
    const { socket } = incoming;
    const address = socket.remoteAddress;
    const owner = ownerOf(context);
    const sentBefore = socket.bytesWritten;
    const start = performance.now();
    // For answers that do not pass through the router.
    outgoing.setHeader(HEADER, requestId);
    outgoing.once("close", () => {
      const ms = performance.now() - start;
      const status = outgoing.headersSent ? outgoing.statusCode : 0;
      const labels = { method: METHODS.has(method) ? method : "other", status: String(status) };
      metrics.observe("masklet_http_seconds", labels, ms / 1000);
      const fields = {
        requestId,
        address,
        owner,
        method,
        path: path.slice(0, 200),
        status,
        bodyBytes: Number(incoming.headers["content-length"] ?? 0),
        sentBytes: socket.bytesWritten - sentBefore,
        ms: Math.round(ms),
      };
      const isComplete = outgoing.writableFinished;
      const level = FREQUENT.has(path) ? "debug" : "info";
      log[level](fields, isComplete ? "http request" : "http request that the client left");
    });
    await next();
    context.header(HEADER, requestId);
  };
}
