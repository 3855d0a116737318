/** Conversations of PROTOCOL.md that depend on the order of messages, with a scripted engine and real sockets. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let engine: ScriptedEngine;
let server: TestServer;
let client: RawClient;
let clip: string;

beforeEach(async () => {
  clip = await makeClip({ name: "conversation.mp4", frames: 12 });
  engine = createScriptedEngine();
  server = await startTestServer({}, { engine });
  client = await server.connect();
});

afterEach(() => server.close());

test("closing a session that is still loading abandons the start", async () => {
  const release = engine.hold("open");
  const start = client.ask({ type: "start_session", session_id: "clip", resource_path: clip });
  const close = client.ask({ type: "close_session", session_id: "clip" });
  const get = client.ask({ type: "get_session", session_id: "clip" });
  await client.arrived();
  release();
  expect(await start).toMatchObject({
    type: "error",
    error: {
      code: "session_not_found",
      message: "The session was closed while it was being started.",
      retryable: false,
    },
  });
  expect(await get).toMatchObject({ type: "error", error: { code: "session_not_found" } });
  expect(await close).toMatchObject({ type: "response", is_success: true });
  expect((await server.health()).sessions).toBe(0);
});

test("closing a session that is still loading answers earlier requests first", async () => {
  const release = engine.hold("open");
  const start = client.ask({ type: "start_session", session_id: "clip", resource_path: clip });
  const get = client.ask({ type: "get_session", session_id: "clip" });
  const close = client.ask({ type: "close_session", session_id: "clip" });
  await client.arrived();
  release();
  expect(await start).toMatchObject({ type: "response", session_id: "clip" });
  expect(await get).toMatchObject({ type: "response", session_id: "clip" });
  expect(await close).toMatchObject({ type: "response", is_success: true });
  expect((await server.health()).sessions).toBe(0);
});

test("without a start frame, a propagation starts at the smallest prompted frame", async () => {
  await client.expectResponse({ type: "start_session", session_id: "s", resource_path: clip });
  const click = { points: [[0.5, 0.5]], point_labels: [1] };
  for (const frame_index of [7, 5]) {
    await client.expectResponse({ type: "add_prompt", session_id: "s", frame_index, ...click });
  }
  const framesOf = async (propagation_direction: string) => {
    const { frames } = await client.stream({
      ...{ type: "propagate_in_video", session_id: "s" },
      propagation_direction,
    });
    return frames.map((frame) => frame.frame_index);
  };
  expect(await framesOf("backward")).toEqual([4, 3, 2, 1, 0]);
  // Under the presets that start at visited frames this is 0: test/server/sam3-propagation.test.ts.
  expect(await framesOf("forward")).toEqual([5, 6, 7, 8, 9, 10, 11]);
});
