/** Sessions that outlive their connections: attaching, taking over, watching, and the log of results. */
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { EventMessage, FrameMessage, ServerMessage } from "../../protocol/index.js";
import type { EngineVideo, SessionHooks } from "../../server/engine/engine.js";
import type { Fields, RawClient } from "../helpers/client.js";
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
let token: string;
/** Number of the last result of the start: 2, or more when the video took long to open. */
let base: number;

beforeAll(async () => {
  clip = await makeClip({ name: "lasting.mp4", frames: FRAMES });
});

beforeEach(async () => {
  engine = createScriptedEngine();
  clock = createFakeClock();
  server = await startTestServer({ idleTimeoutMs: IDLE_MS, expiryWarningMs: 1000 }, { engine, clock });
  client = await server.connect();
  token = await open(client);
  base = lastSeq(client);
});

afterEach(() => server.close());

/** Starts the session "s" with one click; returns its token. */
async function open(one: RawClient): Promise<string> {
  const started = await one.expectResponse({ type: "start_session", session_id: "s", resource_path: clip });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  await one.expectResponse({ type: "add_prompt", session_id: "s", frame_index: 0, ...click });
  return started.session_token as string;
}

const attach = (fields: Fields = {}) => ({ type: "attach_session", session_token: token, ...fields });
const propagate = { type: "propagate_in_video", session_id: "s", request_id: "stream" };
const get = { type: "get_session", session_id: "s" };
const computed = () => engine.calls.filter((call) => call.startsWith("next")).length;
const isFrame = (message: ServerMessage): message is FrameMessage => message.type === "frame";
const framesOf = (one: RawClient) => one.received.filter(isFrame);
const isEvent =
  (event: string) =>
  (message: ServerMessage): message is EventMessage =>
    message.type === "event" && message.event === event;
const isDone = (message: ServerMessage) => message.type === "done";
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const seqs = (one: RawClient) =>
  one.received.flatMap((message) => ("seq" in message && message.seq !== undefined ? [message.seq] : []));
const lastSeq = (one: RawClient) => seqs(one).at(-1) as number;

function streamAll(one: RawClient, more: Fields = {}) {
  one.send({ ...propagate, ...more });
  return one.streamOf("stream");
}

/** Disconnects as a killed process does. */
async function kill(one: RawClient, others = 0): Promise<void> {
  one.terminate();
  await until(async () =>
    (await (await fetch(`${server.http}/metrics`)).text()).includes(`masklet_connections ${others}\n`),
  );
}

describe("changed_only", () => {
  test("omits no mask that an attached client has not received", async () => {
    const range = { max_frame_num_to_track: 2, changed_only: true };
    const unchanged = async (one: RawClient, request_id: string) => {
      one.send({ ...propagate, ...range, request_id });
      return (await one.streamOf(request_id)).frames.map(({ outputs }) => outputs.unchanged_obj_ids?.length);
    };
    await unchanged(client, "first");
    expect(await unchanged(client, "second")).toEqual([1, 1, 1]);
    const after_seq = lastSeq(client);
    const other = await server.connect();
    await other.expectResponse(attach({ after_seq }));
    expect(await unchanged(other, "third")).toEqual([1, 1, 1]);
    const last = await server.connect();
    await last.expectResponse(attach());
    expect(await unchanged(last, "fourth")).toEqual([0, 0, 0]);
  });
});

describe("results", () => {
  test("are numbered from 1 per session, and name it", async () => {
    await streamAll(client, { max_frame_num_to_track: 2 });
    await client.expectError({ type: "remove_object", session_id: "s", obj_id: 7 });
    const results = client.received.filter((message) => "seq" in message);
    expect(seqs(client)).toEqual(upTo(base + 5).map((index) => index + 1));
    expect(results.map(({ type }) => type).slice(-7)).toEqual([
      ...["response", "response", "frame", "frame", "frame", "done"],
      "error",
    ]);
    for (const message of results) expect(message).toMatchObject({ session_id: "s" });
    // Messages that belong to no session have no number.
    expect(await client.expectError({ ...get, session_id: "none" })).toMatchObject({
      code: "session_not_found",
    });
    expect(client.received.at(-1)).not.toHaveProperty("seq");
  });
});

