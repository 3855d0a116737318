/**
 * Which web pages may use the server. A browser lets any page open a WebSocket to a local address; the Origin header
 * identifies the page. Programs other than browsers send no Origin.
 */
import { isIP } from "node:net";
import { type HostRules, isOwnName } from "./host.js";

export interface OriginRules extends Pick<HostRules, "ownNames"> {
  /** Origins that are always admitted; `*` admits all. */
  allowedOrigins: readonly string[];
  /** Admit pages that this machine serves on any port. For servers that listen on a loopback address only. */
  admitLoopback: boolean;
}

/**
 * @param origin the Origin header
 * @param host the Host header
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  { allowedOrigins, admitLoopback, ...names }: OriginRules,
): boolean {
  if (origin === undefined || allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.protocol !== "http:" && page.protocol !== "https:") return false;
  if (admitLoopback && isLoopbackHost(page.hostname)) return true;
  // An attacker can resolve any name to this machine (DNS rebinding), so equal names prove nothing unless the name is known.
  const isKnown =
    page.hostname === "localhost" ||
    isIP(withoutBrackets(page.hostname)) !== 0 ||
    isOwnName(page.hostname, names);
  return isKnown && page.host === host?.toLowerCase();
}

/** True for `localhost`, 127.0.0.0/8 and ::1. Any other name can resolve to any address. */
export function isLoopbackHost(host: string): boolean {
  const name = withoutBrackets(host.toLowerCase());
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
