/** The order of events over real sockets and real clips, with a scripted engine whose calls the tests can hold. */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { FIXED_LIMITS, parseRequest, type SingleRequest } from "../../protocol/index.js";
import type { RawClient } from "../helpers/client.js";
import { createFakeClock } from "../helpers/fake-clock.js";
import { ffmpegChildren, makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { stableValue, until } from "../helpers/settle.js";

let clip: string;
let engine: ScriptedEngine;
let server: TestServer;
let client: RawClient;

beforeAll(async () => {
  clip = await makeClip({ name: "flow.mp4", frames: 60 });
});

beforeEach(async () => {
  engine = createScriptedEngine();
  server = await startTestServer({ maxSessionsPerOwner: 2, maxSessions: 3 }, { engine });
  client = await server.connect();
});

afterEach(() => server.close());

const click = { points: [[0.5, 0.5]], point_labels: [1] };
const start = (session_id: string) => ({ type: "start_session", resource_path: clip, session_id });
const prompt = (frame_index: number, more = {}) => ({
  ...{ type: "add_prompt", session_id: "s", frame_index, ...click },
  ...more,
});
const propagate = { type: "propagate_in_video", session_id: "s" };
const computed = () => engine.calls.filter((call) => call.startsWith("next")).length;

test("answers pipelined requests in the order in which they were sent", async () => {
  client.send(start("s"));
  client.send(prompt(3));
  client.send(prompt(1));
  const stream = client.send({ ...propagate, max_frame_num_to_track: 1 });
  const removal = client.send({ type: "remove_object", session_id: "s", obj_id: 0 });
  await client.first((message) => "request_id" in message && message.request_id === removal);
  const { frames } = await client.streamOf(stream);
  expect(frames.map((frame) => frame.frame_index)).toEqual([1, 2, 0]);
  const before = ["open", "prompt 3", "prompt 1"];
  expect(engine.calls.slice(0, 3)).toEqual(before);
  expect(engine.calls).toContain("begin backward");
});

test("applies a prompt between two frames of a running propagation", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  const release = engine.hold("next");
  const stream = client.send({ ...propagate, max_frame_num_to_track: 3 });
  await engine.called("next 0");
  const answer = client.expectResponse(prompt(0, { obj_id: 8 }));
  await client.arrived();
  expect(engine.calls.at(-1)).toBe("next 0");
  release();
  await answer;
  const { frames } = await client.streamOf(stream);
  expect(engine.calls.slice(-5)).toEqual(["next 0", "prompt 0", "next 1", "next 2", "next 3"]);
  expect(frames.map((frame) => frame.outputs.out_obj_ids)).toEqual([[0], [0, 8], [0, 8], [0, 8]]);
});

test("pushes one frame ahead of the current one to the engine", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  const release = engine.hold("next");
  const stream = client.send({ ...propagate, max_frame_num_to_track: 5 });
  await engine.called("next 0");
  await until(() => engine.pushed.length > 1);
  // Enough time to decode further frames, if the session requested them.
  await delay(200);
  expect(engine.pushed).toEqual([0, 1]);
  release();
  await client.streamOf(stream);
  expect(engine.pushed).toEqual([0, 1, 2, 3, 4, 5]);
});

test("computes no further frame once a cancel is answered", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  const release = engine.hold("next");
  const stream = client.send(propagate);
  await engine.called("next 0");
  await client.expectResponse({ type: "cancel_propagation", session_id: "s" });
  release();
  const { frames, end } = await client.streamOf(stream);
  expect(end).toMatchObject({ type: "done", cancelled: true, num_frames: 1 });
  expect(frames.map((frame) => frame.frame_index)).toEqual([0]);
  expect(computed()).toBe(1);
  await until(() => ffmpegChildren().length === 0);
});

test("cancels a propagation that has not begun yet", async () => {
  await client.expectResponse(start("s"));
  const release = engine.hold("prompt");
  client.send(prompt(0));
  const stream = client.send(propagate);
  await client.expectResponse({ type: "cancel_propagation", session_id: "s" });
  release();
  expect(await client.streamOf(stream)).toMatchObject({ frames: [], end: { type: "done", cancelled: true } });
  expect(computed()).toBe(0);
});

