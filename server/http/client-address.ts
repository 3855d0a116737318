/** The address of a client behind reverse proxies. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** The addresses of proxies whose header X-Forwarded-For is used. */
export interface TrustedProxies {
  has(address: string): boolean;
}

/** True for an address such as `10.0.0.2`, and a network such as `fd00::/8`. */
export function isAddressOrNetwork(text: string): boolean {
  return parseEntry(text) !== undefined;
}

/** @throws RangeError for an entry that is neither an address nor a network */
export function readTrustedProxies(entries: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const text of entries) {
    const entry = parseEntry(text);
    if (!entry) throw new RangeError(`trustedProxies: expected an address or a network, got "${text}".`);
    const { address, family, prefix } = entry;
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, prefix, family);
  }
  return {
    has(address) {
      const version = isIP(address);
      return version !== 0 && list.check(address.replace(/%.*$/, ""), version === 4 ? "ipv4" : "ipv6");
    },
  };
}

function parseEntry(text: string) {
  const [address = "", prefixText, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || address.includes("%") || rest.length > 0) return undefined;
  const family = version === 4 ? ("ipv4" as const) : ("ipv6" as const);
  if (prefixText === undefined) return { address, family };
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : Number.NaN;
  return prefix <= (version === 4 ? 32 : 128) ? { address, family, prefix } : undefined;
}

/**
 * The peer, or when it is a trusted proxy the client that it reports. Proxies append the address of their peer to
 * X-Forwarded-For, so the last entry that is no trusted proxy is the client; entries before it can be forged.
 */
export function clientAddress(
  { headers, socket }: Pick<IncomingMessage, "headers"> & { socket: { remoteAddress?: string | undefined } },
  proxies: TrustedProxies,
): string | undefined {
  let address = socket.remoteAddress;
  const forwarded = String(headers["x-forwarded-for"] ?? "").split(",");
  while (address !== undefined && proxies.has(address)) {
    const entry = addressOf(forwarded.pop() ?? "");
    if (entry === undefined) break;
    address = entry;
  }
  return address;
}

/** An address, which some proxies write with a port, in the notation of Node. Undefined for other text. */
function addressOf(entry: string): string | undefined {
  const text = entry.trim();
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  switch (isIP(address)) {
    case 4:
      return address;
    case 6:
      return address.includes("%") ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
    default:
      return undefined;
  }
}
