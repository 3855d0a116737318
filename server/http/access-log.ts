/** One log line for each HTTP request. */
import type { MiddlewareHandler } from "hono";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import type { Admission } from "./admission.js";
import { type AppEnvironment, ownerOf } from "./context.js";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.js";

/** Requests that supervisors repeat every few seconds. */
const FREQUENT = new Set(["/livez", "/readyz", "/healthz", "/metrics"]);

/** Methods as label values; a client can invent others. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Answers with `x-request-id`, and logs method, path without its query, status, bytes and duration when the answer has been
 * sent or the client has gone.
 */
export function accessLog(
  log: Logger,
  metrics: Metrics,
  { addressOf }: Pick<Admission, "addressOf">,
): MiddlewareHandler<AppEnvironment> {
  return async (context, next) => {
    const { incoming, outgoing } = context.env;
    const requestId = requestIdOf(incoming);
    const { method, path } = context.req;
    const { socket } = incoming;
    const address = addressOf(incoming);
    const sentBefore = socket.bytesWritten;
    const start = performance.now();
    // For answers that do not pass through the router.
    outgoing.setHeader(REQUEST_ID_HEADER, requestId);
    outgoing.once("close", () => {
      const ms = performance.now() - start;
      const status = outgoing.headersSent ? outgoing.statusCode : 0;
      const labels = { method: METHODS.has(method) ? method : "other", status: String(status) };
      metrics.observe("masklet_http_seconds", labels, ms / 1000);
      const fields = {
        requestId,
        address,
        // Undefined for refused requests, and for the paths that need no key.
        owner: ownerOf(context),
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
    context.header(REQUEST_ID_HEADER, requestId);
  };
}
