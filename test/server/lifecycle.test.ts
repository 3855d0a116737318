/** The ends of the inference process, of clients, of idle sessions and of the server. */
import { expect, onTestFinished, test } from "vitest";
import type { ServerOptions } from "../../server/config.js";
import type { PredictorParts } from "../../server/predictor.js";
import type { RawClient } from "../helpers/client.js";
import { createFakeClock } from "../helpers/fake-clock.js";
import { ffmpegChildren, makeClip } from "../helpers/media.js";
import { ended, isRunning } from "../helpers/processes.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

/** Enough frames for a stream to be in progress when something ends. */
const NUM_FRAMES = 60;
const makeLong = () => makeClip({ name: "lifecycle.mp4", frames: NUM_FRAMES });

async function start(options: ServerOptions = {}, parts: PredictorParts = {}): Promise<TestServer> {
  const server = await startTestServer(options, parts);
  onTestFinished(() => server.close());
  return server;
}

/** Starts a session on the long clip with one click; returns its id. */
async function openClicked(client: RawClient): Promise<string> {
  const resource_path = await makeLong();
  const { session_id } = await client.expectResponse({ type: "start_session", resource_path });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, ...click });
  return session_id as string;
}

async function streaming(client: RawClient): Promise<{ session_id: string; stream: string }> {
  const session_id = await openClicked(client);
  const stream = client.send({ type: "propagate_in_video", session_id });
  await client.first((message) => message.type === "frame");
  return { session_id, stream };
}

test("continues a stream after the inference process is killed, and ends the new process with the server", async () => {
  const server = await start();
  const client = await server.connect();
  const { session_id, stream } = await streaming(client);
  const first = server.predictor.stats().engine?.workerPid as number;
  process.kill(first, "SIGKILL");

  const { frames, end } = await client.streamOf(stream);
  expect(end).toMatchObject({ type: "done", num_frames: NUM_FRAMES, cancelled: false });
  expect(frames.map(({ frame_index }) => frame_index)).toEqual(
    Array.from({ length: NUM_FRAMES }, (_, i) => i),
  );
  // A slow machine also reports the progress of the start.
  const events = client.received.filter((one) => one.type === "event" && one.event !== "session_opening");
  expect(events).toMatchObject([{ type: "event", event: "session_recovered", session_id }]);
  await client.expectResponse({ type: "close_session", session_id });
  await until(() => ffmpegChildren().length === 0);

  await openClicked(client);
  const second = server.predictor.stats().engine?.workerPid as number;
  expect(second).not.toBe(first);
  expect(server.predictor.stats().engine?.restarts).toBe(1);

  // The session of a client that disconnects in the middle of a stream remains; its decoder ends with the stream.
  const leaving = await server.connect();
  await streaming(leaving);
  leaving.terminate();
  await until(() => ffmpegChildren().length === 0);
  expect((await server.health()).sessions).toBe(2);

  await server.close();
  await ended(second);
  expect(isRunning(first)).toBe(false);
  expect(await client.closed).toBe(1001);
}, 180_000);

test("ends streams with shutting_down and sockets with 1001 when it stops", async () => {
  const engine = createScriptedEngine();
  const server = await start({}, { engine });
  const client = await server.connect();
  const session_id = await openClicked(client);
  const release = engine.hold("next");
  const stream = client.send({ type: "propagate_in_video", session_id });
  await engine.called("next 0");
  const closed = server.close();
  release();
  const { end } = await client.streamOf(stream);
  expect(end).toMatchObject({ type: "error", error: { code: "shutting_down", retryable: true } });
  expect(await client.closed).toBe(1001);
  await closed;
  expect(engine.calls).toContain("engine closed");
  await until(() => ffmpegChildren().length === 0);
  await expect(server.connect()).rejects.toThrow();
  await server.close();
});

test("stops while a client does not read and the model does not answer", async () => {
  const engine = createScriptedEngine({ maskBytes: 400_000 });
  const server = await start({ maxBufferedBytes: 1000, shutdownGraceMs: 50 }, { engine });
  const reader = await server.connect();
  const session_id = await openClicked(reader);
  reader.socket.pause();
  reader.send({ type: "propagate_in_video", session_id });
  await engine.called("next 0");
  const stuck = await server.connect();
  const session = await openClicked(stuck);
  engine.hold("next");
  stuck.send({ type: "propagate_in_video", session_id: session });
  await stuck.arrived();
  await server.close();
  await until(() => ffmpegChildren().length === 0);
  reader.terminate();
});

test("warns before an idle session expires, expires it, and keeps one that is used", async () => {
  const clock = createFakeClock();
  const engine = createScriptedEngine();
  const server = await start({ idleTimeoutMs: 10_000, expiryWarningMs: 1000 }, { engine, clock });
  const client = await server.connect();
  const session_id = await openClicked(client);
  const used = await openClicked(client);
  clock.advance(9000);
  const warning = await client.first((message) => message.type === "event");
  expect(warning).toMatchObject({
    type: "event",
    event: "session_expiring",
    session_id,
    expires_in_ms: 1000,
  });
  await client.expectResponse({ type: "get_session", session_id: used });
  clock.advance(1000);
  const expired = await client.first(
    (message) => message.type === "event" && message.event === "session_expired",
  );
  expect(expired).toMatchObject({ type: "event", event: "session_expired", session_id });
  expect((await client.expectError({ type: "get_session", session_id })).code).toBe("session_not_found");
  await client.expectResponse({ type: "get_session", session_id: used });
  expect((await server.health()).sessions).toBe(1);
  expect(engine.calls).toContain("close");
});

test("does not expire a session in the middle of a stream", async () => {
  const clock = createFakeClock();
  const engine = createScriptedEngine();
  const server = await start({ idleTimeoutMs: 10_000 }, { engine, clock });
  const client = await server.connect();
  const session_id = await openClicked(client);
  const release = engine.hold("next");
  const stream = client.send({ type: "propagate_in_video", session_id, max_frame_num_to_track: 3 });
  await engine.called("next 0");
  clock.advance(60_000);
  release();
  expect((await client.streamOf(stream)).end).toMatchObject({ type: "done", num_frames: 4 });
  await client.expectResponse({ type: "get_session", session_id });
});

test("fails to start on a port in use, and closes the engine", async () => {
  const server = await start({}, { engine: createScriptedEngine() });
  const engine = createScriptedEngine();
  await expect(start({ port: server.port }, { engine })).rejects.toThrow(/EADDRINUSE/);
  expect(engine.calls).toContain("engine closed");
});
