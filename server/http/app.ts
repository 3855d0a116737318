/** Every HTTP route. WebSockets are in upgrade.ts. */
import { Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { SOCKET_PATH, TUS_PATH } from "../../protocol/index.js";
import type { Adapter } from "../adapters/adapter.js";
import { toProtocolError } from "../failure.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import type { Predictor } from "../predictor.js";
import { accessLog } from "./access-log.js";
import type { Admission } from "./admission.js";
import type { App } from "./context.js";
import { sendError } from "./errors.js";
import { identifyOwner, sendRefusal } from "./identify.js";
import { closeUnread } from "./linger.js";
import { addContentRoute } from "./routes/content.js";
import { addExportRoutes } from "./routes/exports.js";
import { addFrameRoutes } from "./routes/frames.js";
import { addHealthRoutes, addLivenessRoute, LIVENESS_PATH } from "./routes/health.js";
import { addImportRoutes } from "./routes/imports.js";
import { addMediaRoute } from "./routes/media.js";
import { addMetricsRoute, type SocketCounts } from "./routes/metrics.js";
import { addPageRoutes } from "./routes/page.js";
import { addRequestRoutes } from "./routes/requests.js";
import { addResultRoute } from "./routes/results.js";
import { addSavedRoutes } from "./routes/saved.js";
import { addSessionRoutes } from "./routes/sessions.js";
import { createTusRoutes, TUS_REQUEST_HEADERS, TUS_RESPONSE_HEADERS } from "./routes/tus.js";
import { addUploadRoutes } from "./routes/uploads.js";

export interface AppParts {
  predictor: Predictor;
  adapters: readonly Adapter[];
  admission: Admission;
  counts: SocketCounts;
  maxMessageBytes: number;
  /** Folder of the annotator page. */
  webDir: string;
  metrics: Metrics;
  log: Logger;
}

export function createApp(parts: AppParts): App {
  const { predictor, adapters, admission, counts, maxMessageBytes, webDir, metrics, log } = parts;
  const app: App = new Hono();

  app.use(closeUnread);
  app.use(accessLog(log, metrics, admission));
  for (const { prefixes, around } of adapters)
    if (around) for (const prefix of prefixes) app.use(`${prefix}/*`, around);
  app.use(async (context, next) => {
    const { incoming } = context.env;
    // A process supervisor must not restart a server that is full or stopping.
    const isLiveness = context.req.path === LIVENESS_PATH;
    const error = isLiveness ? admission.checkSource(incoming) : admission.admit(incoming);
    return error ? sendRefusal(context, error) : next();
  });
  addLivenessRoute(app);
  const tus = createTusRoutes(predictor.uploads, log);
  app.use(TUS_PATH, tus.discovery);
  // The admission check has accepted the origin.
  app.use(
    cors({
      origin: (origin) => origin,
      allowMethods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
      allowHeaders: ["authorization", "content-type", ...TUS_REQUEST_HEADERS],
      exposeHeaders: ["retry-after", "www-authenticate", ...TUS_RESPONSE_HEADERS],
    }),
  );
  app.use(secureHeaders);
  addHealthRoutes(app, predictor);
  addPageRoutes(app, webDir);
  // Every route from here on has an owner.
  app.use(identifyOwner(admission, predictor.shares));
  addMetricsRoute(app, predictor, metrics, counts);
  tus.add(app);
  addUploadRoutes(app, predictor.uploads);
  addSavedRoutes(app, predictor.saved);
  addExportRoutes(app, predictor, log);
  addImportRoutes(app, predictor);
  addSessionRoutes(app, predictor);
  addContentRoute(app, predictor, log);
  addFrameRoutes(app, predictor, log);
  addResultRoute(app, predictor, log);
  addMediaRoute(app, predictor);
  for (const adapter of adapters) adapter.add(app);
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
  // Other sites cannot embed what the server sends.
  context.header("cross-origin-resource-policy", "same-origin");
  if (!context.res.headers.has("cache-control")) context.header("cache-control", "no-store");
};
