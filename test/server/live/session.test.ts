/** Live sessions over a socket, on the embedded pack. */
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  decodeMask,
  encodeEnvelope,
  type FrameMessage,
  type ServerMessage,
} from "../../../protocol/index.js";
import type { Fields, RawClient } from "../../helpers/client.js";
import { makeClip } from "../../helpers/media.js";
import { startRtspServer } from "../../helpers/rtsp-server.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

const WIDTH = 160;
const HEIGHT = 120;
const RADIUS = 18;

let server: TestServer;
let client: RawClient;
let requests = 0;

beforeAll(async () => {
  server = await startTestServer({ cameraHosts: ["127.0.0.1"], liveFramesKept: 6, maxFrameBytes: 200_000 });
});
beforeEach(async () => {
  client = await server.connect();
});
afterEach(() => client.close());
afterAll(() => server.close());

/** A red disc at a place that moves with the frame, on a grey background. */
const centreOf = (index: number) => [30 + index * 4, 60] as const;

function picture(index: number, { width = WIDTH, height = HEIGHT } = {}): Promise<Buffer> {
  const [x, y] = centreOf(index);
  const svg = `<svg width="${width}" height="${height}"><rect width="100%" height="100%" fill="#8a8f86"/><circle cx="${x}" cy="${y}" r="${RADIUS}" fill="#d0261f"/></svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 95 }).toBuffer();
}

const pictures = await Promise.all(Array.from({ length: 24 }, (_, index) => picture(index)));

async function start(fields: Fields = {}): Promise<string> {
  const answer = await client.expectResponse({ type: "start_session", live: true, ...fields });
  return answer.session_id as string;
}

/** Sends a frame at once, and resolves to its answer. */
function push(session_id: string, bytes: Uint8Array, fields: Fields = {}): Promise<ServerMessage & Fields> {
  const request_id = `push-${++requests}`;
  client.send(Buffer.from(encodeEnvelope({ type: "push_frame", request_id, session_id, ...fields }, bytes)));
  return client.first((message) => "request_id" in message && message.request_id === request_id) as Promise<
    ServerMessage & Fields
  >;
}

/** Share of the disc's pixels among those of the mask and the disc together. */
function iouWithDisc({ outputs, frame_index }: FrameMessage): number {
  const mask = outputs.out_binary_masks?.[0];
  if (!mask) return 0;
  const { data } = decodeMask(mask);
  const [cx, cy] = centreOf(frame_index);
  let both = 0;
  let either = 0;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const inDisc = (x - cx) ** 2 + (y - cy) ** 2 <= RADIUS ** 2;
      const inMask = data[y * WIDTH + x] === 1;
      if (inDisc && inMask) both++;
      if (inDisc || inMask) either++;
    }
  }
  return both / either;
}

describe("pushed frames", () => {
  test("are numbered in order, answered one to one, and tracked from the first prompt on", async () => {
    const session_id = await start();
    const before = (await push(session_id, pictures[0] as Buffer)) as FrameMessage;
    expect(before).toMatchObject({ type: "frame", frame_index: 0, session_id, outputs: { out_obj_ids: [] } });

    const [x, y] = centreOf(0);
    const prompt = await client.expectResponse({
      type: "add_prompt",
      session_id,
      frame_index: "latest",
      points: [[x, y]],
      point_labels: [1],
      rel_coordinates: false,
    });
    expect(prompt.frame_index).toBe(0);

    const answers = await Promise.all(pictures.slice(1, 12).map((bytes) => push(session_id, bytes)));
    expect(answers.map(({ type }) => type)).toEqual(Array(11).fill("frame"));
    expect(answers.map(({ frame_index }) => frame_index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for (const answer of answers) expect(iouWithDisc(answer as FrameMessage)).toBeGreaterThan(0.7);
    const times = answers.map((answer) => (answer as FrameMessage).timestamp_us as number);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test("follow a phrase and a prompt on an earlier frame", async () => {
    const session_id = await start({ width: WIDTH, height: HEIGHT });
    for (const bytes of pictures.slice(0, 4)) await push(session_id, bytes);
    const prompt = await client.expectResponse({
      type: "add_prompt",
      session_id,
      frame_index: 2,
      text: "red circle",
    });
    expect((prompt.outputs as FrameMessage["outputs"]).out_obj_ids).toEqual([0]);
    for (const bytes of pictures.slice(4, 9)) {
      expect(iouWithDisc((await push(session_id, bytes)) as FrameMessage)).toBeGreaterThan(0.7);
    }
  });

  test("keep the times that the client gives", async () => {
    const session_id = await start();
    expect(await push(session_id, pictures[0] as Buffer, { timestamp_us: 123_456 })).toMatchObject({
      timestamp_us: 123_456,
    });
  });

  test("that a session no longer keeps cannot be prompted", async () => {
    const session_id = await start();
    for (const bytes of pictures.slice(0, 9)) await push(session_id, bytes);
    const error = await client.expectError({
      type: "add_prompt",
      session_id,
      frame_index: 1,
      text: "red circle",
    });
    expect(error).toMatchObject({
      code: "frame_out_of_range",
      message: "Frame 1 cannot be read; the session keeps its last frames, which are 3..8.",
      field: "frame_index",
    });
  });

  test("are answered before the session is closed", async () => {
    const session_id = await start();
    await push(session_id, pictures[0] as Buffer);
    const latest = { session_id, frame_index: "latest" };
    await client.expectResponse({ type: "add_prompt", ...latest, text: "red circle" });
    const answers = pictures.slice(1, 11).map((bytes) => push(session_id, bytes));
    const closed = client.expectResponse({ type: "close_session", session_id });
    const late = push(session_id, pictures[11] as Buffer);
    expect((await Promise.all(answers)).map(({ type }) => type)).toEqual(Array(10).fill("frame"));
    expect(await late).toMatchObject({ error: { code: "session_not_found" } });
    await closed;
  });

  test("are dropped from the oldest on when the session asks for it, and each is answered", async () => {
    const session_id = await start({ drop: "oldest" });
    await push(session_id, pictures[0] as Buffer);
    await client.expectResponse({
      type: "add_prompt",
      session_id,
      frame_index: "latest",
      text: "red circle",
    });
    const answers = await Promise.all(pictures.slice(1, 21).map((bytes) => push(session_id, bytes)));
    const kinds = new Set(answers.map(({ type }) => type));
    expect(kinds).toEqual(new Set(["frame", "frame_dropped"]));
    expect(answers.map(({ frame_index }) => frame_index)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    expect(answers.at(-1)?.type).toBe("frame");
    expect(iouWithDisc(answers.at(-1) as FrameMessage)).toBeGreaterThan(0.6);
  });
});

describe("a pushed frame that cannot be used is rejected, and the session goes on", () => {
  test.each([
    ["text", Buffer.from("this is not a picture"), "media_unsupported"],
    ["no bytes", Buffer.alloc(0), "media_unreadable"],
    ["a JPEG cut short", pictures[1]?.subarray(0, 300) as Buffer, "media_unreadable"],
  ])("%s", async (_, bytes, code) => {
    const session_id = await start();
    await push(session_id, pictures[0] as Buffer);
    expect(await push(session_id, bytes)).toMatchObject({ type: "error", error: { code } });
    expect(await push(session_id, pictures[1] as Buffer)).toMatchObject({ type: "frame" });
  });

  test("another size than before", async () => {
    const session_id = await start();
    await push(session_id, pictures[0] as Buffer);
    expect(await push(session_id, await picture(1, { width: 80, height: 60 }))).toMatchObject({
      type: "error",
      error: {
        code: "media_unsupported",
        message: "Frame 1 is 80×60; expected 160×120, the size of this session.",
      },
    });
    expect(await push(session_id, pictures[1] as Buffer)).toMatchObject({ type: "frame", frame_index: 2 });
  });

  test.each([
    ["text", () => Buffer.from("this is not a picture")],
    ["another size", () => picture(1, { width: 80, height: 60 })],
    ["the first half of a JPEG", () => pictures[1]?.subarray(0, pictures[1].length / 2) as Buffer],
  ])("%s, and the latest frame is the one before it", async (_, bytes) => {
    const session_id = await start();
    await push(session_id, pictures[0] as Buffer);
    expect(await push(session_id, await bytes())).toMatchObject({ type: "error" });
    const latest = { session_id, frame_index: "latest" };
    const prompt = { type: "add_prompt", ...latest, points: [[0.5, 0.5]], point_labels: [1] };
    expect(await client.expectResponse(prompt)).toMatchObject({ frame_index: 0 });
  });

  test("a damaged first frame, which does not set the size", async () => {
    const session_id = await start();
    const damaged = (await picture(0, { width: 320, height: 240 })).subarray(0, 1500);
    expect(await push(session_id, damaged)).toMatchObject({ error: { code: "media_unreadable" } });
    const latest = { type: "add_prompt", session_id, frame_index: "latest", text: "red circle" };
    expect(await client.expectError(latest)).toMatchObject({
      code: "frame_out_of_range",
      message: 'frame_index: no frame has arrived yet, got "latest"',
      field: "frame_index",
    });
    expect(await push(session_id, pictures[1] as Buffer)).toMatchObject({ type: "frame", frame_index: 1 });
    const facts = await client.expectResponse({ type: "get_session", session_id });
    expect(facts).toMatchObject({ width: WIDTH, height: HEIGHT, num_frames: 2 });
  });

  test("a session that is not live", async () => {
    const clip = await makeClip({ name: "not-live.mp4", frames: 3 });
    const { session_id } = await client.expectResponse({ type: "start_session", resource_path: clip });
    expect(await push(session_id as string, pictures[0] as Buffer)).toMatchObject({
      error: { code: "wrong_session_kind" },
    });
    const latest = { type: "add_prompt", session_id, frame_index: "latest", text: "ball" };
    expect(await client.expectError(latest)).toMatchObject({
      code: "wrong_session_kind",
      field: "frame_index",
    });
  });
});

describe("binary messages that are not a push_frame", () => {
  test.each([
    ["too short", Buffer.of(1, 2), "expected 4 bytes"],
    ["a header longer than the message", Buffer.of(0, 0, 1, 0, 1, 2, 3), "expected a header of 256 bytes"],
    ["a header that is not JSON", Buffer.concat([Buffer.of(0, 0, 0, 3), Buffer.from("abc")]), "JSON"],
  ])("%s", async (_, bytes, message) => {
    const error = await client.expectError(bytes);
    expect(error).toMatchObject({ code: "binary_not_expected", message: expect.stringContaining(message) });
  });

  test.each([
    [{ type: "add_prompt", request_id: "a" }, "unknown_type", "type"],
    [{ type: "push_frame", request_id: "a" }, "missing_field", "session_id"],
    [{ type: "push_frame", request_id: "a", session_id: "x", sise: 3 }, "unknown_field", "sise"],
    [{ type: "push_frame", request_id: "a", session_id: "x" }, "session_not_found", undefined],
  ])("%j", async (header, code, field) => {
    client.send(Buffer.from(encodeEnvelope(header, pictures[0] as Buffer)));
    const answer = await client.first((one) => one.type === "error");
    expect(answer).toMatchObject({ request_id: "a", error: { code, ...(field !== undefined && { field }) } });
  });
});

describe("the sources of a live session", () => {
  test.each([
    [{ live: true, resource_path: "a.mp4" }, "live"],
    [{ live: false }, "resource_path"],
    [{ resource_path: "a.mp4", drop: "oldest" }, "drop"],
    [{ resource_path: "a.mp4", width: 3, height: 3 }, "width"],
    [{ live: true, width: 3 }, "height"],
    [{ camera_url: "rtsp://cam/x", drop: "none" }, "drop"],
    [{ camera_url: "file:///etc/passwd" }, "camera_url"],
    [{ live: true, policy: { hotstart_unmatch_thresh: -1 } }, "policy.hotstart_unmatch_thresh"],
  ])("%j is rejected at %s", async (fields, field) => {
    const error = await client.expectError({ type: "start_session", ...fields });
    expect(error.field).toBe(field);
  });

  test("a propagation over pushed frames is rejected", async () => {
    const session_id = await start();
    const error = await client.expectError({ type: "propagate_in_video", session_id });
    expect(error.code).toBe("wrong_session_kind");
  });

  test("a camera on a host that is not listed is forbidden", async () => {
    const error = await client.expectError({ type: "start_session", camera_url: "rtsp://localhost:1/x" });
    expect(error).toMatchObject({ code: "camera_forbidden", field: "camera_url" });
  });

  test("a camera is followed until the propagation is cancelled", async () => {
    await using camera = await startRtspServer();
    const { session_id } = await client.expectResponse({ type: "start_session", camera_url: camera.url });
    await expect
      .poll(async () => (await client.expectResponse({ type: "get_session", session_id })).num_frames, {
        timeout: 20_000,
      })
      .toBeGreaterThan(0);
    await client.expectResponse({
      type: "add_prompt",
      session_id,
      frame_index: "latest",
      points: [[0.5, 0.5]],
      point_labels: [1],
    });
    const id = client.send({ type: "propagate_in_video", session_id });
    const isFrame = (one: ServerMessage) =>
      one.type === "frame" && one.request_id === id && one.frame_index > 8;
    const isEnd = (one: ServerMessage) => one.type === "error" && one.request_id === id;
    expect(await client.first((one) => isFrame(one) || isEnd(one))).toMatchObject({ type: "frame" });
    await client.expectResponse({ type: "cancel_propagation", session_id });
    const { frames, end } = await client.streamOf(id);
    expect(end).toMatchObject({ type: "done", cancelled: true, num_frames: frames.length });
    const indices = frames.map(({ frame_index }) => frame_index);
    expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
    await client.expectResponse({ type: "close_session", session_id });
  });
});
