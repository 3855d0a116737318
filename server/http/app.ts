/** Every HTTP route. WebSockets are in upgrade.ts. */
import { Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { SOCKET_PATH, TUS_PATH } from "../../protocol/index.js";
import { toProtocolError } from "../failure.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import type { Predictor } from "../predictor.js";
import { accessLog } from "./access-log.js";
import type { Admit } from "./admission.js";
import type { App } from "./context.js";
import { sendError } from "./errors.js";
import { addHealthRoutes, addLivenessRoute } from "./routes/health.js";
import { addMetricsRoute, type SocketCounts } from "./routes/metrics.js";
import { addRequestRoutes } from "./routes/requests.js";
import { addSavedRoutes } from "./routes/saved.js";
import { createTusRoutes, TUS_REQUEST_HEADERS, TUS_RESPONSE_HEADERS } from "./routes/tus.js";
import { addUploadRoutes } from "./routes/uploads.js";

export interface AppParts {
  predictor: Predictor;
  admit: Admit;
  counts: SocketCounts;
  maxMessageBytes: number;
  metrics: Metrics;
  log: Logger;
}

export function createApp(parts: AppParts): App {
  const { predictor, admit, counts, maxMessageBytes, metrics, log } = parts;
  const app: App = new Hono();

  // Before the admission check, so that a process supervisor does not restart a server that is full or stopping.
  addLivenessRoute(app);
  app.use(accessLog(log, metrics));
  app.use(async (context, next) => {
    const error = admit(context.env.incoming);
    return error ? sendError(context, error) : next();
  });
  const tus = createTusRoutes(predictor.uploads, log);
  app.use(TUS_PATH, tus.discovery);
  // The admission check has accepted the origin.
  app.use(
    cors({
      origin: (origin) => origin,
      allowMethods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
      allowHeaders: ["content-type", ...TUS_REQUEST_HEADERS],
      exposeHeaders: TUS_RESPONSE_HEADERS,
    }),
  );
  app.use(secureHeaders);
  addHealthRoutes(app, predictor);
  addMetricsRoute(app, predictor, metrics, counts);
  tus.add(app);
  addUploadRoutes(app, predictor.uploads);
  addSavedRoutes(app, predictor.saved);
  addRequestRoutes(app, { predictor, maxMessageBytes, metrics, log });

  app.notFound((context) => {
    const message = `No such path; the WebSocket is at ${SOCKET_PATH}.`;
    return sendError(context, { code: "not_found", message, retryable: false });
  });
  app.onError((cause, context) => {
    // The sender disconnected, during its request or before the answer; no answer can reach it.
    const { incoming, outgoing } = context.env;
    if (incoming.readableAborted || outgoing.destroyed) return context.body(null, 400);
    return sendError(context, toProtocolError(cause, log).toBody());
  });
  return app;
}

const secureHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  context.header("x-content-type-options", "nosniff");
  context.header("cache-control", "no-store");
};
