import { expect, test } from "vitest";
import { isLoopbackHost, isOriginAllowed } from "../../server/http/origin.js";

const A = "https://a.example";

test.each([
  ["no origin: not a browser", undefined, "127.0.0.1:8765", [], true],
  ["a page of the server itself", "http://192.168.1.2:8765", "192.168.1.2:8765", [], true],
  ["a page of the server by localhost", "http://localhost:8765", "localhost:8765", [], true],
  ["a page of the server by IPv6", "http://[fe80::1]:8765", "[fe80::1]:8765", [], true],
  ["another site", "https://evil.example", "127.0.0.1:8765", [], false],
  ["another port of this machine", "http://localhost:3000", "localhost:8765", [], false],
  ["a name that resolves to this machine", "http://evil.example:8765", "evil.example:8765", [], false],
  ["a page under a name of this server", "https://masklet.example", "Masklet.example", [], true],
  [
    "a page under a name of this server on another port",
    "https://masklet.example:1",
    "masklet.example",
    [],
    false,
  ],
  ["a page from a file", "null", "127.0.0.1:8765", [], false],
  ["an origin that is configured", A, "127.0.0.1:8765", [A], true],
  ["an origin that starts with a configured one", `${A}.evil`, "x", [A], false],
  ["any origin when all are admitted", "https://b.example", "127.0.0.1:8765", ["*"], true],
])("on any address: %s", (_, origin, host, allowedOrigins, expected) => {
  expect(
    isOriginAllowed(origin, host, { allowedOrigins, ownNames: ["masklet.example"], admitLoopback: false }),
  ).toBe(expected);
});

test.each([
  ["http://localhost:3000", true],
  ["https://localhost", true],
  ["http://127.0.0.1:3000", true],
  ["http://127.8.9.10", true],
  ["http://[::1]:5173", true],
  ["http://LOCALHOST:1", true],
  ["http://evil.example:8765", false],
  ["http://localhost.evil.example", false],
  ["http://page.localhost", false],
  ["http://127.0.0.1.evil.example", false],
  ["http://127.evil.example", false],
  ["http://192.168.1.2:8080", false],
  ["http://[::ffff:127.0.0.1]", false],
  ["ftp://localhost", false],
  ["http://localhost, http://evil.example", false],
  ["null", false],
  ["", false],
])("on a loopback address: a page of %s", (origin, expected) => {
  const rules = { allowedOrigins: [], ownNames: [], admitLoopback: true };
  expect(isOriginAllowed(origin, "127.0.0.1:8765", rules)).toBe(expected);
});

test.each([
  ["localhost", true],
  ["127.0.0.1", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["192.168.1.2", false],
  ["127.example", false],
])("listening on %s is on loopback: %s", (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});
