/** Converts any thrown value to the error that a client receives. */
import { ProtocolError } from "../protocol/index.js";
import type { Logger } from "./log.js";

/** An error without a protocol code is a fault of the server: the log has it in full, the client gets `internal`. */
export function toProtocolError(error: unknown, log: Logger): ProtocolError {
  if (error instanceof ProtocolError) {
    const level = error.code === "server_overloaded" ? "warn" : "debug";
    if (error.cause !== undefined) log[level]({ err: error }, "a request failed");
    return error;
  }
  log.error({ err: error }, "a request failed because of a fault of the server");
  return new ProtocolError(
    "internal",
    "The server failed on this request; its log has the cause.",
    undefined,
    { cause: error },
  );
}

/** The error of a request whose client has disconnected. */
export const clientLeft = () => new ProtocolError("internal", "The client left before the answer.");

/** @param retryAfterMs when another server is expected to answer */
export const shuttingDown = (retryAfterMs?: number) =>
  new ProtocolError("shutting_down", "The server is shutting down.", undefined, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

/** The message is the same for a wrong token and for an ended session. */
export const tokenNotFound = () =>
  new ProtocolError("session_not_found", "No session has this token.", "session_token");

export const sessionSaved = (savedId: string) =>
  new ProtocolError(
    "session_saved",
    `The server stopped and saved this session; continue it with load_session and saved_id "${savedId}".`,
    "session_token",
    { savedId },
  );

export const sessionNotFound = (sessionId: string) =>
  new ProtocolError("session_not_found", `No session "${sessionId}".`, "session_id");