test("ends the stream on reset, and then has nothing prompted", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  const stream = client.send(propagate);
  await engine.called("next 1");
  await client.expectResponse({ type: "reset_session", session_id: "s" });
  expect((await client.streamOf(stream)).end).toMatchObject({ type: "done", cancelled: true });
  const afterReset = engine.calls.slice(engine.calls.indexOf("reset"));
  expect(afterReset.filter((call) => call.startsWith("next"))).toEqual([]);
  expect((await client.expectError(propagate)).code).toBe("nothing_prompted");
});

test("leaves out objects below the requested probability", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  const improbable = { obj_id: 99 }; // The scripted engine gives it a probability of 0.3.
  const shown = async (more: object) => {
    const answer = await client.expectResponse(prompt(0, { ...improbable, ...more }));
    return (answer.outputs as { out_obj_ids: number[] }).out_obj_ids;
  };
  expect(await shown({})).toEqual([0]);
  expect(await shown({ output_prob_thresh: 0.2 })).toEqual([0, 99]);
  const ids = async (more: object) => {
    const { frames } = await client.stream({ ...propagate, max_frame_num_to_track: 0, ...more });
    return frames[0]?.outputs.out_obj_ids;
  };
  expect(await ids({})).toEqual([0]);
  expect(await ids({ output_prob_thresh: 0 })).toEqual([0, 99]);
});

test("limits the sessions of an owner, whatever the connection, and accepts new ones after a close", async () => {
  await client.expectResponse(start("a"));
  const second = await server.connect();
  await second.expectResponse(start("b"));
  expect(await client.expectError(start("c"))).toMatchObject({ code: "session_limit", retryable: true });
  await second.expectResponse({ type: "close_session", session_id: "b" });
  await client.expectResponse(start("c"));
});

test("limits the sessions of all owners", async () => {
  const { predictor } = server;
  const request = (session_id: string) => ({ ...parseRequest(start(session_id)) }) as SingleRequest;
  await client.expectResponse(start("a"));
  await predictor.connect({ owner: "one" }).answer(request("a"));
  await predictor.connect({ owner: "two" }).answer(request("a"));
  await expect(predictor.connect({ owner: "three" }).answer(request("a"))).rejects.toMatchObject({
    code: "session_limit",
  });
});

test("ends the session of the owner that has had no connection for the longest, when a new one needs its place", async () => {
  const [second, third] = [await server.connect(), await server.connect()];
  await second.expectResponse(start("a"));
  await third.expectResponse(start("b"));
  third.terminate();
  await until(() => server.predictor.sessions.find("address loopback", "b")?.unattachedSinceMs !== undefined);
  second.terminate();
  await until(() => server.predictor.sessions.find("address loopback", "a")?.unattachedSinceMs !== undefined);
  await client.expectResponse(start("c"));
  expect(["a", "b", "c"].map((id) => server.predictor.sessions.find("address loopback", id)?.id)).toEqual([
    "a",
    undefined,
    "c",
  ]);
});

test("ends the session of another owner only when the server is full, after a time without a connection", async () => {
  const clock = createFakeClock();
  const full = await startTestServer({ maxSessions: 1 }, { engine: createScriptedEngine(), clock });
  const leaving = await full.connect();
  await leaving.expectResponse(start("a"));
  leaving.terminate();
  await until(() => full.predictor.sessions.find("address loopback", "a")?.unattachedSinceMs !== undefined);
  const other = full.predictor.connect({ owner: "other" });
  const request = parseRequest(start("b")) as SingleRequest;
  clock.advance(FIXED_LIMITS.unattachedGraceMs.value - 1);
  await expect(other.answer(request)).rejects.toMatchObject({ code: "session_limit" });
  clock.advance(1);
  expect(await other.answer(request)).toMatchObject({ session_id: "b" });
  expect(full.predictor.sessions.countOf("address loopback")).toBe(0);
  await full.close();
});

test("a session is reached by its owner's id and by its token, and by no other owner", async () => {
  const { session_token } = await client.expectResponse(start("s"));
  const { predictor } = server;
  const get = parseRequest({ type: "get_session", session_id: "s" }) as SingleRequest;
  expect(await predictor.connect({ owner: "address loopback" }).answer(get)).toMatchObject({
    session_id: "s",
  });
  const other = predictor.connect({ owner: "address 192.0.2.1" });
  await expect(other.answer(get)).rejects.toMatchObject({ message: 'No session "s".' });
  expect(predictor.sessions.withToken(session_token as string).id).toBe("s");
  expect(() => predictor.sessions.withToken("x".repeat(32))).toThrow("No session has this token.");
});

