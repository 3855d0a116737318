/**
 * Two owners on one address try every request on each other's ids. An id of another owner must get the same answer as an id that
 * does not exist, and must change nothing.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  encodeEnvelope,
  REQUEST_PATH,
  REQUEST_SCHEMAS,
  type RequestType,
  SAVED_PATH,
  SESSIONS_PATH,
  STREAM_REQUEST_PATH,
  TUS_PATH,
  UPLOADS_PATH,
} from "../../../protocol/index.js";
import type { RawClient } from "../../helpers/client.js";
import { makeKeys } from "../../helpers/keys.js";
import { makeClip, makeStill } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

/** Ids of one owner, or ids that do not exist. */
interface Ids {
  session_id: string;
  live_id: string;
  upload_id: string;
  saved_id: string;
  tus_id: string;
}

/**
 * A valid request of every type about the ids. Null: the type names nothing of an owner by its id, and a test below covers
 * it. A new type does not compile without an entry.
 */
const REQUESTS: { [Type in RequestType]: ((ids: Ids) => object) | null } = {
  start_session: ({ upload_id }) => ({ upload_id }),
  load_session: ({ saved_id }) => ({ saved_id, resource_path: "two-owners.mp4" }),
  add_prompt: ({ session_id }) => ({ session_id, frame_index: 0, text: "ball" }),
  predict: ({ session_id }) => ({ session_id, boxes: [[0, 0, 1, 1]] }),
  propagate_in_video: ({ session_id }) => ({ session_id }),
  cancel_propagation: ({ session_id }) => ({ session_id }),
  remove_object: ({ session_id }) => ({ session_id, obj_id: 0 }),
  reset_session: ({ session_id }) => ({ session_id }),
  close_session: ({ session_id }) => ({ session_id }),
  get_session: ({ session_id }) => ({ session_id }),
  list_suspects: ({ session_id }) => ({ session_id }),
  undo: ({ session_id }) => ({ session_id }),
  redo: ({ session_id }) => ({ session_id }),
  save_session: ({ session_id }) => ({ session_id }),
  detach_session: ({ session_id }) => ({ session_id }),
  lock_frames: ({ session_id }) => ({ session_id, obj_id: 0, first_frame_index: 0, last_frame_index: 0 }),
  mark_absent: ({ session_id }) => ({ session_id, obj_id: 0, first_frame_index: 0, last_frame_index: 0 }),
  merge_objects: ({ session_id }) => ({ session_id, obj_id: 0, other_obj_ids: [1] }),
  split_object: ({ session_id }) => ({ session_id, obj_id: 0, frame_index: 1 }),
  swap_objects: ({ session_id }) => ({ session_id, obj_id: 0, other_obj_id: 1, frame_index: 0 }),
  rename: ({ session_id }) => ({ session_id, obj_id: 0, name: "mine" }),
  remove_concept: ({ session_id }) => ({ session_id, concept: "ball" }),
  // By its token, whatever the owner.
  attach_session: null,
  authenticate: null,
  get_server: null,
};

const { keysFile, keys } = makeKeys("ann", "bob");
type Name = keyof typeof keys;
let server: TestServer;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "two-owners.mp4", frames: 4 });
});

const tus = { "tus-resumable": "1.0.0" };

