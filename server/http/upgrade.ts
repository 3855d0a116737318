import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { FIXED_LIMITS, type ProtocolError, SOCKET_PATH, SUBPROTOCOL } from "../../protocol/index.js";
import type { Logger } from "../log.js";
import type { OwnerId } from "../session-owner.js";
import { type Admission, pathOf, type Visitor } from "./admission.js";
import { type HttpError, headersOf, statusOf } from "./errors.js";
import { challengesFor } from "./identify.js";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.js";

/** A client whose WebSocket is open. */
export interface SocketVisitor extends Visitor {
  /** Carries the WebSocket. */
  stream: Duplex;
  /**
   * To be called when the client has sent the key of an owner: until then it may send a few messages only. Returns an error when
   * the owner has too many connections.
   */
  onIdentified(owner: OwnerId): ProtocolError | undefined;
}

export interface UpgradeParts {
  admission: Admission;
  /** Of text and of binary messages. */
  maxMessageBytes: number;
  maxFrameBytes: number;
  /** Receives every socket that completed the handshake. */
  onSocket(socket: WebSocket, visitor: SocketVisitor): void;
  log: Logger;
}

/** The listener for "upgrade": completes the handshake of WebSockets at `/v1`, and refuses all others. It never throws. */
export function createUpgradeListener(parts: UpgradeParts) {
  const { admission, maxMessageBytes, maxFrameBytes, onSocket, log } = parts;
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

  async function handle(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const problem = admission.admit(request) ?? handshakeError(request);
    if (problem) return refuse(request, socket, problem);
    const { visitor, error } = await admission.identify(request, socket);
    if (error) return refuse(request, socket, error);
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Before `onSocket`, which could throw: without a listener, an error of the socket would end the process.
      webSocket.on("error", () => {});
      const endByteLimit = visitor.owner === undefined ? limitBytes(socket) : () => {};
      const onIdentified = (owner: OwnerId) => {
        const full = admission.countFor(owner, socket);
        if (!full) endByteLimit();
        return full;
      };
      onSocket(webSocket, { ...visitor, stream: socket, onIdentified });
    });
  }

  function handshakeError(request: IncomingMessage): HttpError | undefined {
    const refused = (code: HttpError["code"], message: string): HttpError =>
      admission.refuse(request, { code, message, retryable: false });
    if (pathOf(request.url ?? "") !== SOCKET_PATH) {
      return refused("not_found", `The WebSocket is at ${SOCKET_PATH}.`);
    }
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
    if (!offered || offered.includes(SUBPROTOCOL)) return undefined;
    const seen = offered.join(", ").slice(0, 200);
    return refused("bad_upgrade", `Subprotocol: expected ${SUBPROTOCOL} or none, got ${seen}.`);
  }

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Node removes its own listeners from an upgraded socket.
    socket.on("error", () => socket.destroy());
    handle(request, socket, head).catch((error) => {
      log.error({ err: error }, "an upgrade failed");
      socket.destroy();
    });
  };
}

/**
 * Destroys a socket that sends more than a client needs to send its key: messages of clients without a key must not fill the
 * memory. Returns the function that ends the limit.
 */
function limitBytes(socket: Duplex): () => void {
  let received = 0;
  const count = ({ length }: Buffer) => {
    received += length;
    if (received > FIXED_LIMITS.unauthenticatedBytes.value) socket.destroy();
  };
  socket.on("data", count);
  return () => void socket.off("data", count);
}

/** Writes the answer, then destroys the socket, also when the peer neither reads nor closes. */
function refuse(request: IncomingMessage, socket: Duplex, error: HttpError): void {
  const status = statusOf(error.code);
  const body = JSON.stringify({ error });
  const headers = {
    ...headersOf(error),
    ...(error.code === "unauthenticated" && { "www-authenticate": challengesFor(request) }),
    [REQUEST_ID_HEADER]: requestIdOf(request),
    connection: "close",
  };
  const timer = setTimeout(() => socket.destroy(), FIXED_LIMITS.refusalMs.value);
  socket.once("close", () => clearTimeout(timer));
  socket.once("finish", () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "content-type: application/json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      ...Object.entries(headers).map((header) => header.join(": ")),
      "",
      body,
    ].join("\r\n"),
  );
}
