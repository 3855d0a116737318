/** The only place where a server is put together; everything else receives what it needs. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { WebSocket } from "ws";
import { CLOSE_CODES } from "../protocol/index.js";
import { readConfig, type ServerOptions } from "./config.js";
import { type Connection, openConnection } from "./connection.js";
import { createUpgrader } from "./http/upgrade.js";
import { createHttpServer } from "./http.js";
import { createLog } from "./log.js";
import { createMetrics } from "./metrics.js";
import { createPredictor, type Predictor, type PredictorParts } from "./predictor.js";
import type { Transport } from "./transport.js";
import { serveWebSocket } from "./websocket.js";

export interface RunningServer {
  /** Where clients connect, such as `ws://127.0.0.1:8765/v1`. */
  url: string;
  port: number;
  predictor: Predictor;
  /** Streams end with shutting_down, sockets close with 1001. Resolves when no process and no file is left. */
  close(): Promise<void>;
}

/**
 * Starts a server; it takes connections when this resolves.
 * @throws RangeError for an option or `MASKLET_*` variable that makes no sense, EngineError for an unusable model pack,
 * or the system's error when the port is taken.
 */
export async function startServer(
  options: ServerOptions = {},
  parts: PredictorParts = {},
): Promise<RunningServer> {
  const config = readConfig(options);
  const log = parts.log ?? createLog(config.logLevel);
  log.info({ config }, "starting");
  const metrics = createMetrics();
  const { host, maxBufferedBytes, heartbeatIntervalMs, maxPendingRequests, shutdownGraceMs } = config;
  const predictor = createPredictor(config, { ...parts, log });
  const connections = new Map<WebSocket, Connection>();
  let connectionsSoFar = 0;

  function onSocket(socket: WebSocket): void {
    const ourLog = log.child({ connection: ++connectionsSoFar });
    const open = (transport: Transport) => {
      const connection = openConnection({ transport, predictor, maxPendingRequests, log: ourLog, metrics });
      connections.set(socket, connection);
      return connection;
    };
    serveWebSocket(socket, open, { maxBufferedBytes, heartbeatIntervalMs, log: ourLog });
    socket.once("close", () => connections.delete(socket));
  }

  const { allowedOrigins, maxMessageBytes } = config;
  const upgrader = createUpgrader({ allowedOrigins, maxMessageBytes, onSocket });
  const http = createHttpServer({
    predictor,
    allowedOrigins,
    connections: () => connections.size,
    metrics,
    log,
  });
  http.on("upgrade", upgrader.handle);

  async function close(): Promise<void> {
    upgrader.stop();
    const stopped = once(http, "close");
    http.close();
    const ended = predictor.close();
    await within(shutdownGraceMs, Promise.all([...connections.values()].map((one) => one.answered())));
    const { code, reason } = CLOSE_CODES.goingAway;
    const goodbyes = [...connections.keys()].map((socket) => {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.close(code, reason);
      return closed;
    });
    await within(shutdownGraceMs, Promise.all(goodbyes));
    for (const socket of connections.keys()) socket.terminate();
    await ended;
    http.closeAllConnections();
    await stopped;
    log.info("stopped");
  }

  try {
    await predictor.ready;
    http.listen(config.port, host);
    await once(http, "listening");
  } catch (error) {
    await predictor.close();
    throw error;
  }
  const { port } = http.address() as AddressInfo;
  const url = `ws://${host.includes(":") ? `[${host}]` : host}:${port}/v1`;
  log.info({ url }, "listening");
  let closing: Promise<void> | undefined;
  return {
    url,
    port,
    predictor,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Waits for something, but no longer than the time it is given. */
async function within(timeMs: number, done: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([done, delay(timeMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
