/** Builds a server from its parts; every other file receives what it needs. */
import type { WebSocket } from "ws";
import { CLOSE_CODES, encodeMessage } from "../protocol/index.js";
import { serveClientSocket } from "./client-socket.js";
import { readConfig, type ServerConfig, type ServerOptions } from "./config.js";
import type { Connection } from "./connection.js";
import { drain, within } from "./drain.js";
import { isLoopbackHost } from "./http/origin.js";
import { createHttpServer } from "./http/server.js";
import type { SocketVisitor } from "./http/upgrade.js";
import { openKeyring } from "./keys/keyring.js";
import { createLog, type Logger } from "./log.js";
import { createMetrics } from "./metrics.js";
import { createPredictor, type Predictor, type PredictorParts } from "./predictor.js";
import { isLoopbackAddress } from "./session-owner.js";

export interface RunningServer {
  /** Where clients connect, such as `ws://127.0.0.1:8765/v1`. */
  url: string;
  port: number;
  predictor: Predictor;
  /** For what concerns the whole process. */
  log: Logger;
  /**
   * Reads the file of keys again, and closes the sockets whose key was removed. Resolves to a text such as "3 keys of 2
   * owners". Rejects, and changes nothing, when the keys cannot be used. Absent on servers without a file of keys.
   */
  reloadKeys?: () => Promise<string>;
  /**
   * Ends streams with shutting_down and closes sockets with 1001. Sockets that are open after `shutdownGraceMs` are
   * destroyed. Resolves when no process and no file remains.
   */
  close(): Promise<void>;
  /**
   * Refuses new sessions and uploads, waits until streams and requests have ended, but at most `drainMs`, saves the open
   * sessions when the server has a `saveDir`, and closes the server. Does not wait longer when `close` is called meanwhile.
   */
  drain(options?: DrainOptions): Promise<void>;
}

export interface DrainOptions {
  /** Default: the setting. */
  drainMs?: number;
  /** Called once when streams or requests are waited for. */
  onWait?: () => void;
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
  log.info({ config: { ...config, ...withoutSecrets(config) } }, "starting");
  const metrics = createMetrics({ ofProcess: true });
  const { host, keysFile, insecure, shutdownGraceMs } = config;
  const keyring = keysFile === undefined ? undefined : await openKeyring(keysFile, log);
  if (!keyring) checkHost(host, insecure, log);
  const predictor = createPredictor(config, { ...parts, log, metrics, weightOf: keyring?.weightOf });
  const connections = new Map<WebSocket, Connection>();
  let connectionsSoFar = 0;

  function onSocket(socket: WebSocket, visitor: SocketVisitor): void {
    const socketLog = log.child({ connection: ++connectionsSoFar });
    const parts = { config, predictor, keys: keyring, metrics, log: socketLog };
    connections.set(socket, serveClientSocket(socket, visitor, parts));
    socket.once("close", () => connections.delete(socket));
  }

  const http = createHttpServer({
    config,
    keys: keyring,
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
  const stopWaiting = new AbortController();

  async function drainAndClose({ drainMs = config.drainMs, onWait }: DrainOptions): Promise<void> {
    log.info({ drainMs, sessions: predictor.sessions.count }, "draining");
    await drain({
      drainMs,
      refuseNew: predictor.refuseNew,
      announce,
      onWait,
      isBusy: () => http.isBusy || predictor.sessions.all.some(({ isBusy }) => isBusy),
      ...(config.saveDir !== undefined && { save: predictor.saveSessions }),
      signal: stopWaiting.signal,
    });
    closing ??= close();
    await closing;
  }

  function announce(endsInMs: number, retryAfterMs: number): void {
    const event = encodeMessage({
      type: "event",
      event: "server_draining",
      ends_in_ms: endsInMs,
      retry_after_ms: Math.ceil(retryAfterMs),
    });
    for (const socket of connections.keys()) if (socket.readyState === socket.OPEN) socket.send(event);
  }

  let draining: Promise<void> | undefined;
  return {
    url,
    port,
    predictor,
    log,
    ...(keyring?.reload && { reloadKeys: keyring.reload }),
    close() {
      stopWaiting.abort();
      closing ??= close();
      return closing;
    },
    drain(options = {}) {
      draining ??= drainAndClose(options);
      return draining;
    },
  };
}

/** The settings that contain secrets, for the log. */
function withoutSecrets({ keysFile, labelStudioToken }: ServerConfig) {
  return { keysFile: keysFile && "set", labelStudioToken: labelStudioToken && "set" };
}

/** @throws RangeError for an address that other machines reach, because the server has no keys. */
function checkHost(host: string, insecure: boolean, log: Logger): void {
  if (isLoopbackHost(host) || isLoopbackAddress(host)) return;
  if (!insecure) {
    throw new RangeError(
      `host is "${host}"; without keys it must be a loopback address such as 127.0.0.1. Make keys with "masklet keys add NAME" and set keysFile (--keys, MASKLET_KEYS), or set insecure (--insecure, MASKLET_INSECURE=1) to serve everyone who reaches the port.`,
    );
  }
  log.warn({ host }, "the server has no keys and serves everyone who reaches its port");
}
