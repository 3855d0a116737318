/** Flow control by acknowledgements, over real sockets and real clips; only the model is scripted. */
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { ErrorMessage } from "../../protocol/index.js";
import type { RawClient } from "../helpers/client.js";
import { createFakeClock, type FakeClock } from "../helpers/fake-clock.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { stableValue, until } from "../helpers/settle.js";

const FRAMES = 60;
const IDLE_MS = 60_000;

let clip: string;
let engine: ScriptedEngine;
let clock: FakeClock;
let server: TestServer;
let client: RawClient;

beforeAll(async () => {
  clip = await makeClip({ name: "ack.mp4", frames: FRAMES });
});

beforeEach(async () => {
  engine = createScriptedEngine();
  clock = createFakeClock();
  server = await startTestServer(
    { idleTimeoutMs: IDLE_MS, expiryWarningMs: 1000, maxPendingRequests: 2 },
    { engine, clock },
  );
  client = await server.connect();
  await client.expectResponse({ type: "start_session", session_id: "s", resource_path: clip });
  await client.expectResponse({
    ...{ type: "add_prompt", session_id: "s", frame_index: 0 },
    ...{ points: [[0.5, 0.5]], point_labels: [1] },
  });
});

afterEach(() => server.close());

const start = (window: number) => client.send({ type: "propagate_in_video", session_id: "s", window });
const ack = (request_id: string, num_frames: unknown) => client.send({ type: "ack", request_id, num_frames });
const computed = () => engine.calls.filter((call) => call.startsWith("next")).length;
const frames = () => client.received.filter((message) => message.type === "frame").length;
const errors = () => client.received.filter((message): message is ErrorMessage => message.type === "error");

/** Waits until the window is full: the stream has sent `count` frames in total. */
async function full(count: number): Promise<void> {
  await until(() => frames() === count);
  expect(await stableValue(frames)).toBe(count);
  // One more frame is computed and waits on the server.
  expect(computed()).toBe(count + 1);
}

test("sends as many frames as the window has, and more as they are acknowledged", async () => {
  const stream = start(5);
  await full(5);
  ack(stream, 2);
  await full(7);
  // Repeated and late acknowledgements change nothing.
  ack(stream, 2);
  ack(stream, 1);
  await full(7);
  ack(stream, 7);
  await full(12);
  for (let count = 12; count < FRAMES; count++) {
    ack(stream, count);
    await until(() => frames() > count);
  }
  const { end } = await client.streamOf(stream);
  expect(end).toMatchObject({ type: "done", num_frames: FRAMES, cancelled: false });
  expect(errors()).toEqual([]);
});

test("ends without a last acknowledgement when the window holds all frames", async () => {
  const { frames: all, end } = await client.stream({
    ...{ type: "propagate_in_video", session_id: "s", window: 3, max_frame_num_to_track: 2 },
    propagation_direction: "forward",
  });
  expect(all).toHaveLength(3);
  expect(end).toMatchObject({ type: "done", num_frames: 3 });
});

test.each([
  ["cancel_propagation", { type: "done", num_frames: 2, cancelled: true }],
  ["reset_session", { type: "done", num_frames: 2, cancelled: true }],
  ["close_session", { type: "done", num_frames: 2, cancelled: true }],
])("%s ends a stream whose window is full", async (type, end) => {
  const stream = start(2);
  await full(2);
  await client.expectResponse({ type, session_id: "s" });
  expect((await client.streamOf(stream)).end).toMatchObject(end);
});

test("the loss of the session ends a stream whose window is full", async () => {
  const stream = start(2);
  await full(2);
  engine.crash();
  expect((await client.streamOf(stream)).end).toMatchObject({ type: "error" });
});

test("answers requests and continues to read while windows are full", async () => {
  await client.expectResponse({ type: "start_session", session_id: "t", resource_path: clip });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await client.expectResponse({ type: "add_prompt", session_id: "t", frame_index: 0, ...click });
  // The limit of unanswered requests is two. Streams that wait for an acknowledgement do not count.
  const first = start(1);
  const second = client.send({ type: "propagate_in_video", session_id: "t", window: 1 });
  await until(() => frames() === 2);
  expect(await stableValue(frames)).toBe(2);
  expect(await client.expectResponse({ type: "get_session", session_id: "s" })).toMatchObject({
    propagating: true,
  });
  ack(first, 1);
  ack(second, 1);
  await until(() => frames() === 4);
});

test("a stream that waits for an acknowledgement does not keep its session from expiring", async () => {
  const stream = start(2);
  await full(2);
  clock.advance(IDLE_MS);
  expect((await client.streamOf(stream)).end).toMatchObject({
    type: "error",
    error: { code: "session_not_found" },
  });
  await client.first((message) => message.type === "event" && message.event === "session_expired");
});

test("an acknowledgement counts as use of the session", async () => {
  const stream = start(2);
  await full(2);
  clock.advance(IDLE_MS - 2000);
  ack(stream, 1);
  await full(3);
  clock.advance(IDLE_MS - 2000);
  expect(await client.expectResponse({ type: "get_session", session_id: "s" })).toMatchObject({
    propagating: true,
  });
});

test("answers an invalid acknowledgement with an error that ends no stream", async () => {
  const stream = start(2);
  await full(2);
  ack(stream, 3);
  ack(stream, -1);
  ack(stream, "two");
  ack("unknown", 1);
  client.send({ type: "ack", request_id: stream });
  client.send({ type: "ack", request_id: stream, num_frames: 1, frames: 1 });
  await until(() => errors().length === 6);
  expect(errors().map(({ request_id, error }) => [request_id, error.code, error.field])).toEqual([
    [null, "invalid_field", "num_frames"],
    [null, "invalid_field", "num_frames"],
    [null, "invalid_field", "num_frames"],
    [null, "invalid_field", "request_id"],
    [null, "missing_field", "num_frames"],
    [null, "unknown_field", "frames"],
  ]);
  expect(errors()[0]?.error.message).toBe("num_frames: expected at most 2, the frames sent so far, got 3");
  ack(stream, 2);
  await full(4);
});

test("ignores an acknowledgement after the end of its stream, and refuses one for a stream without a window", async () => {
  const stream = start(2);
  await full(2);
  await client.expectResponse({ type: "cancel_propagation", session_id: "s" });
  await client.streamOf(stream);
  ack(stream, 2);
  const without = client.send({ type: "propagate_in_video", session_id: "s", max_frame_num_to_track: 3 });
  ack(without, 1);
  await client.streamOf(without);
  expect(errors().map(({ error }) => error.field)).toEqual(["request_id"]);
});
