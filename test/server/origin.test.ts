import { expect, test } from "vitest";
import { isOriginAllowed } from "../../server/http/origin.js";

test.each([
  ["no origin: not a browser", undefined, "127.0.0.1:8765", [], true],
  ["a page of the server itself", "http://127.0.0.1:8765", "127.0.0.1:8765", [], true],
  ["a page of the server by localhost", "http://localhost:8765", "localhost:8765", [], true],
  ["a page of the server by IPv6", "http://[::1]:8765", "[::1]:8765", [], true],
  ["another site", "https://evil.example", "127.0.0.1:8765", [], false],
  ["another port of this machine", "http://localhost:3000", "localhost:8765", [], false],
  ["a name that was pointed here", "http://evil.example:8765", "evil.example:8765", [], false],
  ["a page from a file", "null", "127.0.0.1:8765", [], false],
  ["an origin that is configured", "https://a.example", "127.0.0.1:8765", ["https://a.example"], true],
  ["an origin like one that is configured", "https://a.example.evil", "x", ["https://a.example"], false],
  ["any origin when all are admitted", "https://b.example", "127.0.0.1:8765", ["*"], true],
])("%s", (_, origin, host, allowed, expected) => {
  expect(isOriginAllowed(origin, host, allowed)).toBe(expected);
});
