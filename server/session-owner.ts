/**
 * Who a session belongs to. Until clients have keys, the owner is the address of the connection. The library's own caller is
 * an owner as well.
 */
import { isLoopbackHost } from "./http/origin.js";

export type OwnerId = string;

/** The owner of the sessions that `predictor.handleRequest` starts. */
export const LIBRARY_OWNER: OwnerId = "library";

/**
 * The owner of a connection from this address. All loopback addresses are one owner, and an IPv4 address is the same owner
 * over IPv4 and IPv6.
 *
 * @param address as Node reports it; undefined when the socket is already closed
 */
export function ownerOfAddress(address: string | undefined): OwnerId {
  if (address === undefined) return "address unknown";
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isLoopbackHost(plain) ? "address loopback" : `address ${plain}`;
}
