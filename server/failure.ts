/** The one place where whatever was thrown becomes what a client is told. */
import { ProtocolError } from "../protocol/index.js";
import type { Logger } from "./log.js";

/** Failures without a protocol code are faults of ours: the log gets them whole, the client only learns that. */
export function toProtocolError(error: unknown, log: Logger): ProtocolError {
  if (error instanceof ProtocolError) {
    if (error.cause !== undefined) log.debug({ err: error }, "a request failed");
    return error;
  }
  log.error({ err: error }, "a request failed through a fault of the server");
  return new ProtocolError(
    "internal",
    "The server failed on this request; its log has the cause.",
    undefined,
    { cause: error },
  );
}

export const shuttingDown = () => new ProtocolError("shutting_down", "The server is shutting down.");

export const sessionNotFound = (sessionId: string) =>
  new ProtocolError("session_not_found", `There is no session "${sessionId}".`, "session_id");
