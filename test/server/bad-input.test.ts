/** Bad input of every kind, with the real model: each error has a code and a field, and session and socket stay open. */
import { mkdirSync, symlinkSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Fields, RawClient } from "../helpers/client.js";
import { cutShort, makeClip, makeSound, mediaPath } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let client: RawClient;
let session_id: string;
let outside: string;

beforeAll(async () => {
  server = await startTestServer();
  client = await server.connect();
  const clip = await makeClip({ name: "clip.mp4", frames: 8 });
  ({ session_id } = (await client.expectResponse({
    type: "start_session",
    resource_path: clip,
  })) as { session_id: string });

  outside = await mkdtemp(join(tmpdir(), "masklet-test-outside-"));
  await writeFile(join(outside, "secret.mp4"), "secret");
  symlinkSync(join(outside, "secret.mp4"), mediaPath("link.mp4"));
  symlinkSync(outside, mediaPath("link"));
  mkdirSync(mediaPath("empty-folder"));
  await writeFile(mediaPath("empty.mp4"), "");
  await writeFile(mediaPath("noise.mp4"), Buffer.alloc(5000, "noise"));
  await cutShort(clip, "truncated.mp4", 0.05);
  await makeSound("sound.m4a");
}, 180_000);

afterAll(async () => {
  await server.close();
  await rm(outside, { recursive: true });
});

const start = (resource_path: unknown): Fields => ({ type: "start_session", resource_path });
const prompt = (fields: Fields) => () => ({ type: "add_prompt", session_id, frame_index: 0, ...fields });
const click = (x: unknown, y: unknown, more: Fields = {}) =>
  prompt({ points: [[x, y]], point_labels: [1], ...more });
const propagate = (fields: Fields) => () => ({ type: "propagate_in_video", session_id, ...fields });

const triangle = [1, 1, 20, 1, 1, 20];

type Case = [name: string, code: string, field: string | undefined, message: () => Fields | string | Buffer];

