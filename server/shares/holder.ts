import { isIPv6 } from "node:net";
import type { OwnerId } from "../session-owner.js";

/** Who holds shares: an owner, or all owners of one IPv6 network. */
export type HolderId = string;

const ADDRESS = "address ";

/**
 * The holder of an owner's shares. A subscriber has at least 2^64 IPv6 addresses, a /64 network, and could otherwise take a
 * share for each. Sessions and files still belong to the owner alone.
 */
export function holderOf(owner: OwnerId): HolderId {
  const address = owner.startsWith(ADDRESS) ? owner.slice(ADDRESS.length).replace(/%.*$/, "") : "";
  return isIPv6(address) ? `${ADDRESS}${networkOf(address)}/64` : owner;
}

/** The first four groups of an IPv6 address. */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("::");
  const first = groupsOf(head);
  if (tail !== undefined) {
    const last = groupsOf(tail);
    while (first.length + last.length < 8) first.push("0");
    first.push(...last);
  }
  return first
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}

/** Groups of four hexadecimal digits; a trailing IPv4 address counts as two. */
function groupsOf(part: string): string[] {
  const groups = part === "" ? [] : part.split(":");
  return groups.flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
