/** A WebSocket of a server with keys: it has no owner, and can do nothing, until its client has sent a valid key. */
import {
  CLOSE_CODES,
  encodeMessage,
  ProtocolError,
  parseMessage,
  type RequestOf,
} from "../protocol/index.js";
import type { Connection } from "./connection.js";
import { type KeyCheck, keyRemoved, keyRequired, type ValidKey } from "./keys/key-check.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { OwnerId } from "./session-owner.js";
import type { Transport } from "./transport.js";

export interface AuthenticatedConnectionParts {
  transport: Transport;
  keys: KeyCheck;
  /** Of the client, for the limit of invalid keys. */
  address: string | undefined;
  /** The key that the handshake carried; undefined when the first message must be `authenticate`. */
  key: ValidKey | undefined;
  /** Time for the first message. */
  authenticationMs: number;
  /** Opens the connection of the owner of the key. */
  open(owner: OwnerId): Connection;
  /** The client has sent the key of this owner. Returns an error when the owner has too many connections. */
  onIdentified(owner: OwnerId): ProtocolError | undefined;
  log: Logger;
  metrics: Metrics;
}

export function openAuthenticatedConnection(parts: AuthenticatedConnectionParts): Connection {
  const { transport, keys, address, authenticationMs, open, onIdentified, log, metrics } = parts;
  let connection: Connection | undefined;
  let isRefused = false;
  let forgetKey = () => {};
  const deadline = setTimeout(() => {
    refuse(null, late(authenticationMs));
  }, authenticationMs);

  function refuse(
    requestId: string | null,
    error: ProtocolError,
    closeCode: { code: number; reason: string } = CLOSE_CODES.unauthenticated,
  ): void {
    isRefused = true;
    clearTimeout(deadline);
    metrics.count("masklet_errors_total", { code: error.code });
    // A client that tries keys must not fill the log. The message can repeat text of the client, and so a key.
    const level = error.code === "rate_limit" ? "debug" : "warn";
    log[level](
      { code: error.code, address, request_id: requestId },
      "a connection is closed: its client sent no valid key, or its owner has too many connections",
    );
    void transport.send(encodeMessage({ type: "error", request_id: requestId, error: error.toBody() }));
    transport.close(closeCode);
  }

  /** Returns false when the owner has too many connections. */
  function accept(key: ValidKey, requestId: string | null): boolean {
    clearTimeout(deadline);
    const full = onIdentified(key.owner);
    if (full) {
      refuse(requestId, full, CLOSE_CODES.serverBusy);
      return false;
    }
    connection = open(key.owner);
    forgetKey = key.onRemoved(() => refuse(null, keyRemoved()));
    return true;
  }

  function readFirst(text: string): void {
    const message = parseMessage(text);
    if (!message.request) refuse(message.requestId ?? null, notAuthenticated(message.error));
    else if (message.request.type !== "authenticate") refuse(message.requestId, keyRequired());
    else authenticate(message.requestId, message.request);
  }

  function authenticate(requestId: string, request: RequestOf<"authenticate">): void {
    metrics.count("masklet_requests_total", { type: request.type });
    const key = keys.find(request.key);
    if (key) {
      if (!accept(key, requestId)) return;
      const answer = { request_id: requestId, is_success: true, owner: key.owner } as const;
      void transport.send(encodeMessage({ type: "response", ...answer }));
      return;
    }
    isRefused = true;
    keys.refuse(address).then(
      (reason) => refuse(requestId, reason),
      (cause) => {
        log.error({ err: cause }, "an invalid key could not be counted");
        transport.close(CLOSE_CODES.internal);
      },
    );
  }

  if (parts.key) accept(parts.key, null);
  return {
    onText(text) {
      if (isRefused) return;
      if (connection) connection.onText(text);
      else readFirst(text);
    },
    onBinary(bytes) {
      if (isRefused) return;
      if (connection) connection.onBinary(bytes);
      else refuse(null, keyRequired());
    },
    onClose() {
      clearTimeout(deadline);
      forgetKey();
      connection?.onClose();
    },
    async answered() {
      await connection?.answered();
    },
  };
}

function late(authenticationMs: number): ProtocolError {
  const message = `The client sent no key within ${authenticationMs} ms (authenticationMs).`;
  return new ProtocolError("unauthenticated", message, undefined, { limit: "authenticationMs" });
}

/** With the problem of a message that was meant as `authenticate`. */
function notAuthenticated(problem: ProtocolError | undefined): ProtocolError {
  if (!problem) return keyRequired();
  const message = `The first message must be a valid authenticate request: ${problem.message}.`;
  return new ProtocolError("unauthenticated", message, problem.field);
}