describe("a client that lost its connection", () => {
  test("attaches again and receives every frame once", async () => {
    const release = engine.hold("next");
    client.send(propagate);
    await engine.called("next 0");
    release();
    await client.first((message) => isFrame(message) && message.frame_index >= 5);
    await kill(client);
    const before = framesOf(client).map(({ frame_index }) => frame_index);
    const seen = lastSeq(client);

    const again = await server.connect();
    const answer = await again.expectResponse(attach({ after_seq: seen }));
    expect(answer).toMatchObject({ session_id: "s", num_frames: FRAMES, lost: 0, control: true });
    expect(answer).not.toHaveProperty("seq");
    const { frames, end } = await again.streamOf("stream");
    expect([...before, ...frames.map(({ frame_index }) => frame_index)]).toEqual(upTo(FRAMES));
    expect(end).toMatchObject({ type: "done", num_frames: FRAMES });
    expect(seqs(again)).toEqual(upTo(seqs(again).length).map((index) => seen + 1 + index));
    expect(await again.expectResponse(get)).toMatchObject({ obj_ids: [0] });
  });

  test("gets the answers to its requests, and knows from `pending` which follow", async () => {
    const release = engine.hold("describe");
    client.send({ ...get, request_id: "slow" });
    await engine.called("describe");
    const seen = lastSeq(client);
    await kill(client);
    const again = await server.connect();
    expect(await again.expectResponse(attach())).toMatchObject({ last_seq: seen, pending: ["slow"] });
    // A repeated request is refused, not run twice.
    expect(await again.expectError({ ...get, request_id: "slow" })).toMatchObject({
      code: "invalid_field",
      field: "request_id",
    });
    release();
    await again.first((message) => message.type === "response" && message.request_id === "slow");
  });

  test("misses nothing without after_seq but the past", async () => {
    await streamAll(client);
    await kill(client);
    const again = await server.connect();
    expect(await again.expectResponse(attach())).toMatchObject({ last_seq: base + FRAMES + 1, pending: [] });
    await again.expectResponse(get);
    expect(framesOf(again)).toEqual([]);
  });

  test("acknowledges frames of a stream that it started on the lost connection", async () => {
    client.send({ ...propagate, window: 4 });
    await until(() => framesOf(client).length === 4);
    await kill(client);
    const again = await server.connect();
    await again.expectResponse(attach({ after_seq: lastSeq(client) }));
    again.send({ type: "ack", request_id: "stream", num_frames: 4 });
    await until(() => framesOf(again).length === 4);
    expect(framesOf(again).map(({ frame_index }) => frame_index)).toEqual([4, 5, 6, 7]);
    again.send({ type: "ack", request_id: "stream", num_frames: 9 });
    await again.first((message) => message.type === "error" && message.request_id === null);
  });

  test("attaches to a session that is still being started, with a token of its own choice", async () => {
    const starting = await server.connect();
    const release = engine.hold("open");
    const session_token = "chosen-by-the-client-0123456789";
    const start = { type: "start_session", session_id: "t", resource_path: clip, session_token };
    starting.send({ ...start, request_id: "start" });
    await until(() => engine.calls.filter((call) => call === "open").length === 2);
    await kill(starting, 1);
    const again = await server.connect();
    const attached = again.ask(attach({ session_token, after_seq: 0 }));
    await again.arrived();
    release();
    expect(await attached).toMatchObject({ type: "response", session_id: "t", control: true });
    await again.first((message) => message.type === "response" && message.request_id === "start");
    expect(await again.expectError({ ...start, session_id: "u" })).toMatchObject({
      code: "session_exists",
      field: "session_token",
    });
  });
});

