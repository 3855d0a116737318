import { expect, test } from "vitest";
import {
  clientAddress,
  isAddressOrNetwork,
  readTrustedProxies,
} from "../../../server/http/client-address.js";

const proxies = readTrustedProxies(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "127.0.0.1"]);

test.each([
  ["the peer, without the header", "203.0.113.5", undefined, "203.0.113.5"],
  ["the peer, which is no proxy and forges the header", "203.0.113.5", "198.51.100.1", "203.0.113.5"],
  ["the entry of a trusted proxy", "10.1.2.3", "198.51.100.1", "198.51.100.1"],
  ["the last entry that is no proxy", "10.1.2.3", "1.1.1.1, 198.51.100.1, 192.0.2.1", "198.51.100.1"],
  ["an entry with a port", "10.1.2.3", "198.51.100.1:4711", "198.51.100.1"],
  ["an IPv6 entry in the notation of Node", "fd00::1", "2001:DB8:0::1", "2001:db8::1"],
  ["an IPv6 entry with a port", "fd00::1", "[2001:db8::1]:4711", "2001:db8::1"],
  ["the peer over IPv6 with an IPv4 address", "::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"],
  ["the proxy, when its entry is no address", "10.1.2.3", "198.51.100.1, unknown", "10.1.2.3"],
  ["the proxy, without the header", "10.1.2.3", undefined, "10.1.2.3"],
  ["the proxy, with an empty header", "10.1.2.3", "", "10.1.2.3"],
  ["the first one, when all are proxies", "10.1.2.3", "10.0.0.7, 10.0.0.8", "10.0.0.7"],
  ["unknown, when the socket is closed", undefined, "198.51.100.1", undefined],
])("the client is %s", (_, remoteAddress, forwarded, expected) => {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  expect(clientAddress({ headers, socket: { remoteAddress } }, proxies)).toBe(expected);
});

test.each([
  ["10.0.0.1", true],
  ["10.0.0.0/8", true],
  ["0.0.0.0/0", true],
  ["::1", true],
  ["fd00::/128", true],
  ["10.0.0.0/33", false],
  ["fd00::/129", false],
  ["10.0.0.0/", false],
  ["10.0.0.0/8/8", false],
  ["10.0.0", false],
  ["proxy.example", false],
  ["fe80::1%eth0", false],
  ["", false],
])("%j is an address or a network: %s", (text, expected) => {
  expect(isAddressOrNetwork(text)).toBe(expected);
});
