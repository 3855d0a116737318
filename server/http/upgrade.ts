import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { SUBPROTOCOL } from "../../protocol/index.js";
import { isOriginAllowed } from "./origin.js";
import { type HttpErrorBody, statusOf } from "./reply.js";

export interface UpgradeOptions {
  allowedOrigins: readonly string[];
  maxMessageBytes: number;
  /** Called with every socket that is let in. */
  onSocket(socket: WebSocket): void;
}

export interface Upgrader {
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Refuses everybody from now on. */
  stop(): void;
}

/** Turns requests for /v1 into WebSockets, or refuses them in HTTP's words. */
export function createUpgrader(options: UpgradeOptions): Upgrader {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    // Masks are compressed already, and zlib per socket costs memory.
    perMessageDeflate: false,
    // Answered in websocket.ts, where it is known whether the peer reads.
    autoPong: false,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  let stopped = false;

  function refusal(request: IncomingMessage): HttpErrorBody | undefined {
    const { origin, host } = request.headers;
    const error = (code: HttpErrorBody["code"], message: string) => ({ code, message, retryable: false });
    if (stopped) return { ...error("shutting_down", "The server is shutting down."), retryable: true };
    if (new URL(request.url ?? "", "http://localhost").pathname !== "/v1") {
      return error("not_found", "The WebSocket is at /v1.");
    }
    if (!isOriginAllowed(origin, host, options.allowedOrigins)) {
      return error(
        "origin_forbidden",
        `Pages of ${origin} may not connect; the server's allowedOrigins decide.`,
      );
    }
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
    if (offered && !offered.includes(SUBPROTOCOL)) {
      return error("bad_upgrade", `Subprotocol: expected ${SUBPROTOCOL} or none, got ${offered.join(", ")}.`);
    }
    return undefined;
  }

  return {
    handle(request, socket, head) {
      socket.on("error", () => socket.destroy());
      const error = refusal(request);
      if (error) return refuse(socket, error);
      sockets.handleUpgrade(request, socket, head, options.onSocket);
    },
    stop() {
      stopped = true;
      sockets.close();
    },
  };
}

function refuse(socket: Duplex, error: HttpErrorBody): void {
  const status = statusOf(error.code);
  const body = JSON.stringify({ error });
  socket.end(
    [
      `HTTP/1.1 ${status} Refused`,
      "content-type: application/json; charset=utf-8",
      `content-length: ${Buffer.byteLength(body)}`,
      "connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}