test("does not count a session that failed to start", async () => {
  for (let i = 0; i < 5; i++) {
    const error = await client.expectError({
      type: "start_session",
      resource_path: "none.mp4",
      session_id: "s",
    });
    expect(error.code).toBe("resource_not_found");
  }
  await client.expectResponse(start("s"));
});

test("cleans up after a client that disconnects while its session starts", async () => {
  const release = engine.hold("open");
  client.send(start("s"));
  await engine.called("open");
  client.terminate();
  await server.disconnected();
  release();
  await until(() => engine.calls.includes("close"));
  await until(async () => (await server.health()).sessions === 0);
  await until(() => ffmpegChildren().length === 0);
});

test("answers the request of a client that disconnects, and keeps the session", async () => {
  await client.expectResponse(start("s"));
  const release = engine.hold("prompt");
  client.send(prompt(40));
  await engine.called("prompt 40");
  client.terminate();
  await server.disconnected();
  release();
  const owner = server.predictor.connect({ owner: "address loopback" });
  const get = parseRequest({ type: "get_session", session_id: "s" }) as SingleRequest;
  expect(await owner.answer(get)).toMatchObject({ obj_ids: [0] });
});

test("reports a session that is lost with the inference process, and serves the next one", async () => {
  await client.expectResponse(start("s"));
  await client.expectResponse(prompt(0));
  engine.hold("next");
  const stream = client.send(propagate);
  await engine.called("next 0");
  engine.crash();
  const lost = await client.first((message) => message.type === "event");
  expect(lost).toMatchObject({ event: "session_lost", session_id: "s", error: { code: "engine_restarted" } });
  expect((await client.streamOf(stream)).end).toMatchObject({
    type: "error",
    error: { code: "engine_restarted" },
  });
  expect((await client.expectError({ type: "get_session", session_id: "s" })).code).toBe("session_not_found");
  await client.expectResponse(start("s"));
});

test("computes no frames ahead of a client that stops reading, and sends every frame later", async () => {
  const heavy = createScriptedEngine({ maskBytes: 400_000 });
  const slow = await startTestServer({ maxBufferedBytes: 100_000 }, { engine: heavy });
  const reader = await slow.connect();
  await reader.expectResponse(start("s"));
  await reader.expectResponse(prompt(0));
  reader.socket.pause();
  const stream = reader.send(propagate);
  await heavy.called("next 0");
  const made = await stableValue(() => heavy.stats().frames);
  expect(made).toBeLessThan(40);

  const other = await slow.connect();
  await other.expectResponse(start("t"));
  await other.expectResponse(prompt(5, { session_id: "t" }));
  expect(heavy.stats().frames).toBe(made + 1);
  await other.expectResponse({ type: "close_session", session_id: "t" });

  reader.socket.resume();
  const { frames, end } = await reader.streamOf(stream);
  expect(frames.map((frame) => frame.frame_index)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  expect(end).toMatchObject({ type: "done", num_frames: 60 });
  await slow.close();
});

test("cleans up after a client that stops reading and then disconnects", async () => {
  const heavy = createScriptedEngine({ maskBytes: 400_000 });
  const slow = await startTestServer({ maxBufferedBytes: 100_000 }, { engine: heavy });
  const reader = await slow.connect();
  await reader.expectResponse(start("s"));
  await reader.expectResponse(prompt(0));
  reader.socket.pause();
  reader.send(propagate);
  await heavy.called("next 0");
  await stableValue(() => heavy.stats().frames);
  reader.terminate();
  await until(() => ffmpegChildren().length === 0);
  expect((await slow.health()).sessions).toBe(1);
  await slow.close();
});

test("closes a socket that answers no pings", async () => {
  const strict = await startTestServer({ heartbeatIntervalMs: 100 }, { engine: createScriptedEngine() });
  const [dead, alive] = [await strict.connect(), await strict.connect()];
  await dead.expectResponse(start("s"));
  dead.socket.pause();
  await until(async () =>
    (await (await fetch(`${strict.http}/metrics`)).text()).includes("masklet_connections 1\n"),
  );
  expect(alive.socket.readyState).toBe(alive.socket.OPEN);
  await strict.close();
});
