import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { FIXED_LIMITS, SOCKET_PATH, SUBPROTOCOL } from "../../protocol/index.js";
import type { Logger } from "../log.js";
import type { Admit } from "./admission.js";
import { type HttpError, statusOf } from "./errors.js";

export interface UpgradeParts {
  admit: Admit;
  maxMessageBytes: number;
  /** Receives every socket that completed the handshake. */
  onSocket(socket: WebSocket): void;
  log: Logger;
}

/** The listener for "upgrade": completes the handshake of WebSockets at `/v1`, and refuses all others. It never throws. */
export function createUpgradeListener({ admit, maxMessageBytes, onSocket, log }: UpgradeParts) {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    // Masks are compressed already, and zlib takes memory per socket.
    perMessageDeflate: false,
    // websocket.ts answers pings, because it can tell whether the peer reads.
    autoPong: false,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Node removes its own listeners from an upgraded socket.
    socket.on("error", () => socket.destroy());
    try {
      const refused = admit(request);
      if (refused) return refuse(socket, refused);
      const error = handshakeError(request);
      if (!error) return webSockets.handleUpgrade(request, socket, head, onSocket);
      log.warn({ code: error.code, url: request.url?.slice(0, 200) }, error.message);
      refuse(socket, error);
    } catch (error) {
      log.error({ err: error }, "an upgrade failed");
      socket.destroy();
    }
  };
}

function handshakeError({ url = "", headers }: IncomingMessage): HttpError | undefined {
  if (pathOf(url) !== SOCKET_PATH) {
    return { code: "not_found", message: `The WebSocket is at ${SOCKET_PATH}.`, retryable: false };
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
  if (offered && !offered.includes(SUBPROTOCOL)) {
    const message = `Subprotocol: expected ${SUBPROTOCOL} or none, got ${offered.join(", ").slice(0, 200)}.`;
    return { code: "bad_upgrade", message, retryable: false };
  }
  return undefined;
}

/** Path of a request target in origin form or absolute form. Any text is valid input. */
function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
}

/** Writes the answer, then destroys the socket, also when the peer neither reads nor closes. */
function refuse(socket: Duplex, error: HttpError): void {
  const status = statusOf(error.code);
  const body = JSON.stringify({ error });
  const timer = setTimeout(() => socket.destroy(), FIXED_LIMITS.refusalMs.value);
  socket.once("close", () => clearTimeout(timer));
  socket.once("finish", () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "content-type: application/json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}
