/** `handle_request` and `handle_stream_request` over HTTP. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERRORS, type ErrorCode } from "../../protocol/index.js";
import { statusOf } from "../../server/http/errors.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

let server: TestServer;
let engine: ScriptedEngine;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "http-requests.mp4", frames: 8 });
  engine = createScriptedEngine();
  server = await startTestServer({ maxMessageBytes: 4000 }, { engine });
});

afterAll(() => server.close());

type Json = Record<string, unknown> & { error?: Record<string, unknown> };

const post = (path: string, body: unknown, headers = {}) =>
  fetch(`${server.http}/v1/${path}`, {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function ask(request: object): Promise<{ status: number; body: Json }> {
  const response = await post("handle_request", request);
  return { status: response.status, body: (await response.json()) as Json };
}

async function startPrompted(): Promise<string> {
  const { body } = await ask({ type: "start_session", resource_path: clip });
  const session_id = body.session_id as string;
  await ask({ type: "add_prompt", session_id, frame_index: 0, text: "ball" });
  return session_id;
}

const lines = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Json);

describe("POST /v1/handle_request", () => {
  test("answers with the fields of the socket's response, without a connection of its own", async () => {
    const start = await ask({ type: "start_session", resource_path: clip });
    expect(start.status).toBe(200);
    expect(start.body).toMatchObject({ kind: "video", num_frames: 8, session_id: expect.any(String) });
    const { session_id } = start.body;
    const prompt = await ask({ type: "add_prompt", session_id, frame_index: 2, text: "ball" });
    expect(prompt.body).toMatchObject({ frame_index: 2, outputs: { out_obj_ids: expect.any(Array) } });
    expect((await ask({ type: "close_session", session_id })).body).toEqual({ is_success: true });
    expect((await ask({ type: "get_session", session_id })).status).toBe(404);
  });

  test("repeats a request_id", async () => {
    const { body } = await ask({ type: "close_session", session_id: "none", request_id: "r-1" });
    expect(body).toEqual({ request_id: "r-1", is_success: true });
  });

  test("errors of edits have statuses of the client", async () => {
    const session_id = await startPrompted();
    const range = { first_frame_index: 0, last_frame_index: 7 };
    const requests = [
      { type: "remove_concept", session_id, concept: "zebra" },
      { type: "lock_frames", session_id, obj_id: 0, ...range },
      { type: "redo", session_id },
    ];
    const answers = await Promise.all(requests.map(ask));
    expect(answers.map(({ status, body }) => [status, body.error?.code])).toEqual([
      [404, "concept_not_found"],
      [409, "mask_not_found"],
      [409, "nothing_to_undo"],
    ]);
  });

  test("PROTOCOL.md lists the status of every code that a request over HTTP can have", async () => {
    const text = await readFile(new URL("../../PROTOCOL.md", import.meta.url), "utf8");
    const section = text.split("\n### ").find((part) => part.startsWith("Requests over HTTP\n")) ?? "";
    const rows = [...section.matchAll(/^\| (\d{3}) \| (.+) \|$/gm)];
    const listed = rows.flatMap(([, status, codes = ""]) =>
      [...codes.matchAll(/`(\w+)`/g)].map(([, code]) => [code, Number(status)]),
    );
    const onSocketsOnly = ["binary_not_expected", "read_only"];
    const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => !onSocketsOnly.includes(code));
    expect(Object.fromEntries(listed)).toEqual(
      Object.fromEntries(codes.map((code) => [code, statusOf(code)])),
    );
  });

  test.each([
    ["text that is not JSON", "{", 400, "malformed_json", undefined],
    ["an array", "[]", 400, "malformed_json", undefined],
    ["an unknown type", { type: "dance" }, 400, "unknown_type", "type"],
    ["a stream", { type: "propagate_in_video", session_id: "x" }, 400, "unknown_type", "type"],
    ["a missing field", { type: "get_session" }, 400, "missing_field", "session_id"],
    ["a misspelt field", { type: "get_session", session_id: "x", sesion: 1 }, 400, "unknown_field", "sesion"],
    ["an unknown session", { type: "get_session", session_id: "x" }, 404, "session_not_found", undefined],
    [
      "a file that is not there",
      { type: "start_session", resource_path: "none.mp4" },
      404,
      "resource_not_found",
      "resource_path",
    ],
    [
      "a path outside the roots",
      { type: "start_session", resource_path: "/etc/passwd" },
      403,
      "resource_forbidden",
      "resource_path",
    ],
    ["a body that is too large", " ".repeat(4001), 413, "message_too_large", undefined],
  ])("rejects %s", async (_, request, status, code, field) => {
    const response = await post("handle_request", request);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as Json;
    expect(error).toMatchObject({ code, retryable: false, ...(field !== undefined && { field }) });
    expect(error?.message).toEqual(expect.stringMatching(/\S/));
    // The rest of a body that is too large is not read.
    expect(response.headers.get("connection")).toBe(status === 413 ? "close" : "keep-alive");
  });

  test("accepts only POST", async () => {
    const response = await fetch(`${server.http}/v1/handle_request`);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toContain("POST");
  });
});

describe("POST /v1/handle_stream_request", () => {
  test("answers with one JSON line per frame, then done", async () => {
    const session_id = await startPrompted();
    const response = await post("handle_stream_request", { type: "propagate_in_video", session_id });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const messages = lines(await response.text());
    expect(messages.map(({ type }) => type)).toEqual([...Array(8).fill("frame"), "done"]);
    expect(messages.slice(0, 8).map(({ frame_index }) => frame_index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(messages.at(-1)).toEqual({ type: "done", session_id, num_frames: 8, cancelled: false });
  });

  test("answers with server-sent events on request", async () => {
    const session_id = await startPrompted();
    const request = {
      type: "propagate_in_video",
      session_id,
      max_frame_num_to_track: 1,
      propagation_direction: "forward",
    };
    const response = await post("handle_stream_request", request, { accept: "text/event-stream" });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = (await response.text()).split("\n\n").filter(Boolean);
    expect(events.map((event) => event.split("\n")[0])).toEqual([
      "event: frame",
      "event: frame",
      "event: done",
    ]);
    const data = events.map((event) => JSON.parse(event.split("\ndata: ")[1] as string) as Json);
    expect(data.map(({ type }) => type)).toEqual(["frame", "frame", "done"]);
  });

  test("reports an error before the first frame with its status", async () => {
    const { body } = await ask({ type: "start_session", resource_path: clip });
    const request = { type: "propagate_in_video", session_id: body.session_id };
    const response = await post("handle_stream_request", request);
    expect(response.status).toBe(409);
    expect(((await response.json()) as Json).error).toMatchObject({ code: "nothing_prompted" });
  });

  test("rejects a window, which needs acknowledgements", async () => {
    const session_id = await startPrompted();
    const response = await post("handle_stream_request", {
      type: "propagate_in_video",
      session_id,
      window: 4,
    });
    expect(((await response.json()) as Json).error).toMatchObject({ code: "invalid_field", field: "window" });
  });

  test("ends the propagation when the reader leaves", async () => {
    const session_id = await startPrompted();
    const leaving = new AbortController();
    const response = await fetch(`${server.http}/v1/handle_stream_request`, {
      method: "POST",
      body: JSON.stringify({ type: "propagate_in_video", session_id }),
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    await until(async () => (await ask({ type: "get_session", session_id })).body.propagating === false);
  });
});
