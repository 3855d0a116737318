import type { RawData, WebSocket } from "ws";
import { CLOSE_CODES, FIXED_LIMITS } from "../protocol/index.js";
import type { Logger } from "./log.js";
import type { Transport, TransportListener } from "./transport.js";

export interface WebSocketOptions {
  /** Bytes waiting to leave from which on `send` waits. */
  maxBufferedBytes: number;
  heartbeatIntervalMs: number;
  log: Logger;
}

/** Carries a connection's messages over a WebSocket. */
export function serveWebSocket(
  socket: WebSocket,
  open: (transport: Transport) => TransportListener,
  { maxBufferedBytes, heartbeatIntervalMs, log }: WebSocketOptions,
): void {
  const waiting = new Set<() => void>();
  let paused = false;

  /** Lets waiting senders go on once enough has left, or when there is nobody left to wait for. */
  function release(): void {
    if (socket.readyState === socket.OPEN && socket.bufferedAmount >= maxBufferedBytes) return;
    for (const go of waiting) go();
    waiting.clear();
  }

  const listener = open({
    send(text) {
      if (socket.readyState !== socket.OPEN) return Promise.resolve();
      socket.send(text, release);
      if (socket.bufferedAmount < maxBufferedBytes) return Promise.resolve();
      return new Promise((resolve) => waiting.add(resolve));
    },
    pause() {
      paused = true;
      socket.pause();
    },
    resume() {
      paused = false;
      socket.resume();
    },
  });

  // Pings and pongs are not messages: they tell whether the peer is alive.
  let heard = true;
  let silentIntervals = 0;
  let bufferedBefore = 0;
  const heartbeat = setInterval(() => {
    const buffered = socket.bufferedAmount;
    // A peer that takes data is alive, however slowly; one we do not listen to cannot be heard.
    const alive = heard || buffered < bufferedBefore || (paused && buffered === 0);
    silentIntervals = alive ? 0 : silentIntervals + 1;
    heard = false;
    bufferedBefore = buffered;
    if (silentIntervals < FIXED_LIMITS.maxSilentHeartbeats.value) return socket.ping();
    log.info("dropping a socket without a sign of life");
    socket.close(CLOSE_CODES.noHeartbeat.code, CLOSE_CODES.noHeartbeat.reason);
    socket.terminate();
  }, heartbeatIntervalMs);

  const hear = () => {
    heard = true;
  };
  socket.on("message", (data: RawData, isBinary) => {
    hear();
    try {
      if (isBinary) listener.onBinary();
      else listener.onText(data.toString());
    } catch (error) {
      // Thrown on, it would end the process and everybody's sessions.
      log.error({ err: error }, "a message was not handled");
      socket.close(CLOSE_CODES.internal.code, CLOSE_CODES.internal.reason);
    }
  });
  socket.on("ping", (data) => {
    hear();
    // Pongs are not waited for; a peer that pings without reading must not pile them up.
    if (socket.bufferedAmount < maxBufferedBytes) socket.pong(data);
  });
  socket.on("pong", hear);
  // ws closes the socket itself, with the fitting code, after a broken or too large message.
  socket.on("error", (error) => log.info({ code: (error as NodeJS.ErrnoException).code }, error.message));
  socket.on("close", () => {
    clearInterval(heartbeat);
    release();
    listener.onClose();
  });
}
