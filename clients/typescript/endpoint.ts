import { SOCKET_PATH } from "../../protocol/version.js";

export interface Endpoint {
  /** `ws:` or `wss:` address of the socket. */
  socket: string;
  /** `http:` or `https:` address to which uploads are posted. */
  uploads: string;
  /** The key of the client. */
  key?: string;
}

/** Where uploads are posted, and with which key. */
export type UploadEndpoint = Pick<Endpoint, "uploads" | "key">;

/**
 * Accepts `ws:`, `wss:`, `http:` and `https:` addresses; without a path, `/v1` is added.
 * @throws RangeError for another address, and for one with a user name or a password.
 */
export function endpointOf(address: string, key?: string): Endpoint {
  const url = new URL(address);
  const isSecure = url.protocol === "wss:" || url.protocol === "https:";
  if (!isSecure && url.protocol !== "ws:" && url.protocol !== "http:") {
    throw new RangeError(`expected an address like ws://127.0.0.1:8765, got ${address}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new RangeError(
      "expected an address without a user name and a password; keys have an option of their own",
    );
  }
  const path = url.pathname === "/" ? SOCKET_PATH : url.pathname.replace(/\/$/, "");
  return {
    socket: `${isSecure ? "wss" : "ws"}://${url.host}${path}${url.search}`,
    uploads: `${isSecure ? "https" : "http"}://${url.host}${path}/uploads${url.search}`,
    ...(key !== undefined && { key }),
  };
}

/** The headers of every HTTP request. */
export function headersOf({ key }: Pick<Endpoint, "key">): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}