async function call(
  who: Name,
  method: string,
  path: string,
  headers = {},
  body?: string | Uint8Array<ArrayBuffer>,
) {
  const authorization = `Bearer ${keys[who]}`;
  const response = await fetch(server.http + path, {
    method,
    headers: { authorization, ...headers },
    ...(body !== undefined && { body }),
  });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

const post = (who: Name, path: string, body: object) =>
  call(who, "POST", path, { "content-type": "application/json" }, JSON.stringify(body));

/** What an owner has: two sessions, a finished and an unfinished upload, and a saved session. */
async function createAll(who: Name): Promise<Ids> {
  const ask = async (body: object) => JSON.parse((await post(who, REQUEST_PATH, body)).body);
  const { session_id } = await ask({ type: "start_session", resource_path: clip });
  await ask({ type: "add_prompt", session_id, frame_index: 0, text: "ball" });
  await post(who, STREAM_REQUEST_PATH, { type: "propagate_in_video", session_id });
  const { saved_id } = await ask({ type: "save_session", session_id });
  const { session_id: live_id } = await ask({ type: "start_session", live: true });
  const upload = await call(who, "POST", UPLOADS_PATH, {}, new Uint8Array(await readFile(clip)));
  const created = await call(who, "POST", TUS_PATH, { ...tus, "upload-length": "1000" });
  const tus_id = created.headers.get("location")?.split("/").at(-1) ?? "";
  const { upload_id } = JSON.parse(upload.body);
  return { session_id, live_id, upload_id, saved_id, tus_id };
}

function noIds(): Ids {
  const [session_id, live_id, upload_id, saved_id, tus_id] = Array.from({ length: 5 }, () =>
    randomUUID(),
  ) as [string, string, string, string, string];
  return { session_id, live_id, upload_id, saved_id, tus_id };
}

/** The same text for every set of ids. */
function withoutIds(text: string, ids: Ids): string {
  return Object.entries(ids).reduce((rest, [name, id]) => rest.replaceAll(id, name), text);
}

/** What the owner sees of its own things. */
async function state(who: Name, { session_id, live_id, upload_id, saved_id, tus_id }: Ids): Promise<unknown> {
  const ask = async (body: object) => (await post(who, REQUEST_PATH, body)).body;
  const stored = { type: "propagate_in_video", session_id, scope: "stored" };
  const saved = await call(who, "GET", `${SAVED_PATH}/${saved_id}`);
  const unfinished = await call(who, "HEAD", `${TUS_PATH}/${tus_id}`, tus);
  return {
    session: await ask({ type: "get_session", session_id }),
    live: await ask({ type: "get_session", session_id: live_id }),
    frames: (await post(who, STREAM_REQUEST_PATH, stored)).body,
    upload: await call(who, "GET", `${UPLOADS_PATH}/${upload_id}`).then(({ status, body }) => [status, body]),
    saved: [saved.status, saved.body.length],
    unfinished: [unfinished.status, unfinished.headers.get("upload-offset")],
  };
}

test("the table has every request of the protocol", () => {
  expect(Object.keys(REQUESTS).sort()).toEqual(Object.keys(REQUEST_SCHEMAS).sort());
});

describe.each<[Name, Name]>([
  ["ann", "bob"],
  ["bob", "ann"],
])("what belongs to %s", (owner, stranger) => {
  let theirs: Ids;
  let before: unknown;

  beforeAll(async () => {
    server = await startTestServer({ keysFile }, { engine: createScriptedEngine() });
    theirs = await createAll(owner);
    before = await state(owner, theirs);
    return () => server.close();
  });

  /** The answers to the request about the ids of the owner, and about ids that do not exist. */
  async function compare(request: (ids: Ids) => Promise<string>): Promise<[string, string]> {
    const none = noIds();
    return [withoutIds(await request(theirs), theirs), withoutIds(await request(none), none)];
  }

  const requests = Object.entries(REQUESTS).flatMap(([type, fields]) =>
    fields === null ? [] : [[type, fields] as const],
  );

  describe("on a WebSocket", () => {
    let client: RawClient;

    beforeEach(async () => {
      client = await server.connect(keys[stranger]);
      return () => client.close();
    });

    test.each(requests)("does not exist for %s of another owner", async (type, fields) => {
      const [known, unknown] = await compare(async (ids) => {
        const { request_id, session_id, seq, ...answer } = await client.ask({ type, ...fields(ids) });
        return JSON.stringify(answer);
      });
      expect(known).toBe(unknown);
      if (type === "close_session") expect(known).toContain("is_success");
      else
        expect(JSON.parse(known)).toMatchObject({
          type: "error",
          error: { code: expect.stringMatching(/_not_found$/) },
        });
      expect(await state(owner, theirs)).toEqual(before);
    });

    test("does not exist for push_frame and ack", async () => {
      const picture = await readFile(await makeStill("two-owners.png", 0));
      const [known, unknown] = await compare(async ({ live_id }) => {
        const header = { type: "push_frame", request_id: "push", session_id: live_id };
        const error = await client.expectError(Buffer.from(encodeEnvelope(header, picture)));
        return JSON.stringify(error);
      });
      expect(known).toBe(unknown);
      expect(known).toContain("session_not_found");
      const running = await server.connect(keys[owner]);
      const { session_id } = await running.expectResponse({ type: "start_session", resource_path: clip });
      await running.expectResponse({ type: "add_prompt", session_id, frame_index: 0, text: "ball" });
      const stream = running.send({ type: "propagate_in_video", session_id, window: 1 });
      await running.first((message) => message.type === "frame");
      expect(
        await client.expectError(JSON.stringify({ type: "ack", request_id: stream, num_frames: 1 })),
      ).toMatchObject({
        code: "invalid_field",
      });
      await running.expectResponse({ type: "close_session", session_id });
      await running.close();
    });

    test("starts a session of the stranger's own under the same id", async () => {
      const { session_id } = theirs;
      const own = await client.expectResponse({ type: "start_session", resource_path: clip, session_id });
      expect(own.session_id).toBe(session_id);
      await client.expectResponse({ type: "close_session", session_id });
      expect(await state(owner, theirs)).toEqual(before);
    });

    test("sends the stranger no event", async () => {
      const own = await server.connect(keys[owner]);
      const { session_id } = await own.expectResponse({ type: "start_session", resource_path: clip });
      await own.expectResponse({ type: "close_session", session_id });
      await own.close();
      await client.arrived();
      expect(client.received).toEqual([]);
    });

    test("counts only for its owner in get_server", async () => {
      expect(await client.expectResponse({ type: "get_server" })).toMatchObject({ sessions: 0 });
    });

    test("is reached with the token of the session, as the protocol states", async () => {
      const own = await server.connect(keys[owner]);
      const { session_id, session_token } = await own.expectResponse({
        type: "start_session",
        resource_path: clip,
      });
      expect(
        await client.expectError({ type: "attach_session", session_token: "x".repeat(32) }),
      ).toMatchObject({
        code: "session_not_found",
      });
      await client.expectResponse({ type: "attach_session", session_token });
      await client.expectResponse({ type: "close_session", session_id });
      await own.close();
    });

    test("is not reached by stating the owner's key on the stranger's connection", async () => {
      expect(await client.expectError({ type: "authenticate", key: keys[owner] })).toMatchObject({
        code: "invalid_field",
      });
      expect(await client.expectError({ type: "get_session", session_id: theirs.session_id })).toMatchObject({
        code: "session_not_found",
      });
    });
  });

  describe("over HTTP", () => {
    test.each(requests)("does not exist for %s of another owner", async (type, fields) => {
      for (const path of [REQUEST_PATH, STREAM_REQUEST_PATH]) {
        const [known, unknown] = await compare(async (ids) => {
          const { status, body } = await post(stranger, path, { type, ...fields(ids) });
          return `${status} ${body}`;
        });
        expect(known).toBe(unknown);
        if (!known.startsWith("200 ")) expect(known).toMatch(/^(404 .*_not_found|400 .*"unknown_type")/);
        else expect(type).toBe("close_session");
      }
      expect(await state(owner, theirs)).toEqual(before);
    });

    test("is not in the list of the stranger's sessions", async () => {
      const { body } = await call(stranger, "GET", SESSIONS_PATH);
      expect(JSON.parse(body)).toEqual({ sessions: [] });
      const own = JSON.parse((await call(owner, "GET", SESSIONS_PATH)).body);
      expect(own.sessions.map((one: { session_id: string }) => one.session_id)).toEqual(
        expect.arrayContaining([theirs.session_id, theirs.live_id]),
      );
    });

    const part = { ...tus, "content-type": "application/offset+octet-stream", "upload-offset": "0" };

    test.each<[string, (ids: Ids) => string, object?, string?]>([
      ["GET", ({ upload_id }) => `${UPLOADS_PATH}/${upload_id}`],
      ["DELETE", ({ upload_id }) => `${UPLOADS_PATH}/${upload_id}`],
      ["GET", ({ tus_id }) => `${UPLOADS_PATH}/${tus_id}`],
      ["DELETE", ({ tus_id }) => `${UPLOADS_PATH}/${tus_id}`],
      ["GET", ({ tus_id }) => `${TUS_PATH}/${tus_id}`],
      ["GET", ({ upload_id }) => `${TUS_PATH}/${upload_id}`],
      ["HEAD", ({ tus_id }) => `${TUS_PATH}/${tus_id}`, tus],
      ["HEAD", ({ upload_id }) => `${TUS_PATH}/${upload_id}`, tus],
      ["PATCH", ({ tus_id }) => `${TUS_PATH}/${tus_id}`, part, "abc"],
      ["DELETE", ({ tus_id }) => `${TUS_PATH}/${tus_id}`, tus],
      ["DELETE", ({ upload_id }) => `${TUS_PATH}/${upload_id}`, tus],
      ["GET", ({ session_id }) => `${SESSIONS_PATH}/${session_id}/frame-times`],
      ["GET", ({ session_id }) => `${SESSIONS_PATH}/${session_id}/media`],
      ["GET", ({ session_id }) => `${SESSIONS_PATH}/${session_id}/frames/0.jpeg`],
      ["GET", ({ session_id }) => `${SESSIONS_PATH}/${session_id}/frames?first=0&last=1`],
      ["GET", ({ session_id }) => `${SESSIONS_PATH}/${session_id}/results`],
      ["GET", ({ live_id }) => `${SESSIONS_PATH}/${live_id}/frame-times`],
      ["GET", ({ saved_id }) => `${SAVED_PATH}/${saved_id}`],
      ["DELETE", ({ saved_id }) => `${SAVED_PATH}/${saved_id}`],
    ])("does not exist for %s by address %#", async (method, path, headers, body) => {
      const [known, unknown] = await compare(async (ids) => {
        const answer = await call(stranger, method, path(ids), headers, body);
        return `${answer.status} ${answer.body}`;
      });
      expect(known).toBe(unknown);
      expect(known).toMatch(/^404 /);
      expect(await state(owner, theirs)).toEqual(before);
    });
  });
});
