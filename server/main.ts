/** Builds a server from its parts; every other file receives what it needs. */
import { setTimeout as delay } from "node:timers/promises";
import type { WebSocket } from "ws";
import { CLOSE_CODES } from "../protocol/index.js";
import { readConfig, type ServerOptions } from "./config.js";
import { type Connection, openConnection } from "./connection.js";
import { createHttpServer } from "./http/server.js";
import { createLog } from "./log.js";
import { createMetrics } from "./metrics.js";
import { createPredictor, type Predictor, type PredictorParts } from "./predictor.js";
import { ownerOfAddress } from "./session-owner.js";
import type { Transport } from "./transport.js";
import { serveWebSocket } from "./websocket.js";

export interface RunningServer {
  /** Where clients connect, such as `ws://127.0.0.1:8765/v1`. */
  url: string;
  port: number;
  predictor: Predictor;
  /**
   * Ends streams with shutting_down and closes sockets with 1001. Sockets that are open after `shutdownGraceMs` are
   * destroyed. Resolves when no process and no file remains.
   */
  close(): Promise<void>;
}

/**
 * Starts a server; it accepts connections when this resolves.
 * @throws RangeError for an invalid option or `MASKLET_*` variable, EngineError for an unusable model pack, or the
 * system's error when it cannot listen.
 */
export async function startServer(
  options: ServerOptions = {},
  parts: PredictorParts = {},
): Promise<RunningServer> {
  const config = readConfig(options);
  const log = parts.log ?? createLog(config.logLevel);
  log.info({ config }, "starting");
  const metrics = createMetrics({ ofProcess: true });
  const { host, maxPendingRequests, shutdownGraceMs } = config;
  const predictor = createPredictor(config, { ...parts, log, metrics });
  const connections = new Map<WebSocket, Connection>();
  let connectionsSoFar = 0;

  function onSocket(socket: WebSocket, address: string | undefined): void {
    const connectionLog = log.child({ connection: ++connectionsSoFar });
    const open = (transport: Transport) => {
      const connection = openConnection({
        transport,
        predictor,
        owner: ownerOfAddress(address),
        maxPendingRequests,
        log: connectionLog,
        metrics,
      });
      connections.set(socket, connection);
      return connection;
    };
    serveWebSocket(socket, open, { ...config, log: connectionLog, metrics });
    const openedAtMs = performance.now();
    connectionLog.info({ address, owner: ownerOfAddress(address) }, "websocket opened");
    socket.once("close", (code) => {
      connections.delete(socket);
      connectionLog.info({ code, ms: Math.round(performance.now() - openedAtMs) }, "websocket closed");
    });
  }

  const http = createHttpServer({
    config,
    predictor,
    metrics,
    log,
    onSocket,
    connections: () => connections.size,
  });

  async function close(): Promise<void> {
    const stopped = http.stop();
    const ended = predictor.close();
    await within(shutdownGraceMs / 2, Promise.all([...connections.values()].map((one) => one.answered())));
    const { code, reason } = CLOSE_CODES.goingAway;
    for (const socket of connections.keys()) socket.close(code, reason);
    await within(shutdownGraceMs / 2, stopped);
    http.destroySockets();
    await stopped;
    await ended;
    log.info("stopped");
  }

  let port: number;
  try {
    await predictor.ready;
    ({ port } = await http.listen());
  } catch (error) {
    await predictor.close();
    throw error;
  }
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

/** Waits for `done`, but not longer than `timeMs`. */
async function within(timeMs: number, done: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([done, delay(timeMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