describe("without a connection, a session", () => {
  test("goes on until its log is full, drops nothing, and continues when a client attaches", async () => {
    const heavy = createScriptedEngine({ maskBytes: 10_000 });
    const small = await startTestServer({ maxLogBytes: 200_000 }, { engine: heavy });
    const one = await small.connect();
    const session_token = await open(one);
    one.socket.pause();
    one.send({ ...propagate, window: 1000 });
    await heavy.called("next 0");
    one.terminate();
    const made = await stableValue(() => heavy.calls.filter((call) => call.startsWith("next")).length);
    expect(made).toBeGreaterThan(10);
    expect(made).toBeLessThan(FRAMES);
    const again = await small.connect();
    expect(await again.expectResponse({ ...attach({ after_seq: 2 }), session_token })).toMatchObject({
      lost: 0,
    });
    const { frames } = await again.streamOf("stream");
    expect(frames.map(({ frame_index }) => frame_index)).toEqual(upTo(FRAMES));
    await small.close();
  });

  test("keeps the newest half of its log for results that were lost with the socket", async () => {
    const heavy = createScriptedEngine({ maskBytes: 10_000 });
    const small = await startTestServer({ maxLogBytes: 200_000 }, { engine: heavy });
    const one = await small.connect();
    const session_token = await open(one);
    await streamAll(one);
    one.terminate();
    const again = await small.connect();
    const answer = await again.expectResponse({ ...attach({ after_seq: 0 }), session_token });
    const { lost, last_seq } = answer as { lost: number; last_seq: number };
    expect(last_seq).toBeGreaterThanOrEqual(FRAMES + 3);
    await again.first(isDone);
    expect(seqs(again)).toEqual(upTo(last_seq - lost).map((index) => lost + 1 + index));
    // About ten results of 10,000 bytes are half of 200,000 bytes.
    expect(last_seq - lost).toBeGreaterThan(8);
    expect(last_seq - lost).toBeLessThan(14);
    await small.close();
  });

  test("expires after the idle timeout, but not while it computes", async () => {
    const release = engine.hold("next");
    client.send(propagate);
    await engine.called("next 0");
    await kill(client);
    clock.advance(IDLE_MS * 3);
    expect((await server.health()).sessions).toBe(1);
    release();
    await until(() => computed() === FRAMES);
    const facts = () => server.predictor.connect({ owner: "address loopback" }).answer(get as never);
    await until(async () => ((await facts()) as { propagating: boolean }).propagating === false);
    clock.advance(IDLE_MS);
    expect((await server.health()).sessions).toBe(0);
    const again = await server.connect();
    expect(await again.expectError(attach())).toMatchObject({
      code: "session_not_found",
      field: "session_token",
    });
  });

  test("expires while its full log makes the propagation wait", async () => {
    const heavy = createScriptedEngine({ maskBytes: 10_000 });
    const options = { maxLogBytes: 100_000, idleTimeoutMs: IDLE_MS };
    const small = await startTestServer(options, { engine: heavy, clock });
    const one = await small.connect();
    await open(one);
    one.send(propagate);
    await heavy.called("next 0");
    one.terminate();
    await stableValue(() => heavy.calls.filter((call) => call.startsWith("next")).length);
    clock.advance(IDLE_MS);
    await until(() => heavy.calls.includes("close"));
    await small.close();
  });
});

