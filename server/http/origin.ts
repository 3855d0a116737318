/**
 * Which web pages may talk to the server. Browsers let any page open a WebSocket to localhost; only the Origin header
 * tells which page it is. Programs that are not browsers send none.
 */
import { isIP } from "node:net";

/**
 * @param origin the Origin header
 * @param host the Host header
 * @param allowed origins of other hosts that may connect; `*` stands for all
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[],
): boolean {
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return true;
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.host !== host) return false;
  // A page may point a name of its own at this machine (DNS rebinding), so that a name alone proves nothing.
  const name = page.hostname.replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isIP(name) !== 0;
}
