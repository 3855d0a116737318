/** Saved sessions: written by one server, continued by another, with the same model pack and with a changed one. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FrameMessage, savedSummarySchema } from "../../protocol/index.js";
import type { Fields, RawClient } from "../helpers/client.js";
import { mediaDirectory, mediaPath } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { copyCompactPack } from "../helpers/tiny-pack.js";

const FRAMES = 12;
const [WIDTH, HEIGHT] = [128, 96];

let first: TestServer;
let second: TestServer;
let client: RawClient;
let other: RawClient;
/** The file of a session that was saved after frame 5. */
let file: Buffer;
/** Frames 6 and later, as the saving server computed them afterwards. */
let continued: FrameMessage[];
let objectId: number;

async function paint(index: number): Promise<Buffer> {
  const svg = `<svg width="${WIDTH}" height="${HEIGHT}"><rect width="100%" height="100%" fill="#7c8a70"/><circle cx="${24 + 6 * index}" cy="48" r="15" fill="#d02a1c"/></svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

beforeAll(async () => {
  mkdirSync(mediaPath("circle"), { recursive: true });
  mkdirSync(mediaPath("short"), { recursive: true });
  for (let index = 0; index < FRAMES; index++) {
    writeFileSync(mediaPath(`circle/${index}.png`), await paint(index));
    if (index < 3) writeFileSync(mediaPath(`short/${index}.png`), await paint(index));
  }
  [first, second] = await Promise.all([startTestServer(), startTestServer({ maxSavedPerOwner: 4 })]);
  [client, other] = await Promise.all([first.connect(), second.connect()]);

  const { session_id } = await client.expectResponse({
    type: "start_session",
    resource_path: mediaPath("circle"),
  });
  const prompt = { type: "add_prompt", session_id, frame_index: 0, points: [[24, 48]], point_labels: [1] };
  objectId = (await client.expectResponse({ ...prompt, rel_coordinates: false })).obj_id as number;
  await client.expectResponse({
    type: "add_prompt",
    session_id,
    frame_index: 0,
    text: "blue square",
    text_label: 0,
  });
  await client.stream({
    type: "propagate_in_video",
    session_id,
    propagation_direction: "forward",
    max_frame_num_to_track: 5,
  });
  const saved = await client.expectResponse({ type: "save_session", session_id });
  const response = await fetch(`${first.http}/v1/saved/${saved.saved_id}`);
  file = Buffer.from(await response.arrayBuffer());
  expect(file.length).toBe(saved.bytes);
  expect(createHash("sha256").update(file).digest("hex")).toBe(saved.sha256);
  continued = await continueFrom6(client, session_id);
}, 60_000);

afterAll(() => Promise.all([first.close(), second.close()]));

async function continueFrom6(one: RawClient, session_id: unknown): Promise<FrameMessage[]> {
  const range = { start_frame_index: 6, propagation_direction: "forward" };
  return (await one.stream({ type: "propagate_in_video", session_id, ...range })).frames;
}

async function send(server: TestServer, bytes: Buffer): Promise<{ status: number; body: Fields }> {
  const response = await fetch(`${server.http}/v1/saved`, { method: "POST", body: new Uint8Array(bytes) });
  return { status: response.status, body: (await response.json()) as Fields };
}

const load = (saved_id: unknown, fields: Fields = {}) => ({
  type: "load_session",
  saved_id,
  resource_path: mediaPath("circle"),
  ...fields,
});

describe("a saved session", () => {
  test("continues on another server with the same bits", async () => {
    const { status, body } = await send(second, file);
    expect(status).toBe(201);
    const loaded = await other.expectResponse(load(body.saved_id));
    expect(loaded).toMatchObject({
      restored: "exactly",
      obj_ids: [objectId],
      stored_frames: 6,
      num_frames: FRAMES,
      session_token: expect.any(String),
    });
    const stored = await other.stream({
      type: "propagate_in_video",
      session_id: loaded.session_id,
      scope: "stored",
      propagation_direction: "forward",
      start_frame_index: 0,
    });
    expect(stored.frames.slice(0, 6).map(({ outputs }) => outputs.out_obj_ids)).toEqual(
      Array(6).fill([objectId]),
    );
    const { stale_frames } = await other.expectResponse({
      type: "get_session",
      session_id: loaded.session_id,
    });
    expect(stale_frames).toContainEqual({ obj_id: objectId, first_frame_index: 6, last_frame_index: 11 });
    const frames = await continueFrom6(other, loaded.session_id);
    expect(frames.map(({ frame_index }) => frame_index)).toEqual([6, 7, 8, 9, 10, 11]);
    expect(frames.map(({ outputs }) => outputs)).toEqual(continued.map(({ outputs }) => outputs));
  });

  test("continues from its masks with another model pack", async () => {
    const pack = await copyCompactPack();
    await pack.editManifest((manifest) => {
      manifest.id = "changed";
    });
    const server = await startTestServer({ packDir: pack.directory });
    try {
      const { body } = await send(server, file);
      const one = await server.connect();
      const loaded = await one.expectResponse(load(body.saved_id));
      expect(loaded).toMatchObject({ restored: "from_masks", obj_ids: [objectId], stored_frames: 6 });
      const { session_id } = loaded;
      expect(await one.expectResponse({ type: "get_session", session_id })).toMatchObject({
        negative_concepts: ["blue square"],
      });
      const frames = await continueFrom6(one, loaded.session_id);
      expect(frames.map(({ outputs }) => outputs.out_obj_ids)).toEqual(Array(6).fill([objectId]));
    } finally {
      await server.close();
    }
  });

  test("can be saved again and continued by the owner until it is deleted", async () => {
    const { body } = await send(second, file);
    const loaded = await other.expectResponse(load(body.saved_id));
    const again = await other.expectResponse({ type: "save_session", session_id: loaded.session_id });
    expect(again.saved_id).not.toBe(body.saved_id);
    const url = `${second.http}/v1/saved/${again.saved_id}`;
    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(url)).status).toBe(404);
    expect(await other.expectError(load(again.saved_id))).toMatchObject({
      code: "saved_not_found",
      field: "saved_id",
    });
  });

  test("outlives its server in a folder of the operator", async () => {
    const saveDir = join(mediaDirectory(), "kept");
    const before = await startTestServer({ saveDir });
    const { body } = await send(before, file);
    await before.close();
    const after = await startTestServer({ saveDir });
    try {
      const one = await after.connect();
      expect(await one.expectResponse(load(body.saved_id))).toMatchObject({ restored: "exactly" });
    } finally {
      await after.close();
    }
  });
});

test("is in the list of its owner, with the name of the video", async () => {
  const response = await fetch(`${first.http}/v1/saved`);
  const { saved } = (await response.json()) as { saved: unknown[] };
  const [entry] = saved.map((one) => savedSummarySchema.parse(one));
  const video = { width: WIDTH, height: HEIGHT, num_frames: FRAMES };
  expect(entry).toMatchObject({ name: "circle", bytes: file.length, video });
});

describe("a file that is not a saved session", () => {
  const flip = (at: number) => {
    const changed = Buffer.from(file);
    changed[at] = (changed[at] as number) ^ 0xff;
    return changed;
  };

  test.each([
    ["empty", () => Buffer.alloc(0)],
    ["text", () => Buffer.from("hello")],
    ["cut short", () => file.subarray(0, file.length - 40)],
    ["only its first half", () => file.subarray(0, file.length / 2)],
  ])("is refused when it is %s, and leaves nothing on disk", async (_, bytes) => {
    const { status, body } = await send(second, bytes());
    expect(status).toBe(422);
    expect(body.error).toMatchObject({ code: "saved_unreadable", field: "saved_id", retryable: false });
  });

  test("is refused at the latest when it is loaded, wherever one byte was changed", async () => {
    // Offsets over the whole file; the local headers of a ZIP repeat the directory and may be changed without effect.
    const offsets = Array.from(
      { length: 24 },
      (_, place) => Math.floor((place * (file.length - 30)) / 24) + 60,
    );
    for (const offset of offsets) {
      const { status, body } = await send(second, flip(offset));
      if (status !== 201) {
        expect((body.error as Fields).code).toBe("saved_unreadable");
        continue;
      }
      const answer = await other.ask(load(body.saved_id));
      if (answer.type === "error") expect(answer.error).toMatchObject({ code: "saved_unreadable" });
      else await other.expectResponse({ type: "close_session", session_id: answer.session_id });
      await fetch(`${second.http}/v1/saved/${body.saved_id}`, { method: "DELETE" });
    }
    expect((await fetch(`${second.http}/livez`)).status).toBe(200);
  });

  test("is refused for a video of another length", async () => {
    const { body } = await send(second, file);
    const error = await other.expectError(load(body.saved_id, { resource_path: mediaPath("short") }));
    expect(error).toMatchObject({
      code: "saved_mismatch",
      message: "The saved session is of a video with 12 frames of 128×96; this one has 3 frames of 128×96.",
    });
    await fetch(`${second.http}/v1/saved/${body.saved_id}`, { method: "DELETE" });
  });

  test.each([
    ["an id that is no id", { saved_id: "../../etc/passwd" }, "saved_not_found", "saved_id"],
    ["no video", { saved_id: "x", resource_path: null }, "missing_field", "resource_path"],
    ["two videos", { saved_id: "x", upload_id: "y" }, "invalid_field", "upload_id"],
  ])("is refused for %s", async (_, fields, code, field) => {
    expect(await other.expectError({ ...load("x"), ...fields })).toMatchObject({ code, field });
  });

  test("the number of files of an owner is limited", async () => {
    const answers = [];
    for (let sent = 0; sent < 6; sent++) answers.push(await send(second, file));
    expect(answers.at(-1)).toMatchObject({ status: 413, body: { error: { code: "saved_limit" } } });
  });
});

test("temporary files are gone when the server stops", async () => {
  const server = await startTestServer();
  await send(server, file);
  await server.close();
  const { tmpdir } = await import("node:os");
  const left = readdirSync(tmpdir()).filter(
    (name) => name.startsWith("masklet-uploads-") && name.includes(`-${process.pid}-`),
  );
  // The two servers of this file are still running.
  expect(left.length).toBeLessThanOrEqual(2);
});
