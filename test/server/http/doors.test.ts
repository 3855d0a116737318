/** Host and Origin on every route, over real HTTP. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../helpers/client.js";
import { sendRaw } from "../../helpers/hostile-http.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ allowedHosts: ["masklet.example"] }, { engine: createScriptedEngine() });
});

afterAll(() => server.close());

const UPGRADE = [
  ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

async function statusOf(line: string, ...headers: string[]): Promise<number> {
  const close = headers.includes("Upgrade: websocket") ? [] : ["Connection: close"];
  const answer = await sendRaw(server.port, Buffer.from([line, ...headers, ...close, "", ""].join("\r\n")));
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

const ROUTES = [
  ...[
    "GET /livez",
    "GET /readyz",
    "GET /healthz",
    "GET /metrics",
    "GET /",
    "GET /nowhere",
    "OPTIONS /v1/uploads/tus",
  ],
  ...["POST /v1/handle_request", "POST /v1/handle_stream_request", "POST /v1/uploads", "GET /v1/uploads/x"],
  ...[
    "POST /v1/uploads/tus",
    "PATCH /v1/uploads/tus/x",
    "POST /v1/saved",
    "GET /v1/saved/x",
    "DELETE /v1/saved/x",
    "GET /v1/sessions",
    "GET /v1/sessions/x/media",
    "GET /v1/media",
  ],
];

describe.each(ROUTES)("%s", (route) => {
  test("is refused under a name that is not the server's, and to pages of others", async () => {
    expect(await statusOf(`${route} HTTP/1.1`, "Host: evil.example")).toBe(421);
    expect(await statusOf(`${route} HTTP/1.1`, "Host: localhost", "Origin: http://evil.example")).toBe(403);
    expect(await statusOf(`${route} HTTP/1.1`, "Host: localhost", "Host: localhost")).toBe(400);
    expect(await statusOf(`${route} HTTP/1.1`, "Host: masklet.example")).not.toBe(421);
    expect([421, 403]).not.toContain(await statusOf(`${route} HTTP/1.1`, "Host: localhost"));
  });
});

test("upgrades are refused likewise", async () => {
  const upgrade = "GET /v1 HTTP/1.1";
  expect(await statusOf(upgrade, "Host: evil.example", ...UPGRADE)).toBe(421);
  expect(await statusOf(upgrade, "Host: localhost", "Host: localhost", ...UPGRADE)).toBe(400);
  expect(await statusOf(upgrade, "Host: localhost", "Origin: http://evil.example", ...UPGRADE)).toBe(403);
  expect(
    await statusOf(upgrade, "Host: masklet.example", "Origin: https://masklet.example", ...UPGRADE),
  ).toBe(101);
  expect(await statusOf(upgrade, "Host: localhost", ...UPGRADE)).toBe(101);
});

test.each([
  ["GET http://evil.example/readyz HTTP/1.1", "Host: localhost", 421],
  ["GET http://localhost/readyz HTTP/1.1", "Host: evil.example", 421],
  ["GET http://localhost/readyz HTTP/1.1", "Host: localhost", 200],
  ["GET HTTP://LOCALHOST:80/readyz HTTP/1.1", "Host: localhost", 400],
  ["GET http://localhost@evil.example/readyz HTTP/1.1", "Host: localhost", 421],
  ["GET http://evil.example@localhost/readyz HTTP/1.1", "Host: localhost", 200],
  ["GET http://evil.example#@localhost/readyz HTTP/1.1", "Host: localhost", 400],
  ["GET http://evil.example?@localhost/readyz HTTP/1.1", "Host: localhost", 421],
  ["GET http://evil.example\\@localhost/readyz HTTP/1.1", "Host: localhost", 400],
])("checks the host of the target in absolute form: %s, %s: %i", async (line, host, status) => {
  expect(await statusOf(line, host)).toBe(status);
});

test("a request of HTTP/1.0 needs no Host, and its Host is checked", async () => {
  expect(await statusOf("GET /readyz HTTP/1.0")).toBe(200);
  expect(await statusOf("GET /readyz HTTP/1.0", "Host: evil.example")).toBe(421);
  expect(await statusOf("GET /readyz HTTP/1.1")).toBe(400);
});

test("X-Forwarded-Host and Forwarded replace no Host", async () => {
  for (const header of ["X-Forwarded-Host: localhost", "Forwarded: host=localhost"]) {
    expect(await statusOf("GET /readyz HTTP/1.1", "Host: evil.example", header)).toBe(421);
  }
});

test("the refusal names the setting and the name", async () => {
  const answer = await sendRaw(
    server.port,
    Buffer.from("GET /readyz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
  );
  expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toEqual({
    error: {
      code: "host_forbidden",
      message:
        "This server is not reached as evil.example; the server's setting allowedHosts (MASKLET_ALLOWED_HOSTS) adds names.",
      retryable: false,
    },
  });
});

test("a client of a name below localhost is admitted", async () => {
  const client = await connect(server.url, undefined, { host: "masklet.localhost" });
  await client.expectResponse({ type: "get_server" });
  await client.close();
});
