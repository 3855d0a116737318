import type { RawData, WebSocket } from "ws";
import { CLOSE_CODES, FIXED_LIMITS } from "../protocol/index.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { Transport, TransportListener } from "./transport.js";

export interface WebSocketOptions {
  /** With this many unsent bytes, `send` waits. */
  maxBufferedBytes: number;
  heartbeatIntervalMs: number;
  /** A longer text closes the socket with 1009. */
  maxMessageBytes: number;
  /** Likewise for binary messages. */
  maxFrameBytes: number;
  log: Logger;
  metrics: Metrics;
}

/** Carries the messages of a connection over a WebSocket. Returns what `open` returns. */
export function serveWebSocket<Listener extends TransportListener>(
  socket: WebSocket,
  open: (transport: Transport) => Listener,
  { maxBufferedBytes, heartbeatIntervalMs, maxMessageBytes, maxFrameBytes, log, metrics }: WebSocketOptions,
): Listener {
  const waiting = new Set<() => void>();
  let paused = false;
  let hasClosed = false;

  /** False while the socket is closing as well: what is sent then is lost, so senders wait for the close. */
  const accepts = () => socket.readyState === socket.OPEN && socket.bufferedAmount < maxBufferedBytes;

  /** Resumes waiting senders once enough bytes are sent, or when the socket has closed. */
  function release(): void {
    if (!hasClosed && !accepts()) return;
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  const listener = open({
    send(data) {
      if (socket.readyState === socket.OPEN) {
        metrics.count("masklet_sent_bytes_total", {}, Buffer.byteLength(data));
        socket.send(data, release);
      }
      if (hasClosed || accepts()) return Promise.resolve();
      return new Promise((resolve) => waiting.add(resolve));
    },
    close({ code, reason }) {
      socket.close(code, reason);
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

  let received = true;
  let silentIntervals = 0;
  let previouslyBuffered = 0;
  const heartbeat = setInterval(() => {
    const buffered = socket.bufferedAmount;
    // A peer that reads is alive, however slowly. While paused we receive no pongs, so a paused idle peer counts as alive.
    const alive = received || buffered < previouslyBuffered || (paused && buffered === 0);
    silentIntervals = alive ? 0 : silentIntervals + 1;
    received = false;
    previouslyBuffered = buffered;
    if (silentIntervals < FIXED_LIMITS.maxSilentHeartbeats.value) return socket.ping();
    log.info("closing a socket without a sign of life");
    socket.close(CLOSE_CODES.noHeartbeat.code, CLOSE_CODES.noHeartbeat.reason);
    socket.terminate();
  }, heartbeatIntervalMs);

  /** An exception in a listener of the socket would end the process, and with it the sessions of all clients. */
  function guarded(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      log.error({ err: error }, "an event of a socket was not handled");
      socket.close(CLOSE_CODES.internal.code, CLOSE_CODES.internal.reason);
    }
  }

  socket.on("message", (data: RawData, isBinary) => {
    received = true;
    const { length } = data as Buffer;
    metrics.count("masklet_received_bytes_total", {}, length);
    const limit = isBinary ? maxFrameBytes : maxMessageBytes;
    // Messages that were under way when the socket was closed have no effect.
    if (socket.readyState !== socket.OPEN) return;
    if (length > limit) {
      log.info({ length, limit }, "closing a socket after a message that is too large");
      socket.close(CLOSE_CODES.messageTooLarge.code, CLOSE_CODES.messageTooLarge.reason);
      return;
    }
    guarded(() => {
      if (isBinary) listener.onBinary(data as Buffer);
      else listener.onText(data.toString());
    });
  });
  socket.on("ping", (data) => {
    received = true;
    // A peer that sends pings without reading must not fill the buffer with pongs.
    if (socket.bufferedAmount < maxBufferedBytes) socket.pong(data);
  });
  socket.on("pong", () => {
    received = true;
  });
  // After an invalid or too large message, ws closes the socket with the matching code.
  socket.on("error", (error) => log.info({ code: (error as NodeJS.ErrnoException).code }, error.message));
  socket.on("close", () => {
    hasClosed = true;
    clearInterval(heartbeat);
    release();
    guarded(() => listener.onClose());
  });
  return listener;
}
