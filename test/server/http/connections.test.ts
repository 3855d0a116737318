/** Connections of one address, directly and behind a proxy. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ServerOptions } from "../../../server/config.js";
import { connect, type RawClient } from "../../helpers/client.js";
import { sendRaw } from "../../helpers/hostile-http.js";
import { makeClip } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

async function start(options: ServerOptions): Promise<TestServer> {
  const server = await startTestServer(options, { engine: createScriptedEngine() });
  onTestFinished(() => server.close());
  return server;
}

async function openIdle(server: TestServer): Promise<Socket> {
  const socket = connectTcp({ port: server.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const get = (path: string) =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);

test("an address has its share of the connections, and the others remain for other addresses", async () => {
  const server = await start({ maxConnectionsPerOwner: 4, maxConnections: 100 });
  const idle = await Promise.all(Array.from({ length: 4 }, () => openIdle(server)));
  const answer = await sendRaw(server.port, get("/readyz"));
  expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 5\r\n/i);
  expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({
    error: { code: "connection_limit", retryable: true, limit: "maxConnectionsPerOwner" },
  });
  await expect(server.connect()).rejects.toThrow("503");
  expect(await sendRaw(server.port, get("/livez"))).toMatch(/^HTTP\/1\.1 200 /);

  // A flood gets few answers; its sockets are closed at once.
  const flood = await Promise.all(Array.from({ length: 60 }, () => openIdle(server)));
  const closed = () => flood.filter(({ readableEnded, destroyed }) => readableEnded || destroyed).length;
  for (const socket of flood) socket.resume();
  await until(() => closed() >= 40);

  for (const socket of [...idle, ...flood]) socket.destroy();
  await until(async () => (await sendRaw(server.port, get("/readyz"))).startsWith("HTTP/1.1 200"));
});

describe("behind a trusted proxy", () => {
  const from = (server: TestServer, ...addresses: string[]): Promise<RawClient> =>
    connect(server.url, undefined, { "x-forwarded-for": addresses.join(", ") });

  test("each client has its own share, and an IPv6 network has one", async () => {
    const server = await start({ trustedProxies: ["127.0.0.1"], maxConnectionsPerOwner: 2 });
    const clients = [await from(server, "198.51.100.1"), await from(server, "198.51.100.1")];
    await expect(from(server, "198.51.100.1")).rejects.toThrow("503");
    await expect(from(server, "198.51.100.9", "198.51.100.1")).rejects.toThrow("503");
    await from(server, "198.51.100.2");
    await from(server, "2001:db8::1");
    await from(server, "2001:db8::2");
    await expect(from(server, "2001:db8::3")).rejects.toThrow("503");
    await from(server, "2001:db8:0:1::1");
    await clients[0]?.close();
    await until(() =>
      from(server, "198.51.100.1").then(
        () => true,
        () => false,
      ),
    );
  });

  test("the owner is the client, not the proxy and not what the client claims", async () => {
    const clip = await makeClip({ name: "proxied.mp4", frames: 2 });
    const server = await start({ trustedProxies: ["127.0.0.0/8"] });
    const client = await from(server, "198.51.100.1");
    const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
    const reach = async (forwarded: Record<string, string>) => {
      const response = await fetch(`${server.http}/v1/handle_request`, {
        method: "POST",
        headers: forwarded,
        body: JSON.stringify({ type: "get_session", session_id }),
      });
      return response.status;
    };
    expect(await reach({ "x-forwarded-for": "198.51.100.1" })).toBe(200);
    expect(await reach({ "x-forwarded-for": "203.0.113.7, 198.51.100.1" })).toBe(200);
    expect(await reach({ "x-forwarded-for": "198.51.100.1, 203.0.113.7" })).toBe(404);
    expect(await reach({})).toBe(404);
    expect(await reach({ forwarded: "for=198.51.100.1" })).toBe(404);
  });
});

test("without trusted proxies the header changes nothing", async () => {
  const clip = await makeClip({ name: "proxied.mp4", frames: 2 });
  const server = await start({ maxConnectionsPerOwner: 2 });
  const headers = { "x-forwarded-for": "198.51.100.1" };
  const client = await connect(server.url, undefined, headers);
  expect(await client.expectResponse({ type: "authenticate", key: "" })).toMatchObject({
    owner: "address loopback",
  });
  const other = await server.connect();
  await other.expectResponse({ type: "start_session", resource_path: clip });
  expect(await client.expectResponse({ type: "get_server" })).toMatchObject({ sessions: 1 });
  await expect(connect(server.url, undefined, headers)).rejects.toThrow("503");
});
