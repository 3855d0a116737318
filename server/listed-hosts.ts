/** Hosts that an operator lists in a setting. */

/** Ports of addresses without one. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { "rtsp:": "554", "http:": "80", "https:": "443" };

/** @param listed host names or addresses, each with or without a port; without one, every port of the host */
export function isListedHost({ hostname, protocol, port }: URL, listed: readonly string[]): boolean {
  // URLs of schemes other than http and https keep an upper-case host and have no default port.
  const host = hostname.toLowerCase();
  const own = `${host}:${port || (DEFAULT_PORTS[protocol] ?? "")}`;
  return listed.some((one) => [host, own].includes(one.toLowerCase()));
}
