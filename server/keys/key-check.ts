/** Checks keys that clients send, over HTTP and over WebSockets. */
import { ProtocolError } from "../../protocol/index.js";
import type { FailedKeys } from "./failed-keys.js";
import type { Keys, ValidKey } from "./keys.js";

export type { ValidKey } from "./keys.js";

export interface KeyCheck {
  find(text: string): ValidKey | undefined;
  /** The error for an invalid key from this address: `unauthenticated`, or `rate_limit` after too many. */
  refuse(address: string | undefined): Promise<ProtocolError>;
}

export function createKeyCheck(keys: Keys, failedKeys: FailedKeys): KeyCheck {
  return {
    find: keys.find,
    async refuse(address) {
      const retryAfterMs = await failedKeys.count(address);
      if (retryAfterMs === undefined) {
        return new ProtocolError("unauthenticated", "The key is not one of this server.", "key");
      }
      const message = "Too many invalid keys came from this address.";
      return new ProtocolError("rate_limit", message, "key", { retryAfterMs, limit: "failedKeysPerMinute" });
    },
  };
}

/** The error for a request without a key. */
export function keyRequired(): ProtocolError {
  return new ProtocolError(
    "unauthenticated",
    "This server requires a key: send the header Authorization: Bearer KEY, or authenticate as the first message of a WebSocket.",
  );
}

export function keyRemoved(): ProtocolError {
  return new ProtocolError("unauthenticated", "The key of this connection was removed from the server.");
}