describe("two connections of one session", () => {
  test("the later controller takes over: the earlier one receives an event, and its requests are refused", async () => {
    const release = engine.hold("next");
    client.send(propagate);
    await engine.called("next 0");
    const second = await server.connect();
    const answer = await second.expectResponse(attach());
    expect(answer).toMatchObject({ control: true, pending: ["stream"] });
    expect(await client.first(isEvent("session_detached"))).toEqual({
      type: "event",
      event: "session_detached",
      session_id: "s",
      reason: "taken_over",
    });
    expect((await client.expectError(get)).code).toBe("session_not_found");
    release();
    expect((await second.streamOf("stream")).frames).toHaveLength(FRAMES);
    expect(framesOf(client)).toEqual([]);
    expect(await second.expectResponse(get)).toMatchObject({ session_id: "s" });
  });

  test("a watcher receives every result without request ids, reads, and changes nothing", async () => {
    const watcher = await server.connect();
    expect(await watcher.expectResponse(attach({ watch: true, after_seq: 0 }))).toMatchObject({
      control: false,
    });
    await streamAll(client);
    await watcher.first(isDone);
    expect(seqs(watcher)).toEqual(seqs(client));
    const expected = client.received
      .filter((message) => "seq" in message)
      .map((message) => ({ ...message, request_id: null }));
    expect(watcher.received.slice(1)).toEqual(expected);
    const facts = await watcher.expectResponse(get);
    expect(facts).toMatchObject({ obj_ids: [0] });
    expect(facts).not.toHaveProperty("seq");
    const click = { points: [[0.5, 0.5]], point_labels: [1] };
    for (const change of [
      { type: "add_prompt", frame_index: 0, ...click },
      { type: "remove_object", obj_id: 0 },
      { type: "propagate_in_video" },
      { type: "cancel_propagation" },
      { type: "reset_session" },
      { type: "close_session" },
    ]) {
      expect(await watcher.expectError({ session_id: "s", ...change })).toMatchObject({
        code: "read_only",
        field: "session_id",
      });
    }
    expect(await client.expectResponse(get)).toMatchObject({ obj_ids: [0] });
    // Only the controller ends the session; the watcher is informed.
    await client.expectResponse({ type: "close_session", session_id: "s" });
    expect(await watcher.first(isEvent("session_detached"))).toMatchObject({ reason: "closed" });
    expect(client.received.filter(isEvent("session_detached"))).toEqual([]);
    expect((await watcher.expectError(get)).code).toBe("session_not_found");
  });

  test("a watcher that is too slow skips results, and receives their numbers", async () => {
    const heavy = createScriptedEngine({ maskBytes: 400_000 });
    const small = await startTestServer(
      { maxLogBytes: 1_000_000, maxBufferedBytes: 1000 },
      { engine: heavy },
    );
    const one = await small.connect();
    const session_token = await open(one);
    const before = lastSeq(one);
    const watcher = await small.connect();
    await watcher.expectResponse({ ...attach({ watch: true }), session_token });
    watcher.socket.pause();
    // The watcher does not slow the controller.
    expect((await streamAll(one)).frames).toHaveLength(FRAMES);
    watcher.socket.resume();
    await watcher.first(isDone);
    const skipped = watcher.received.filter(isEvent("results_skipped"));
    expect(skipped.length).toBeGreaterThan(0);
    const missing = skipped.flatMap((event) => {
      const { first_seq, last_seq } = event as EventMessage & { event: "results_skipped" };
      return upTo(last_seq - first_seq + 1).map((index) => first_seq + index);
    });
    expect([...seqs(watcher), ...missing].sort((a, b) => a - b)).toEqual(
      upTo(FRAMES + 1).map((index) => before + 1 + index),
    );
    await small.close();
  });

  test("a watcher becomes the controller by attaching again", async () => {
    const second = await server.connect();
    await second.expectResponse(attach({ watch: true }));
    await second.expectResponse(attach());
    expect(await client.first(isEvent("session_detached"))).toMatchObject({ reason: "taken_over" });
    await second.expectResponse({ type: "remove_object", session_id: "s", obj_id: 0 });
    expect(second.received.filter(isEvent("session_detached"))).toEqual([]);
  });

  test("a session that its owner closes without the controller is reported to the controller", async () => {
    await server.predictor.connect({ owner: "address loopback" }).answer({
      type: "close_session",
      session_id: "s",
      run_gc_collect: true,
      clear_cache_threshold: 80,
    });
    expect(await client.first(isEvent("session_detached"))).toMatchObject({
      session_id: "s",
      reason: "closed",
    });
  });
});

