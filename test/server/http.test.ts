/** Answers over HTTP and during the WebSocket handshake. */
import { once } from "node:events";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { connect } from "../helpers/client.js";
import { ffmpegChildren, makeClip, makeStill, mediaPath } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const uploadDir = mediaPath("uploads/x").slice(0, -2);
let server: TestServer;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "upload.mp4", frames: 5 });
  server = await startTestServer(
    {
      uploadDir,
      maxUploadBytes: 100_000,
      maxMessageBytes: 2000,
      allowedOrigins: ["https://labels.example"],
    },
    { engine: createScriptedEngine() },
  );
});

afterAll(() => server.close());

/** The upload files on disk. */
const stored = () =>
  readdirSync(uploadDir, { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && !["lock.json", "upload.record"].includes(one.name),
  );
const upload = (body: NonNullable<RequestInit["body"]>, headers = {}) =>
  fetch(`${server.http}/v1/uploads`, { method: "POST", body, headers });

test.each(["/readyz", "/healthz"])("reports readiness, pack and sessions at %s", async (path) => {
  const response = await fetch(server.http + path);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    status: "ok",
    state: "ready",
    pack: { id: "scripted", family: "scripted", version: "1" },
    provider: "none",
    sessions: 0,
  });
});

test.each(["starting", "stalled", "restarting", "failed"] as const)(
  "is alive but not ready while the engine is %s",
  async (state) => {
    const engine = createScriptedEngine();
    const stats = engine.stats.bind(engine);
    engine.stats = () => ({ ...stats(), state, reason: "The pack is damaged." });
    const other = await startTestServer({}, { engine });
    const ready = await fetch(`${other.http}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      status: "unavailable",
      state,
      reason: "The pack is damaged.",
    });
    const live = await fetch(`${other.http}/livez`);
    expect([live.status, await live.json()]).toEqual([200, { status: "ok" }]);
    await other.close();
  },
);

test("counts requests, errors and frames for Prometheus", async () => {
  const client = await server.connect();
  await client.expectError({ type: "get_session", session_id: "none" });
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, ...click });
  await client.stream({ type: "propagate_in_video", session_id });
  const text = await (await fetch(`${server.http}/metrics`)).text();
  expect(text).toContain('masklet_requests_total{type="add_prompt"} 1\n');
  expect(text).toContain('masklet_errors_total{code="session_not_found"} 1\n');
  expect(text).toContain("masklet_frames_total 5\n");
  expect(text).toContain("# TYPE masklet_sessions gauge\nmasklet_sessions 1\n");
  expect(text).toContain("masklet_connections 1\n");
  expect(text).toContain('masklet_engine_run_seconds_total{thread="main"} 0.5\n');
  expect(text).toContain("# TYPE masklet_engine_processes gauge\nmasklet_engine_processes 1\n");
  expect(text).toMatch(/^process_uptime_seconds [0-9.]+$/m);
  expect(text).toContain(
    '# TYPE masklet_graph_memory_bytes gauge\nmasklet_graph_memory_bytes{graph="detect"} 4096\n',
  );
  expect(text).toContain('masklet_graph_run_seconds_total{graph="detect"} 0.5\n');
  await client.close();
});

test.each([
  ["GET", "/nowhere", 404, "not_found"],
  ["GET", "/v1", 404, "not_found"],
  ["POST", "/healthz", 405, "method_not_allowed"],
  ["POST", "/livez", 405, "method_not_allowed"],
  ["GET", "/v1/uploads", 405, "method_not_allowed"],
  ["PUT", "/v1/uploads/none", 405, "method_not_allowed"],
  ["DELETE", "/v1/uploads/none", 404, "upload_not_found"],
])("answers %s %s with %i %s", async (method, path, status, code) => {
  const response = await fetch(server.http + path, { method });
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { code, message: expect.any(String) } });
});

test("stores an upload, reports its facts, opens it by its id, and deletes it", async () => {
  const bytes = await readFile(clip);
  const response = await upload(bytes);
  expect(response.status).toBe(201);
  const facts = (await response.json()) as { upload_id: string };
  expect(facts).toEqual({
    upload_id: expect.stringMatching(/./),
    filename: null,
    kind: "video",
    width: 96,
    height: 64,
    num_frames: 5,
    fps: 25,
    codec: "h264",
    start_time_us: 0,
    duration_s: 0.2,
    bytes: bytes.length,
  });
  expect(stored()).toHaveLength(1);

  const client = await server.connect();
  const { upload_id } = facts;
  const started = await client.expectResponse({ type: "start_session", upload_id });
  expect(started).toMatchObject({ num_frames: 5, kind: "video" });
  const deletion = () => fetch(`${server.http}/v1/uploads/${upload_id}`, { method: "DELETE" });
  expect((await deletion()).status).toBe(204);
  expect((await deletion()).status).toBe(404);
  expect((await client.expectError({ type: "start_session", upload_id })).code).toBe("upload_not_found");

  // The session that reads the upload continues. The file is deleted when the session ends.
  const prompt = { type: "add_prompt", session_id: started.session_id, frame_index: 4 };
  await client.expectResponse({ ...prompt, points: [[0.5, 0.5]], point_labels: [1] });
  await client.expectResponse({ type: "close_session", session_id: started.session_id });
  await client.close();
  await until(() => stored().length === 0);
});

test("returns the file name of an upload", async () => {
  const body = await readFile(await makeStill("still.png", 3));
  const response = await fetch(`${server.http}/v1/uploads?filename=my+d%C3%B6g.png`, {
    method: "POST",
    body,
  });
  expect(response.status).toBe(201);
  expect(await response.json()).toMatchObject({ filename: "my dög.png", kind: "image" });
});

test.each([
  ["filename=", "invalid_field", "filename"],
  [`filename=${"a".repeat(256)}`, "invalid_field", "filename"],
  ["filename=..%2Fdog.mp4", "invalid_field", "filename"],
  ["filename=dog%00.mp4", "invalid_field", "filename"],
  ["fielname=dog.mp4", "unknown_field", "fielname"],
])("refuses an upload with the query %s", async (query, code, field) => {
  const before = stored().length;
  const response = await fetch(`${server.http}/v1/uploads?${query}`, { method: "POST", body: "x" });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code, field } });
  expect(stored()).toHaveLength(before);
});

test("accepts a still as an upload", async () => {
  const response = await upload(await readFile(await makeStill("still.png", 3)));
  expect(await response.json()).toMatchObject({ kind: "image", num_frames: 1, fps: null, codec: "png" });
});

test.each([
  ["nothing", Buffer.alloc(0), 422, "media_unreadable"],
  ["text", Buffer.from("hello, I am not a video at all"), 415, "media_unsupported"],
  ["more than the limit", Buffer.alloc(100_001), 413, "upload_too_large"],
])("refuses an upload of %s", async (_name, body, status, code) => {
  const before = stored().length;
  const response = await upload(body);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { code } });
  expect(stored()).toHaveLength(before);
});

test("refuses an upload of unknown length once it passes the limit", async () => {
  const before = stored().length;
  const outgoing = request(`${server.http}/v1/uploads`, { method: "POST" });
  outgoing.on("error", () => {}); // The server closes the socket before the body ends.
  outgoing.write("\0\0\0\x18ftypisom");
  for (let sent = 0; sent <= 110_000; sent += 10_000) outgoing.write(Buffer.alloc(10_000));
  const [response] = await once(outgoing, "response");
  expect(response.statusCode).toBe(413);
  outgoing.destroy();
  await until(() => stored().length === before);
});

test("deletes an upload whose sender disconnects", async () => {
  const before = stored().length;
  const outgoing = request(`${server.http}/v1/uploads`, { method: "POST" });
  outgoing.on("error", () => {});
  outgoing.write((await readFile(clip)).subarray(0, 2000));
  await until(() => stored().length === before + 1);
  outgoing.destroy();
  await until(() => stored().length === before);
  await until(() => ffmpegChildren().length === 0);
});

test("ends the inspection of an upload whose sender disconnects before the answer, and deletes the upload", async () => {
  const slow = mediaPath("slow/ffprobe");
  writeFileSync(slow, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
  vi.stubEnv("FFPROBE_PATH", slow);
  onTestFinished(() => void vi.unstubAllEnvs());
  const before = stored().length;
  const body = await readFile(clip);
  const headers = { "content-length": body.length };
  const outgoing = request(`${server.http}/v1/uploads`, { method: "POST", headers });
  outgoing.on("error", () => {});
  outgoing.end(body);
  const sizes = () => stored().map(({ name, parentPath }) => statSync(join(parentPath, name)).size);
  await until(() => sizes().length > before && sizes().every((size) => size > 0));
  outgoing.destroy();
  await until(() => stored().length === before);
});

test("logs a refused page with the setting that admits it", async () => {
  const lines: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const other = await startTestServer({}, { engine: createScriptedEngine(), log });
  const headers = { origin: "https://evil.example" };
  await expect(connect(other.url, ["masklet.v1"], headers)).rejects.toThrow("403");
  const refusals = lines.map((line) => JSON.parse(line)).filter(({ code }) => code === "origin_forbidden");
  expect(refusals).toMatchObject([
    { level: 40, origin: headers.origin, setting: "allowedOrigins", variable: "MASKLET_ALLOWED_ORIGINS" },
  ]);
  // Any port of this machine is admitted, because the server listens on a loopback address.
  await (await connect(other.url, ["masklet.v1"], { origin: "http://localhost:5173" })).close();
  await other.close();
});

test("refuses pages of other hosts, over HTTP and as WebSocket", async () => {
  const headers = { origin: "https://evil.example" };
  const response = await upload(await readFile(clip), headers);
  expect(response.status).toBe(403);
  await expect(connect(server.url, ["masklet.v1"], headers)).rejects.toThrow("403");
  await (await connect(server.url, ["masklet.v1"], { origin: server.http })).close();
});

test("admits pages of a configured origin, and answers their preflight", async () => {
  const headers = { origin: "https://labels.example" };
  await (await connect(server.url, ["masklet.v1"], headers)).close();
  const preflight = await fetch(`${server.http}/v1/uploads`, { method: "OPTIONS", headers });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://labels.example");
  expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
});

test("accepts handshakes with the subprotocol masklet.v1 or none, and refuses others", async () => {
  const named = await connect(server.url, ["other", "masklet.v1"]);
  expect(named.socket.protocol).toBe("masklet.v1");
  const unnamed = await connect(server.url, []);
  expect(unnamed.socket.protocol).toBe("");
  expect((await unnamed.expectError({ type: "none" })).code).toBe("unknown_type");
  await expect(connect(server.url, ["masklet.v9"])).rejects.toThrow("400");
  await expect(connect(server.url.replace("/v1", "/v2"))).rejects.toThrow("404");
  await Promise.all([named.close(), unnamed.close()]);
});

test("closes a socket with 1009 after a message beyond the limit", async () => {
  const client = await server.connect();
  client.send({ type: "get_session", session_id: "x".repeat(2000) });
  expect(await client.closed).toBe(1009);
});

test("closes a socket with 1002 after an invalid WebSocket frame", async () => {
  const socket = new WebSocket(server.url);
  await once(socket, "open");
  // A frame with reserved bits set.
  (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(
    Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
  );
  const [code] = await once(socket, "close");
  expect(code).toBe(1002);
});
