/** Malformed HTTP and unusual peers, over raw sockets. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { FIXED_LIMITS } from "../../protocol/index.js";
import type { ServerOptions } from "../../server/config.js";
import { createUpgradeListener } from "../../server/http/upgrade.js";
import { createLog, type Logger } from "../../server/log.js";
import { hostileRequests, sendAll, sendRaw } from "../helpers/hostile-http.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

/** For a long run: `MASKLET_TEST_HOSTILE_REQUESTS=10000`. */
const COUNT = Number(process.env.MASKLET_TEST_HOSTILE_REQUESTS ?? 200);

async function start(options: ServerOptions = {}, log?: Logger): Promise<TestServer> {
  const server = await startTestServer(options, { engine: createScriptedEngine(), ...(log && { log }) });
  onTestFinished(() => server.close());
  return server;
}

async function runSession(server: TestServer): Promise<void> {
  const client = await server.connect();
  const resource_path = await makeClip({ name: "hostile.mp4", frames: 5 });
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, ...click });
  expect((await client.stream({ type: "propagate_in_video", session_id })).frames).toHaveLength(5);
  await client.close();
}

async function openIdle(server: TestServer): Promise<Socket> {
  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const gauge = async (server: TestServer, name: string) =>
  Number(new RegExp(`^${name} (.*)$`, "m").exec(await (await fetch(`${server.http}/metrics`)).text())?.[1]);

const rawRequest = (line: string, headers: string[], body = "") =>
  Buffer.from([line, "Host: localhost", "Connection: close", ...headers, "", body].join("\r\n"), "latin1");

test(`answers or closes ${COUNT} malformed requests and upgrades, and serves the next client`, async () => {
  const faults: string[] = [];
  const server = await start(
    {},
    pino({ level: "error" }, { write: (line: string) => void faults.push(line) }),
  );
  const answers = await sendAll(server.port, hostileRequests(COUNT));
  expect(answers).toHaveLength(COUNT);
  const statuses = answers.map((answer) => (answer === "" ? "closed" : answer.slice(0, 12)));
  expect(new Set(statuses)).toContain("HTTP/1.1 400");
  // No input of a peer is a fault of the server.
  expect(statuses).not.toContain("HTTP/1.1 500");
  expect(faults).toEqual([]);
  await runSession(server);
}, 600_000);

test("logs no fault of the server when senders disconnect right after the body of an upload", async () => {
  const faults: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void faults.push(line) });
  const server = await start({}, log);
  const upload = rawRequest("POST /v1/uploads HTTP/1.1", ["Content-Length: 3"], "abc");
  for (let sent = 0; sent < 20; sent++) await sendRaw(server.port, upload, { halfClose: true });
  await server.close();
  expect(faults).toEqual([]);
});

test("refuses an upgrade of the path // with 404", async () => {
  const server = await start();
  const [request] = hostileRequests(1);
  const answer = await sendRaw(server.port, request as Buffer);
  expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  expect(answer).toContain('"code":"not_found"');
});

test("answers requests with Upgrade: h2c as if they had no such header", async () => {
  const server = await start();
  const h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
  for (const path of ["/livez", "/readyz", "/healthz", "/metrics"]) {
    expect(await sendRaw(server.port, rawRequest(`GET ${path} HTTP/1.1`, h2c))).toMatch(/^HTTP\/1\.1 200 /);
  }
  const clip = await readFile(await makeClip({ name: "hostile.mp4", frames: 5 }));
  const upload = rawRequest("POST /v1/uploads HTTP/1.1", [...h2c, `Content-Length: ${clip.length}`]);
  expect(await sendRaw(server.port, Buffer.concat([upload, clip]))).toMatch(/^HTTP\/1\.1 201 /);
});

test("answers HTTP/1.0 without a Host header", async () => {
  const server = await start();
  expect(await sendRaw(server.port, Buffer.from("GET /readyz HTTP/1.0\r\n\r\n"))).toMatch(/^HTTP\/1\.1 200 /);
});

test("answers pipelined requests in order, and closes the connection of a peer that sends too many", async () => {
  const server = await start();
  const some =
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /none HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3);
  const last = rawRequest("GET /livez HTTP/1.1", []);
  const answers = await sendRaw(server.port, Buffer.concat([Buffer.from(some), last]));
  expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(
    [200, 404, 200, 404, 200, 404, 200].map((status) => `HTTP/1.1 ${status}`),
  );
  const flood = Buffer.from("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5000));
  const flooded = await sendRaw(server.port, flood);
  expect((flooded.match(/HTTP\/1.1 /g) ?? []).length).toBeLessThanOrEqual(
    FIXED_LIMITS.requestsPerSocket.value,
  );
  await runSession(server);
});

