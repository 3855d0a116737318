/** The HTTP server: routes, WebSocket upgrades, the admission check of both, and the limit of connections. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { WebSocket } from "ws";
import { FIXED_LIMITS } from "../../protocol/index.js";
import type { AdapterSettings } from "../adapters/adapter.js";
import { createAdapters } from "../adapters/index.js";
import type { ServerConfig } from "../config.js";
import { toProtocolError } from "../failure.js";
import type { KeyCheck } from "../keys/key-check.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import type { Predictor } from "../predictor.js";
import { createAdmission } from "./admission.js";
import { createApp } from "./app.js";
import { readTrustedProxies } from "./client-address.js";
import { connectionLimit, limitConnections, readDescriptorLimit } from "./connection-limit.js";
import { type HttpError, statusOf } from "./errors.js";
import { readHostRules } from "./host.js";
import { isLoopbackHost } from "./origin.js";
import { UpgradableRequest } from "./upgradable-request.js";
import { createUpgradeListener, type SocketVisitor } from "./upgrade.js";

export interface HttpServerParts {
  config: Pick<
    ServerConfig,
    | "host"
    | "port"
    | "allowedHosts"
    | "allowedOrigins"
    | "trustedProxies"
    | "maxConnections"
    | "maxMessageBytes"
    | "maxFrameBytes"
    | "webDir"
    | keyof AdapterSettings
  >;
  /** Undefined: the server requires no keys. */
  keys: KeyCheck | undefined;
  predictor: Predictor;
  metrics: Metrics;
  log: Logger;
  /** Receives every WebSocket after its handshake. */
  onSocket(socket: WebSocket, visitor: SocketVisitor): void;
  /** WebSockets that are open. */
  connections(): number;
}

export interface HttpServer {
  /** Rejects with the system's error, such as EADDRINUSE. */
  listen(): Promise<AddressInfo>;
  /** Accepts no new socket and refuses new requests. Resolves when every socket is closed. */
  stop(): Promise<void>;
  /** True while a request other than GET and HEAD, such as an upload, is not answered completely. */
  readonly isBusy: boolean;
  /** Destroys the sockets that are still open. */
  destroySockets(): void;
}

export function createHttpServer(parts: HttpServerParts): HttpServer {
  const { config, keys, predictor, metrics, log, onSocket, connections } = parts;
  const { host, port, allowedHosts, allowedOrigins, maxMessageBytes, maxFrameBytes } = config;
  let stopped: Promise<unknown> | undefined;

  const server = createServer({ IncomingMessage: UpgradableRequest });
  const maxConnections = connectionLimit(config.maxConnections, readDescriptorLimit());
  if (maxConnections < config.maxConnections) {
    log.info({ maxConnections, wanted: config.maxConnections }, "file descriptors limit the connections");
  }
  const proxies = readTrustedProxies(config.trustedProxies);
  const { shares } = predictor;
  const sockets = limitConnections({ server, maxConnections, shares, proxies, log, metrics });
  const adapters = createAdapters({ predictor, settings: config, log });
  const admission = createAdmission({
    rules: {
      ...readHostRules(allowedHosts, host),
      allowedOrigins,
      admitLoopback: isLoopbackHost(host),
    },
    proxies,
    keys,
    keyHeaderOf: (path) =>
      adapters.find(({ prefixes }) => prefixes.some((prefix) => path.startsWith(`${prefix}/`)))?.keyHeader,
    connections: sockets,
    isStopping: () => stopped !== undefined,
    drainRefusal: predictor.refusal,
    log,
    metrics,
  });
  const counts = { connections, sockets: () => sockets.count };
  const app = createApp({
    predictor,
    adapters,
    admission,
    counts,
    maxMessageBytes,
    webDir: config.webDir,
    metrics,
    log,
  });

  // Reached by requests without a valid URL or Host header; the routes handle their own errors.
  function onRequestError(cause: unknown): Response {
    const error: HttpError =
      cause instanceof Error && cause.name === "RequestError"
        ? { code: "malformed_request", message: cause.message, retryable: false }
        : toProtocolError(cause, log).toBody();
    return Response.json({ error }, { status: statusOf(error.code) });
  }
  const answer = getRequestListener(app.fetch, {
    // For requests of HTTP/1.0 without a Host header.
    hostname: "localhost",
    overrideGlobalObjects: false,
    errorHandler: onRequestError,
  });
  server.on("request", answer);
  let unanswered = 0;
  server.on("request", ({ method }, response) => {
    if (method === "GET" || method === "HEAD") return;
    unanswered += 1;
    response.once("close", () => {
      unanswered -= 1;
    });
  });
  server.on("upgrade", createUpgradeListener({ admission, maxMessageBytes, maxFrameBytes, onSocket, log }));
  // Large uploads over slow connections take long. The store limits their size; `timeout` ends uploads without progress.
  server.requestTimeout = 0;
  server.timeout = FIXED_LIMITS.stalledSocketMs.value;
  server.maxRequestsPerSocket = FIXED_LIMITS.requestsPerSocket.value;
  // The peer sends further requests without reading that the last answer closes the connection.
  server.on("dropRequest", (_request, socket) => socket.destroy());

  return {
    async listen() {
      server.listen(port, host);
      await once(server, "listening");
      // A failed accept(), for example. Without a listener it would end the process.
      server.on("error", (error) => log.error({ err: error }, "the HTTP server failed"));
      return server.address() as AddressInfo;
    },
    async stop() {
      stopped ??= new Promise((resolve) => server.close(resolve));
      await stopped;
    },
    get isBusy() {
      return unanswered > 0;
    },
    destroySockets: () => sockets.destroyAll(),
  };
}
