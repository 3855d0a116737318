/** Sessions over real sockets with the real model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeMask, type FrameMessage } from "../../protocol/index.js";
import type { Fields, RawClient } from "../helpers/client.js";
import { makeClip, paintDisc } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let short: string;
let long: string;

beforeAll(async () => {
  short = await makeClip({ name: "short.mp4", frames: 6, paint: paintDisc });
  long = await makeClip({ name: "long.mp4", frames: 150 });
  server = await startTestServer();
}, 180_000);

afterAll(() => server.close());

const indices = (frames: FrameMessage[]) => frames.map((frame) => frame.frame_index);
const click = { points: [[0.5, 0.5]], point_labels: [1] };

async function openSession(client: RawClient, resource_path: string): Promise<string> {
  const answer = await client.expectResponse({ type: "start_session", resource_path });
  return answer.session_id as string;
}

async function openClicked(client: RawClient, resource_path: string, frame_index = 0): Promise<string> {
  const session_id = await openSession(client, resource_path);
  await client.expectResponse({ type: "add_prompt", session_id, frame_index, ...click });
  return session_id;
}

test("propagates from a middle frame in both directions over every frame exactly once", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, short, 3);
  const { frames, end } = await client.stream({ type: "propagate_in_video", session_id });
  expect(indices(frames)).toEqual([3, 4, 5, 2, 1, 0]);
  expect(end).toMatchObject({ type: "done", session_id, num_frames: 6, cancelled: false });
  expect(frames.map((frame) => frame.timestamp_us)).toEqual([120_000, 160_000, 200_000, 80_000, 40_000, 0]);
  await client.close();
});

test("starts at the smallest prompted frame by default", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, short, 4);
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 2, ...click });
  const forward = { type: "propagate_in_video", session_id, propagation_direction: "forward" };
  expect(indices((await client.stream(forward)).frames)).toEqual([2, 3, 4, 5]);
  const two = { ...forward, start_frame_index: 1, max_frame_num_to_track: 1 };
  expect(indices((await client.stream(two)).frames)).toEqual([1, 2]);
  const back = { ...forward, propagation_direction: "backward", start_frame_index: 2 };
  expect(indices((await client.stream(back)).frames)).toEqual([1, 0]);
  await client.close();
});

test("answers a click with the object's id and its mask at the size of the video", async () => {
  const client = await server.connect();
  const session_id = await openSession(client, short);
  const pixels = { points: [[48, 32]], point_labels: [1], rel_coordinates: false };
  const answer = await client.expectResponse({ type: "add_prompt", session_id, frame_index: 1, ...pixels });
  expect(answer).toMatchObject({ frame_index: 1, obj_id: 0 });
  const box = { bounding_boxes: [[0.3, 0.3, 0.4, 0.4]], obj_id: 7 };
  const second = await client.expectResponse({ type: "add_prompt", session_id, frame_index: 1, ...box });
  expect(second).toMatchObject({ obj_id: 7 });
  const outputs = second.outputs as FrameMessage["outputs"];
  expect(outputs.out_obj_ids).toContain(7);
  for (const mask of outputs.out_binary_masks ?? []) {
    expect(mask.size).toEqual([64, 96]);
    expect(decodeMask(mask).data.some((bit) => bit === 1)).toBe(true);
  }
  const facts = await client.expectResponse({ type: "get_session", session_id });
  expect(facts).toMatchObject({
    obj_ids: [0, 7],
    width: 96,
    height: 64,
    num_frames: 6,
    pack: { id: "compact" },
  });
  await client.close();
});

test("accumulates phrases, replaces them on request, and removes everything on reset", async () => {
  const client = await server.connect();
  const session_id = await openSession(client, short);
  for (const text of ["red circle", "dog"]) {
    await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text });
  }
  const facts = () => client.expectResponse({ type: "get_session", session_id });
  expect((await facts()).concepts).toEqual(["red circle", "dog"]);
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text: "cat", replace: true });
  expect((await facts()).concepts).toEqual(["cat"]);
  await client.expectResponse({ type: "reset_session", session_id });
  expect(await facts()).toMatchObject({ concepts: [], obj_ids: [] });
  expect((await client.expectError({ type: "propagate_in_video", session_id })).code).toBe(
    "nothing_prompted",
  );
  await client.close();
});

test("removes an object, and refuses to propagate without any", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, short);
  const removal = { type: "remove_object", session_id, obj_id: 0 };
  expect(await client.expectResponse(removal)).toMatchObject({ is_success: true });
  expect((await client.expectError(removal)).code).toBe("object_not_found");
  expect((await client.expectError({ type: "propagate_in_video", session_id })).code).toBe(
    "nothing_prompted",
  );
  await client.close();
});

test("answers pings between the frames while the model works", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, long);
  const order: string[] = [];
  client.socket.on("pong", () => order.push("pong"));
  client.socket.on("message", (data) => {
    if (!data.toString().startsWith('{"type":"frame"')) return;
    order.push("frame");
    client.socket.ping();
  });
  const stream = { type: "propagate_in_video", session_id, max_frame_num_to_track: 9 };
  await client.stream(stream);
  // A thread that runs the model answers a ping only after the next frame; this thread answers at once.
  const prompt = order.filter(
    (event, i) => event === "pong" && order[i - 1] === "frame" && order[i + 1] === "frame",
  );
  expect(prompt.length).toBeGreaterThanOrEqual(5);
  await client.close();
});

test("cancels within two frames, sends those already computed, and serves the next request", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, long);
  const id = client.send({ type: "propagate_in_video", session_id });
  await client.first((message) => message.type === "frame" && message.frame_index === 2);
  const before = client.received.filter((message) => message.type === "frame").length;
  await client.expectResponse({ type: "cancel_propagation", session_id });
  const { frames, end } = await client.streamOf(id);
  expect(end).toMatchObject({ type: "done", cancelled: true, num_frames: frames.length });
  expect(frames.length).toBeLessThanOrEqual(before + 2);
  expect(indices(frames)).toEqual(frames.map((_, i) => i));

  const again = { type: "propagate_in_video", session_id, start_frame_index: 3, max_frame_num_to_track: 0 };
  expect(indices((await client.stream(again)).frames)).toEqual([3]);
  expect(await client.expectResponse({ type: "cancel_propagation", session_id })).toMatchObject({
    is_success: true,
  });
  await client.close();
});

test("runs one propagation of a session at a time, and refuses the second", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, long);
  const id = client.send({ type: "propagate_in_video", session_id });
  const second = client.send({ type: "propagate_in_video", session_id });
  const { frames, end } = await client.streamOf(second);
  expect(frames).toEqual([]);
  expect(end).toMatchObject({ type: "error", error: { code: "propagation_in_progress", retryable: true } });
  const facts = await client.expectResponse({ type: "get_session", session_id });
  expect(facts.propagating).toBe(true);
  await client.expectResponse({ type: "cancel_propagation", session_id });
  expect((await client.streamOf(id)).end).toMatchObject({ type: "done", cancelled: true });
  await client.close();
});

test("accepts a prompt and a removal during a propagation", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, long);
  const id = client.send({ type: "propagate_in_video", session_id, max_frame_num_to_track: 8 });
  await client.first((message) => message.type === "frame" && message.frame_index === 1);
  const box = { bounding_boxes: [[0.1, 0.1, 0.4, 0.4]], obj_id: 5 };
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 1, ...box });
  await client.expectResponse({ type: "remove_object", session_id, obj_id: 0 });
  const removedAfter = client.received.filter((message) => message.type === "frame").length;
  const { frames, end } = await client.streamOf(id);
  expect(end).toMatchObject({ type: "done", num_frames: 9 });
  // The frame that was being computed when the removal was answered may still contain the object.
  for (const frame of frames.slice(removedAfter + 1)) expect(frame.outputs.out_obj_ids).not.toContain(0);
  expect(await client.expectResponse({ type: "get_session", session_id })).toMatchObject({ obj_ids: [5] });
  await client.close();
});

test("hides a session from other connections, also of the same owner", async () => {
  const [one, two] = [await server.connect(), await server.connect()];
  const start = { type: "start_session", session_id: "mine" };
  await one.expectResponse({ ...start, resource_path: short });
  const get = { type: "get_session", session_id: "mine" };
  expect((await two.expectError(get)).code).toBe("session_not_found");
  // The ids of an owner are unique, so that they identify its sessions over HTTP.
  expect((await two.expectError({ ...start, resource_path: long })).code).toBe("session_exists");
  await two.expectResponse({ type: "close_session", session_id: "mine" });
  expect((await one.expectResponse(get)).num_frames).toBe(6);
  await one.close();
  await two.close();
});

test("serves several clients concurrently, each with its own frames", async () => {
  const clients = await Promise.all([1, 2, 3].map(() => server.connect()));
  const streams = await Promise.all(
    clients.map(async (client, i) => {
      const session_id = await openClicked(client, short, i);
      return client.stream({ type: "propagate_in_video", session_id });
    }),
  );
  for (const [i, { frames }] of streams.entries()) {
    expect(indices(frames).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(frames[0]?.frame_index).toBe(i);
  }
  await Promise.all(clients.map((client) => client.close()));
});

test("closes a session, also twice, and frees its place", async () => {
  const client = await server.connect();
  const session_id = await openClicked(client, long);
  const { sessions } = await server.health();
  const id = client.send({ type: "propagate_in_video", session_id });
  await client.first((message) => message.type === "frame");
  const close: Fields = { type: "close_session", session_id };
  expect(await client.expectResponse(close)).toMatchObject({ is_success: true });
  expect((await client.streamOf(id)).end).toMatchObject({ type: "done", cancelled: true });
  expect(await client.expectResponse(close)).toMatchObject({ is_success: true });
  expect((await client.expectError({ type: "get_session", session_id })).code).toBe("session_not_found");
  expect((await server.health()).sessions).toBe(sessions - 1);
  await client.close();
});