describe("bad input", () => {
  test("a wrong token and the token of an ended session get the same error", async () => {
    await client.expectResponse({ type: "close_session", session_id: "s" });
    const second = await server.connect();
    const ended = await second.expectError(attach());
    const wrong = await second.expectError(attach({ session_token: "x".repeat(32) }));
    expect(ended).toEqual(wrong);
    expect(ended).toEqual({
      code: "session_not_found",
      message: "No session has this token.",
      field: "session_token",
      retryable: false,
    });
  });

  test.each([
    ["a short token", { session_token: "abc" }, "invalid_field", "session_token"],
    ["a token with other characters", { session_token: "é".repeat(30) }, "invalid_field", "session_token"],
    ["no token", { session_token: undefined }, "missing_field", "session_token"],
    ["a negative after_seq", { after_seq: -1 }, "invalid_field", "after_seq"],
    ["an after_seq beyond the last result", { after_seq: 1000 }, "invalid_field", "after_seq"],
    ["watch as a text", { watch: "yes" }, "invalid_field", "watch"],
    ["an unknown field", { session_id: "s" }, "unknown_field", "session_id"],
  ])("%s", async (_, fields, code, field) => {
    const second = await server.connect();
    expect(await second.expectError(attach(fields))).toMatchObject({ code, field });
    // The controller is not affected.
    await client.expectResponse(get);
  });

  test("an after_seq beyond the last result names both numbers", async () => {
    const { message } = await client.expectError(attach({ after_seq: 1000 }));
    expect(message).toBe(`after_seq: expected at most ${base}, the last result of the session, got 1000`);
  });

  test("detaching from a session that the connection does not reach", async () => {
    const second = await server.connect();
    const error = await second.expectError({ type: "detach_session", session_id: "s" });
    expect(error).toMatchObject({ code: "session_not_found", field: "session_id" });
  });

  test("two sessions with one id on one connection", async () => {
    const request = { type: "start_session" as const, resource_path: clip, session_id: "s" };
    const other = server.predictor.connect({ owner: "other" });
    const answer = await other.answer({
      ...request,
      offload_state_to_cpu: false,
      offload_video_to_cpu: false,
    });
    const { session_token } = answer as { session_token: string };
    expect(await client.expectError(attach({ session_token }))).toMatchObject({ code: "session_exists" });
    // The token is valid whatever the owner.
    const second = await server.connect();
    expect(await second.expectResponse(attach({ session_token }))).toMatchObject({ session_id: "s" });
  });
});

test("a client leaves a session without ending it", async () => {
  const release = engine.hold("next");
  client.send(propagate);
  await engine.called("next 0");
  await client.expectResponse({ type: "detach_session", session_id: "s" });
  expect((await client.expectError(get)).code).toBe("session_not_found");
  release();
  await until(() => computed() === FRAMES);
  await client.expectResponse(attach({ after_seq: 2 }));
  expect((await client.streamOf("stream")).frames).toHaveLength(FRAMES);
});

test("get_server returns the pack, the limits in force and the sessions of the owner only", async () => {
  await server.predictor.connect({ owner: "other" }).answer({
    type: "start_session",
    resource_path: clip,
    offload_state_to_cpu: false,
    offload_video_to_cpu: false,
  });
  expect(await client.expectResponse({ type: "get_server" })).toMatchObject({
    tools: {
      ffmpeg: { version: expect.any(String), year: expect.any(Number) },
      ffprobe: { version: expect.any(String), year: expect.any(Number) },
      sandbox: expect.stringMatching(/^(bubblewrap|namespaces|limits|none)$/),
    },
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    protocol: "masklet.v1",
    pack: { id: "scripted", input_size: 16, capabilities: { text: true, mask_seed: true } },
    prompts: ["text", "exemplars", "points", "boxes", "masks"],
    features: expect.arrayContaining(["attach_session"]),
    limits: { idleTimeoutMs: IDLE_MS, framesPerWindow: 1024 },
    sessions: 1,
  });
});

test("the engine is asked to rebuild a session at once only while a client is attached", async () => {
  let hooks: SessionHooks = {};
  const watched: ScriptedEngine = Object.create(engine, {
    open: {
      value: (video: EngineVideo, given: SessionHooks) => {
        hooks = given;
        return engine.open(video, given);
      },
    },
  });
  const own = await startTestServer({}, { engine: watched });
  onTestFinished(() => own.close());
  const first = await own.connect();
  const session_token = await open(first);
  expect(hooks.isInUse?.()).toBe(true);
  await first.close();
  await until(() => hooks.isInUse?.() === false);
  await (await own.connect()).expectResponse({ type: "attach_session", session_token });
  expect(hooks.isInUse?.()).toBe(true);
});
