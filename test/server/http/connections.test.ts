/** Connections of one address, directly and behind a proxy. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { CLOSE_CODES } from "../../../protocol/index.js";
import type { ServerOptions } from "../../../server/config.js";
import { connect, type RawClient } from "../../helpers/client.js";
import { sendRaw } from "../../helpers/hostile-http.js";
import { makeKeys } from "../../helpers/keys.js";
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

describe("with keys", () => {
  const { keysFile, keys } = makeKeys("ann", "bob");
  const bearer = (owner: "ann" | "bob") => ({ authorization: `Bearer ${keys[owner]}` });
  const open = (server: TestServer, owner: "ann" | "bob") => connect(server.url, undefined, bearer(owner));
  const isConnected = (attempt: Promise<RawClient>) =>
    attempt.then(
      () => true,
      () => false,
    );

  test("two owners of one address have a share each", async () => {
    const server = await start({ keysFile, maxConnectionsPerOwner: 3 });
    const clients = [await open(server, "ann"), await open(server, "ann"), await open(server, "ann")];
    await expect(open(server, "ann")).rejects.toThrow("503");
    for (let i = 0; i < 3; i++) await open(server, "bob");
    await expect(open(server, "bob")).rejects.toThrow("503");
    await clients[0]?.close();
    await until(() => isConnected(open(server, "ann")));
  });

  test("uploads that do not end take connections of their owner only", async () => {
    const server = await start({ keysFile, maxConnectionsPerOwner: 4 });
    const head = `POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n`;
    for (let i = 0; i < 4; i++) {
      const socket = await openIdle(server);
      socket.write(`${head}Authorization: Bearer ${keys.ann}\r\n\r\n`);
    }
    await until(async () => !(await isConnected(open(server, "ann"))));
    const answer = await fetch(`${server.http}/v1/media`, { headers: bearer("bob") });
    expect(answer.status).toBe(200);
  });

  test("a key in the first message counts as well", async () => {
    const server = await start({ keysFile, maxConnectionsPerOwner: 2 });
    await open(server, "ann");
    await open(server, "ann");
    const late = await server.connect();
    const refused = await late.expectError({ type: "authenticate", key: keys.ann });
    expect(refused).toMatchObject({ code: "connection_limit", limit: "maxConnectionsPerOwner" });
    expect(await late.closed).toBe(CLOSE_CODES.serverBusy.code);
    const other = await server.connect();
    expect(await other.expectResponse({ type: "authenticate", key: keys.bob })).toMatchObject({
      owner: "key bob",
    });
    // The sockets of owners are not counted for their address.
    await server.connect();
    await server.connect();
  });

  test("a socket that carries requests of two owners counts for the last one", async () => {
    const server = await start({ keysFile, maxConnectionsPerOwner: 1 });
    const socket = await openIdle(server);
    let received = "";
    socket.on("data", (data) => {
      received += data;
    });
    const ask = async (owner: "ann" | "bob", answers: number) => {
      socket.write(
        `GET /v1/media HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${keys[owner]}\r\n\r\n`,
      );
      await until(() => received.split("HTTP/1.1 200").length > answers);
    };
    await ask("ann", 1);
    await expect(open(server, "ann")).rejects.toThrow("503");
    await ask("bob", 2);
    await open(server, "ann");
    await expect(open(server, "bob")).rejects.toThrow("503");
  });
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

  test("with keys, the owner of the key has the share", async () => {
    const { keysFile, keys } = makeKeys("ann", "bob");
    const server = await start({ keysFile, trustedProxies: ["127.0.0.1"], maxConnectionsPerOwner: 1 });
    const open = (owner: "ann" | "bob", address: string) =>
      connect(server.url, undefined, {
        "x-forwarded-for": address,
        authorization: `Bearer ${keys[owner]}`,
      });
    await open("ann", "198.51.100.1");
    await open("bob", "198.51.100.1");
    await expect(open("ann", "198.51.100.2")).rejects.toThrow("503");
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
