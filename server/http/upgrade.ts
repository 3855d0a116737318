import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { FIXED_LIMITS, SOCKET_PATH, SUBPROTOCOL } from "../../protocol/index.js";
import type { Logger } from "../log.js";
import type { Admit } from "./admission.js";
import { type HttpError, headersOf, statusOf } from "./errors.js";

export interface UpgradeParts {
  admit: Admit;
  /** Of text and of binary messages. */
  maxMessageBytes: number;
  maxFrameBytes: number;
  /** Receives every socket that completed the handshake, with the address of the peer. */
  onSocket(socket: WebSocket, address: string | undefined): void;
  log: Logger;
}

/** The listener for "upgrade": completes the handshake of WebSockets at `/v1`, and refuses all others. It never throws. */
export function createUpgradeListener({
  admit,
  maxMessageBytes,
  maxFrameBytes,
  onSocket,
  log,
}: UpgradeParts) {
  const webSockets = new WebSocketServer({
    noServer: true,
    // websocket.ts applies the limit of text, which is the smaller one.
    maxPayload: Math.max(maxMessageBytes, maxFrameBytes),
    maxFragments: FIXED_LIMITS.messageFragments.value,
    // Masks are compressed already, and zlib takes memory per socket.
    perMessageDeflate: false,
    // One message per turn of the event loop: a peer that floods the socket cannot delay the other clients.
    allowSynchronousEvents: false,
    // websocket.ts answers pings, but not while the peer reads nothing.
    autoPong: false,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Node removes its own listeners from an upgraded socket.
    socket.on("error", () => socket.destroy());
    try {
      const error = admit(request) ?? handshakeError(request, log);
      if (error) refuse(socket, error);
      else {
        webSockets.handleUpgrade(request, socket, head, (webSocket) => {
          // Before `onSocket`, which could throw: without a listener, an error of the socket would end the process.
          webSocket.on("error", () => {});
          onSocket(webSocket, request.socket.remoteAddress);
        });
      }
    } catch (error) {
      log.error({ err: error }, "an upgrade failed");
      socket.destroy();
    }
  };
}

/** Logs what it refuses, as the admission check does. */
function handshakeError({ url = "", headers }: IncomingMessage, log: Logger): HttpError | undefined {
  const refused = (code: HttpError["code"], message: string): HttpError => {
    log.warn({ code, url: url.slice(0, 200) }, message);
    return { code, message, retryable: false };
  };
  if (pathOf(url) !== SOCKET_PATH) return refused("not_found", `The WebSocket is at ${SOCKET_PATH}.`);
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
  if (!offered || offered.includes(SUBPROTOCOL)) return undefined;
  const seen = offered.join(", ").slice(0, 200);
  return refused("bad_upgrade", `Subprotocol: expected ${SUBPROTOCOL} or none, got ${seen}.`);
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
      ...Object.entries({ ...headersOf(error), connection: "close" }).map((header) => header.join(": ")),
      "",
      body,
    ].join("\r\n"),
  );
}
