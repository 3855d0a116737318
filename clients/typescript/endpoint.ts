import { SOCKET_PATH } from "../../protocol/version.js";

export interface Endpoint {
  /** `ws:` or `wss:` address of the socket. */
  socket: string;
  /** `http:` or `https:` address to which uploads are posted. */
  uploads: string;
}

/** Accepts `ws:`, `wss:`, `http:` and `https:` addresses; without a path, `/v1` is added. */
export function endpointOf(address: string): Endpoint {
  const url = new URL(address);
  const isSecure = url.protocol === "wss:" || url.protocol === "https:";
  if (!isSecure && url.protocol !== "ws:" && url.protocol !== "http:") {
    throw new RangeError(`expected an address like ws://127.0.0.1:8765, got ${address}`);
  }
  const path = url.pathname === "/" ? SOCKET_PATH : url.pathname.replace(/\/$/, "");
  return {
    socket: `${isSecure ? "wss" : "ws"}://${url.host}${path}${url.search}`,
    uploads: `${isSecure ? "https" : "http"}://${url.host}${path}/uploads${url.search}`,
  };
}