test("handles at most one message of a WebSocket per turn of the event loop", async () => {
  const turns: number[] = [];
  let turn = 0;
  let isCounting = true;
  (function count() {
    turn++;
    if (isCounting) setImmediate(count);
  })();
  onTestFinished(() => {
    isCounting = false;
  });
  const listener = createUpgradeListener({
    admission: {
      addressOf: () => "127.0.0.1",
      admit: () => undefined,
      checkSource: () => undefined,
      identify: async () => ({
        visitor: { address: "127.0.0.1", owner: "address loopback", key: undefined },
      }),
      refuse: (_request, error) => error,
      countFor: () => undefined,
    },
    maxFrameBytes: 1000,
    maxMessageBytes: 1000,
    log: createLog("silent"),
    onSocket: (socket) => {
      socket.on("message", () => void turns.push(turn));
      socket.on("ping", () => void turns.push(turn));
    },
  });
  const server = createServer().on("upgrade", listener).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const handshake = rawRequest("GET /v1 HTTP/1.1", [
    ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ]);
  const text = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78]);
  const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
  const messages = Array.from({ length: 1000 }, (_, i) => (i % 2 ? ping : text));
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => void peer.destroy());
  peer.write(Buffer.concat([handshake, ...messages]));
  await until(() => turns.length === 1000);
  expect(new Set(turns).size).toBe(1000);
});

test("refuses a malformed URL with malformed_request", async () => {
  const server = await start();
  const answer = await sendRaw(server.port, Buffer.from("GET / HTTP/1.1\r\nHost: a@b:c:d\r\n\r\n"));
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"code":"malformed_request"');
});

test("destroys the socket of a refused upgrade although its peer stays half open, and stops", async () => {
  const server = await start();
  const peer = await openIdle(server);
  const ended = once(peer.resume(), "end");
  peer.write("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await ended;
  // The remaining socket is the one that reads the metric.
  await until(async () => (await gauge(server, "masklet_sockets")) === 1);
  await server.close();
});

test("stops although peers are idle, half open, or in the middle of a request", async () => {
  const server = await start({ shutdownGraceMs: 100 });
  await openIdle(server);
  (await openIdle(server)).write(
    "POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc",
  );
  (await openIdle(server)).write("GET /heal");
  const silent = await openIdle(server);
  const handshake = once(silent, "data");
  silent.write(
    "GET /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  expect(String(await handshake)).toContain("101 Switching Protocols");
  await server.close();
});

test("refuses requests and upgrades over the limit of connections with 503, and recovers", async () => {
  const server = await start({ maxConnections: 16 });
  const idle = await Promise.all(Array.from({ length: 16 }, () => openIdle(server)));
  const response = await fetch(`${server.http}/readyz`, { headers: { connection: "close" } });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { code: "connection_limit", retryable: true } });
  await expect(server.connect()).rejects.toThrow("503");
  // Liveness does not depend on load.
  expect(await sendRaw(server.port, rawRequest("GET /livez HTTP/1.1", []))).toMatch(/^HTTP\/1\.1 200 /);
  for (const socket of idle.splice(0, 8)) socket.destroy();
  await until(async () => (await fetch(`${server.http}/readyz`)).status === 200);
  await runSession(server);
});

test("closes sockets without an answer when too many are over the limit", async () => {
  const server = await start({ maxConnections: 8 });
  const idle = await Promise.all(Array.from({ length: 9 }, () => openIdle(server)));
  expect(await sendRaw(server.port, rawRequest("GET /livez HTTP/1.1", []))).toBe("");
  for (const socket of idle) socket.destroy();
  await until(async () => {
    const answer = await fetch(`${server.http}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  });
  expect(await gauge(server, "masklet_dropped_sockets_total")).toBeGreaterThan(0);
});

test("destroys the socket of an upgrade whose handling throws", async () => {
  const failing = () => {
    throw new TypeError("fault");
  };
  const parts = { maxFrameBytes: 1000, maxMessageBytes: 1000, onSocket: failing, log: createLog("silent") };
  const socket = new PassThrough();
  const admission = {
    addressOf: failing,
    admit: failing,
    checkSource: failing,
    identify: failing,
    refuse: failing,
    countFor: failing,
  };
  createUpgradeListener({ ...parts, admission })({} as never, socket, Buffer.alloc(0));
  await once(socket, "close");
  expect(socket.destroyed).toBe(true);
});
