/**
 * Who a session belongs to: the owner of a key, or without keys the address of the client. The library's own caller is an
 * owner as well.
 */
import { BlockList, isIP } from "node:net";

export type OwnerId = string;

/** The owner of the sessions that `predictor.handleRequest` starts. */
export const LIBRARY_OWNER: OwnerId = "library";

/** `check` also finds the IPv4 addresses that are written as IPv6. */
const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

/** True for 127.0.0.0/8 and ::1 in every notation; false for names. */
export function isLoopbackAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(withoutZone(address), version === 4 ? "ipv4" : "ipv6");
}

/**
 * The owner of a connection from this address. All loopback addresses are one owner, and an IPv4 address is the same owner
 * over IPv4 and IPv6.
 *
 * @param address as Node reports it; undefined when the socket is already closed
 */
export function ownerOfAddress(address: string | undefined): OwnerId {
  if (address === undefined) return "address unknown";
  return isLoopbackAddress(address)
    ? "address loopback"
    : `address ${address.replace(/^::ffff:(?=\d+\.)/i, "")}`;
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}