const cases: Case[] = [
  ["text that is not JSON", "malformed_json", undefined, () => '{"type": '],
  ["NaN, which is not JSON", "malformed_json", undefined, () => '{"request_id":"1","x":NaN}'],
  ["JSON that is not an object", "malformed_json", undefined, () => "[1,2]"],
  ["a binary message", "binary_not_expected", undefined, () => Buffer.from('{"type":"get_session"}')],
  ["no type", "missing_field", "type", () => ({})],
  ["an unknown type", "unknown_type", "type", () => ({ type: "start_sesion" })],
  ["a type that is a property of every object", "unknown_type", "type", () => ({ type: "constructor" })],
  ["no request id", "missing_field", "request_id", () => '{"type":"get_session"}'],
  [
    "a request id that is a number",
    "invalid_field",
    "request_id",
    () => ({ type: "get_session", request_id: 7 }),
  ],
  [
    "an unknown session",
    "session_not_found",
    "session_id",
    () => ({ type: "get_session", session_id: "unknown" }),
  ],
  [
    "a prompt to an unknown session",
    "session_not_found",
    "session_id",
    click(0.5, 0.5, { session_id: "unknown" }),
  ],
  ["a missing field", "missing_field", "session_id", () => ({ type: "get_session" })],
  ["an extra field", "unknown_field", "frame_idx", prompt({ text: "dog", frame_idx: 1 })],
  ["an extra field from another request", "unknown_field", "text", propagate({ text: "dog" })],
  ["an ill-typed field", "invalid_field", "frame_index", prompt({ text: "dog", frame_index: "0" })],
  ["a fractional frame", "invalid_field", "frame_index", prompt({ text: "dog", frame_index: 0.5 })],
  ["a negative frame", "invalid_field", "frame_index", click(0.5, 0.5, { frame_index: -1 })],
  ["a frame past the end", "frame_out_of_range", "frame_index", click(0.5, 0.5, { frame_index: 8 })],
  ["a start past the end", "frame_out_of_range", "start_frame_index", propagate({ start_frame_index: 8 })],
  [
    "an unknown direction",
    "invalid_field",
    "propagation_direction",
    propagate({ propagation_direction: "up" }),
  ],
  [
    "a coordinate of NaN, which JSON turns into null",
    "invalid_field",
    "points[0][0]",
    click(Number.NaN, 0.5),
  ],
  [
    "an infinite coordinate",
    "invalid_field",
    "points[0][1]",
    () =>
      `{"type":"add_prompt","request_id":"inf","session_id":"${session_id}","frame_index":0,"points":[[0.5,1e999]],"point_labels":[1]}`,
  ],
  ["a negative coordinate", "invalid_field", "points[0][0]", click(-0.1, 0.5)],
  ["a relative coordinate above 1", "invalid_field", "points[0][1]", click(0.5, 1.01)],
  ["a negative pixel", "invalid_field", "points[0][0]", click(-1, 10, { rel_coordinates: false })],
  ["a pixel outside the frame", "invalid_field", "points[0][0]", click(97, 10, { rel_coordinates: false })],
  [
    "a point of three numbers",
    "invalid_field",
    "points[0]",
    prompt({ points: [[0, 0, 0]], point_labels: [1] }),
  ],
  [
    "a box that leaves the frame",
    "invalid_field",
    "bounding_boxes[0][2]",
    prompt({ bounding_boxes: [[0.5, 0.5, 0.6, 0.2]], obj_id: 1 }),
  ],
  [
    "a box without extent",
    "invalid_field",
    "bounding_boxes[0][3]",
    prompt({ bounding_boxes: [[0.5, 0.5, 0.2, 0]], obj_id: 1 }),
  ],
  ["points without labels", "missing_field", "point_labels", prompt({ points: [[0.5, 0.5]] })],
  [
    "fewer labels than points",
    "invalid_field",
    "point_labels",
    prompt({
      points: [
        [0.5, 0.5],
        [0.1, 0.1],
      ],
      point_labels: [1],
    }),
  ],
  [
    "a label that is neither 1 nor 0",
    "invalid_field",
    "point_labels[0]",
    prompt({ points: [[0.5, 0.5]], point_labels: [2] }),
  ],
  [
    "negative clicks alone for a new object",
    "invalid_field",
    "point_labels",
    prompt({ points: [[0.5, 0.5]], point_labels: [0], obj_id: 3 }),
  ],
  ["a mask without content", "missing_field", "mask.rle", prompt({ mask: {} })],
  ["a mask in an unknown form", "unknown_field", "mask.bitmap", prompt({ mask: { bitmap: "AAAA" } })],
  [
    "a mask in two forms",
    "invalid_field",
    "mask.polygons",
    prompt({ mask: { png: "", polygons: [triangle] } }),
  ],
  ["a mask with text", "invalid_field", "mask", prompt({ text: "dog", mask: { polygons: [triangle] } })],
  [
    "a mask with a box",
    "invalid_field",
    "bounding_boxes",
    prompt({ mask: { polygons: [triangle] }, bounding_boxes: [[0, 0, 1, 1]], obj_id: 1 }),
  ],
  [
    "a mask of another size",
    "invalid_field",
    "mask.rle.size",
    prompt({ mask: { rle: { size: [96, 64], counts: [0, 6144] } } }),
  ],
  [
    "a mask that is no RLE",
    "invalid_field",
    "mask.rle.counts",
    prompt({ mask: { rle: { size: [64, 96], counts: 7 } } }),
  ],
  [
    "a mask without a pixel",
    "invalid_field",
    "mask",
    prompt({ mask: { rle: { size: [64, 96], counts: [6144] } } }),
  ],
  ["a mask that is no PNG", "invalid_field", "mask.png", prompt({ mask: { png: "AAAA" } })],
  [
    "a polygon of two points",
    "invalid_field",
    "mask.polygons[0]",
    prompt({ mask: { polygons: [[1, 1, 2, 2]] } }),
  ],
  [
    "a polygon with half a point",
    "invalid_field",
    "mask.polygons[0]",
    prompt({ mask: { polygons: [[...triangle, 1]] } }),
  ],
  [
    "a polygon outside the frame",
    "invalid_field",
    "mask.polygons[0][0]",
    prompt({ mask: { polygons: [[97, 1, 5, 9, 1, 9]] } }),
  ],
  [
    "a mask of too many vertices",
    "invalid_field",
    "mask.polygons",
    prompt({ mask: { polygons: [Array(20_002).fill(1)] } }),
  ],
  ["a prompt without content", "missing_field", "text", prompt({})],
  [
    "text with points",
    "invalid_field",
    "points",
    prompt({ text: "dog", points: [[0.5, 0.5]], point_labels: [1] }),
  ],
  [
    "an unknown object",
    "object_not_found",
    "obj_id",
    () => ({ type: "remove_object", session_id, obj_id: 77 }),
  ],
  ["propagation without a prompt", "nothing_prompted", undefined, propagate({})],
  [
    "propagation without a prompt from a start frame",
    "nothing_prompted",
    undefined,
    propagate({ start_frame_index: 2 }),
  ],
  ["a session id in use", "session_exists", "session_id", () => ({ ...start("clip.mp4"), session_id })],
  ["neither path nor upload", "missing_field", "resource_path", () => ({ type: "start_session" })],
  ["path and upload", "invalid_field", "upload_id", () => ({ ...start("clip.mp4"), upload_id: "x" })],
  ["an unknown upload", "upload_not_found", "upload_id", () => ({ type: "start_session", upload_id: "x" })],
  ["a path that does not exist", "resource_not_found", "resource_path", () => start("nothing.mp4")],
  ["a path with ..", "resource_forbidden", "resource_path", () => start("../../etc/passwd")],
  ["an absolute path outside", "resource_forbidden", "resource_path", () => start("/etc/passwd")],
  ["a link that leads outside", "resource_forbidden", "resource_path", () => start("link.mp4")],
  ["a path through a link outside", "resource_forbidden", "resource_path", () => start("link/secret.mp4")],
  ["a URL", "resource_forbidden", "resource_path", () => start("http://127.0.0.1/x.mp4")],
  ["an empty file", "media_unreadable", "resource_path", () => start("empty.mp4")],
  ["a file that is not media", "media_unsupported", "resource_path", () => start("noise.mp4")],
  ["a file with sound only", "media_unsupported", "resource_path", () => start("sound.m4a")],
  ["a truncated video", "media_unreadable", "resource_path", () => start("truncated.mp4")],
  ["a folder without images", "media_unsupported", "resource_path", () => start("empty-folder")],
];

test.each(cases)("refuses %s with %s at %s, and keeps the session", async (_name, code, field, message) => {
  const error = await client.expectError(message());
  expect(error).toMatchObject({ code, message: expect.stringMatching(/./) });
  expect(error.field).toBe(field);
  expect(error.message).not.toContain(outside);
  const facts = await client.expectResponse({ type: "get_session", session_id });
  expect(facts).toMatchObject({ num_frames: 8, obj_ids: [], propagating: false });
});

test("the session still tracks after all errors", async () => {
  await client.expectResponse(click(0.5, 0.5)());
  const { frames, end } = await client.stream(propagate({ max_frame_num_to_track: 1 })());
  expect(frames.map((frame) => frame.frame_index)).toEqual([0, 1]);
  expect(end).toMatchObject({ type: "done", num_frames: 2, cancelled: false });
  expect((await server.health()).sessions).toBe(1);
});
