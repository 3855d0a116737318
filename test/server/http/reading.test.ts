/** What clients read of their sessions over HTTP: pictures, times, bytes, results, lists. */
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { copyFile, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeBinaryMessage } from "../../../protocol/index.js";
import { makeClip, makeStill, mediaPath, readCorners, readFrameNumber } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, { engine: createScriptedEngine() });
});
afterAll(() => server.close());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${server.http}${path}`, { headers });

async function ask(fields: object) {
  const body = JSON.stringify(fields);
  return (await fetch(`${server.http}/v1/handle_request`, { method: "POST", body })).json() as Promise<{
    session_id: string;
    num_frames: number;
  }>;
}

const start = (resource_path: string, fields: object = {}) =>
  ask({ type: "start_session", resource_path, ...fields });

async function errorOf(path: string, headers = {}) {
  const answer = await get(path, headers);
  const { error } = (await answer.json()) as { error: { code: string; message: string; field?: string } };
  return { status: answer.status, ...error };
}

async function numberOf(jpeg: Uint8Array) {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  return { number: readFrameNumber(data, info.width, info.height), data, ...info };
}

/** Frame index and JPEG of each record. */
function recordsOf(body: Uint8Array): { index: number; jpeg: Uint8Array }[] {
  const view = new DataView(body.buffer, body.byteOffset);
  const records = [];
  for (let at = 0; at < body.length; ) {
    const length = view.getUint32(at + 4, true);
    records.push({ index: view.getUint32(at, true), jpeg: body.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return records;
}

const bytesOf = async (answer: Response) => new Uint8Array(await answer.arrayBuffer());

describe("frame N of the picture routes is frame N of the tracker", () => {
  test.each([
    ["constant rate with B-frames", { name: "reading.mp4" }],
    ["29.97", { name: "ntsc.mp4", fps: 30000 / 1001 }],
    ["variable rate", { name: "vfr.mp4", timesMs: "N*40+mod(N,3)*17" }],
    ["an offset start", { name: "offset.mp4", output: ["-output_ts_offset", "7.5"] }],
    ["non-square pixels", { name: "sar.mp4", output: ["-aspect", "3:1"] }],
  ])("of a clip with %s", async (_, options) => {
    const { session_id: id, num_frames } = await start(await makeClip(options));
    const last = num_frames - 1;
    expect(last).toBeGreaterThan(20);
    const all = recordsOf(await bytesOf(await get(`/v1/sessions/${id}/frames?first=0&last=${last}`)));
    expect(all.map(({ index }) => index)).toEqual(Array.from({ length: num_frames }, (_, at) => at));
    for (const { index, jpeg } of all) expect((await numberOf(jpeg)).number).toBe(index);
    for (const index of [0, 11, 12, 17, last]) {
      const answer = await get(`/v1/sessions/${id}/frames/${index}.jpeg`);
      expect(answer.headers.get("content-type")).toBe("image/jpeg");
      expect((await numberOf(await bytesOf(answer))).number).toBe(index);
    }
    const times = (await (await get(`/v1/sessions/${id}/frame-times`)).json()) as { timestamps_us: number[] };
    expect(times.timestamps_us).toHaveLength(num_frames);
    expect(times.timestamps_us).toEqual([...times.timestamps_us].sort((a, b) => a - b));
    await ask({ type: "close_session", session_id: id });
  });

  test("of a rotated clip", async () => {
    const { session_id: id } = await start(
      await makeClip({ name: "rotated.mp4", displayMatrix: [0, 1, -1, 0] }),
    );
    const { data, width, height } = await numberOf(
      await bytesOf(await get(`/v1/sessions/${id}/frames/5.jpeg`)),
    );
    expect([width, height]).toEqual([64, 96]);
    expect(readCorners(data, width, height)).toEqual(["blue", "red", "white", "green"]);
    await ask({ type: "close_session", session_id: id });
  });

  test("scaled down to a width, and never up", async () => {
    const { session_id: id } = await start(await makeClip({ name: "reading.mp4" }));
    const size = async (query: string) => {
      const { width, height, number } = await numberOf(
        await bytesOf(await get(`/v1/sessions/${id}/frames/9.jpeg${query}`)),
      );
      return [width, height, number];
    };
    expect(await size("?width=48")).toEqual([48, 32, 9]);
    expect(await size("?width=5000")).toEqual([96, 64, 9]);
    await ask({ type: "close_session", session_id: id });
  });

  test("of a folder of pictures, which has no times and no single file", async () => {
    for (let index = 0; index < 3; index++) await makeStill(`stills/${index}.png`, index);
    const { session_id: id } = await start("stills");
    const all = recordsOf(await bytesOf(await get(`/v1/sessions/${id}/frames?first=0&last=2`)));
    expect(await Promise.all(all.map(async ({ jpeg }) => (await numberOf(jpeg)).number))).toEqual([0, 1, 2]);
    expect(await (await get(`/v1/sessions/${id}/frame-times`)).json()).toEqual({
      num_frames: 3,
      timestamps_us: null,
    });
    expect(await errorOf(`/v1/sessions/${id}/media`)).toMatchObject({ status: 404, code: "no_single_file" });
    await ask({ type: "close_session", session_id: id });
  });
});

describe("the bytes of the video", () => {
  test("come whole and by range", async () => {
    const path = await makeClip({ name: "reading.mp4" });
    const file = await readFile(path);
    const { session_id: id } = await start(path);
    const media = `/v1/sessions/${id}/media`;
    const whole = await get(media);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      "content-type": "video/mp4",
      "content-length": String(file.length),
      "accept-ranges": "bytes",
    });
    expect(file.equals(await bytesOf(whole))).toBe(true);
    const etag = whole.headers.get("etag") ?? "";
    for (const [range, first, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=100-", 100, file.length],
      ["bytes=-7", file.length - 7, file.length],
      ["bytes=5-99999999", 5, file.length],
    ] as const) {
      const part = await get(media, { range });
      expect([part.status, part.headers.get("content-range")]).toEqual([
        206,
        `bytes ${first}-${end - 1}/${file.length}`,
      ]);
      expect(file.subarray(first, end).equals(await bytesOf(part))).toBe(true);
    }
    for (const range of ["bytes=5-3", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4"])
      expect((await get(media, { range })).status).toBe(200);
    expect(await errorOf(media, { range: `bytes=${file.length}-` })).toMatchObject({
      status: 416,
      code: "range_not_satisfiable",
    });
    expect((await get(media, { "if-none-match": etag })).status).toBe(304);
    expect((await get(media, { range: "bytes=0-0", "if-range": '"old"' })).status).toBe(200);
    const head = await fetch(server.http + media, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(file.length)]);
    await ask({ type: "close_session", session_id: id });
  });

  test("stay those of the file that was opened, and a file that changes is an error", async () => {
    const clip = await makeClip({ name: "reading.mp4" });
    const path = mediaPath("swapped.mp4");
    await copyFile(clip, path);
    const { session_id: id } = await start(path);
    const bytes = await readFile(clip);
    await rename(path, mediaPath("moved.mp4"));
    writeFileSync(path, "another file");
    expect(bytes.equals(await bytesOf(await get(`/v1/sessions/${id}/media`)))).toBe(true);
    appendFileSync(mediaPath("moved.mp4"), "more");
    expect(await errorOf(`/v1/sessions/${id}/media`)).toMatchObject({
      status: 422,
      code: "media_unreadable",
    });
    await rm(mediaPath("moved.mp4"));
    await ask({ type: "close_session", session_id: id });
  });

  test("of an upload", async () => {
    const file = await readFile(await makeClip({ name: "reading.mp4" }));
    const upload = await fetch(`${server.http}/v1/uploads?filename=own.mp4`, { method: "POST", body: file });
    const { upload_id } = (await upload.json()) as { upload_id: string };
    const { session_id: id } = await ask({ type: "start_session", upload_id });
    expect(file.equals(await bytesOf(await get(`/v1/sessions/${id}/media`)))).toBe(true);
    const { sessions } = (await (await get("/v1/sessions")).json()) as { sessions: object[] };
    expect(sessions.at(-1)).toMatchObject({
      ...{ session_id: id, name: "own.mp4", upload_id, state: "idle", num_frames: 24, connections: 0 },
    });
    await ask({ type: "close_session", session_id: id });
  });
});

test("bad requests name the field", async () => {
  const { session_id: id } = await start(await makeClip({ name: "reading.mp4" }));
  const path = `/v1/sessions/${id}`;
  for (const [request, status, code, field] of [
    ["/frames/24.jpeg", 400, "frame_out_of_range", "frame_index"],
    ["/frames/-1.jpeg", 400, "invalid_field", "frame_index"],
    ["/frames/1.5.jpeg", 400, "invalid_field", "frame_index"],
    ["/frames/1.png", 404, "not_found", undefined],
    ["/frames/1.jpeg?width=0", 400, "invalid_field", "width"],
    ["/frames/1.jpeg?width=wide", 400, "invalid_field", "width"],
    ["/frames/1.jpeg?size=3", 400, "unknown_field", "size"],
    ["/frames?first=0", 400, "missing_field", "last"],
    ["/frames?first=3&last=2", 400, "invalid_field", "last"],
    ["/frames?first=0&last=24", 400, "frame_out_of_range", "last"],
    ["/results?first=24", 400, "frame_out_of_range", "first"],
    ["/results?mask_format=tiff", 400, "invalid_field", "mask_format"],
  ] as const) {
    const error = await errorOf(path + request);
    expect([request, error.status, error.code, error.field]).toEqual([request, status, code, field]);
  }
  expect((await fetch(`${server.http}${path}/media`, { method: "POST" })).status).toBe(405);
  await ask({ type: "close_session", session_id: id });
  for (const end of ["frame-times", "media", "frames/0.jpeg", "frames?first=0&last=1", "results"])
    expect(await errorOf(`${path}/${end}`)).toMatchObject({ status: 404, code: "session_not_found" });
});

test("a reader that leaves ends the decoding", async () => {
  const clip = await makeClip({ name: "long.mp4", frames: 250, width: 640, height: 480 });
  const { session_id: id } = await start(clip);
  const leaving = new AbortController();
  const answer = await fetch(`${server.http}/v1/sessions/${id}/frames?first=0&last=249`, {
    signal: leaving.signal,
  });
  const reader = answer.body?.getReader();
  await reader?.read();
  const used = async () => {
    const { shares } = (await ask({ type: "get_server" })) as unknown as {
      shares: { name: string; used: number }[];
    };
    return shares.find(({ name }) => name === "decoders")?.used;
  };
  expect(await used()).toBe(1);
  leaving.abort();
  await until(async () => (await used()) === 0);
  await ask({ type: "close_session", session_id: id });
});

test("stored results are those of the session, in both forms", async () => {
  const { session_id: id } = await start(await makeClip({ name: "reading.mp4" }), { changed_only: true });
  await ask({ type: "add_prompt", session_id: id, frame_index: 0, text: "ball" });
  const stream = { type: "propagate_in_video", session_id: id };
  const propagated = await (
    await fetch(`${server.http}/v1/handle_stream_request`, { method: "POST", body: JSON.stringify(stream) })
  ).text();
  expect(propagated).toContain('"done"');
  const lines = async (query: string) =>
    (await (await get(`/v1/sessions/${id}/results?${query}`)).text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const all = await lines("");
  expect(all.map(({ frame_index }) => frame_index)).toEqual(Array.from({ length: 24 }, (_, at) => at));
  expect(all[3]).toMatchObject({
    type: "frame",
    session_id: id,
    outputs: { out_obj_ids: [expect.any(Number)] },
  });
  expect(all[3].outputs).not.toHaveProperty("unchanged_obj_ids");
  expect(await lines("first=3&last=3")).toEqual([all[3]]);
  const body = Buffer.from(
    await bytesOf(await get(`/v1/sessions/${id}/results?mask_format=binary&first=2&last=5`)),
  );
  const frames = [];
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32LE(at);
    frames.push(decodeBinaryMessage(body.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  expect(frames.map(({ frame_index }) => frame_index)).toEqual([2, 3, 4, 5]);
  await ask({ type: "close_session", session_id: id });
});

test("the list of media has what start_session opens", async () => {
  await makeClip({ name: "list/b.mp4" });
  await makeStill("list/a.png", 1);
  await makeStill("list/frames/1.png", 1);
  mkdirSync(mediaPath("list/empty"));
  writeFileSync(mediaPath("list/notes.txt"), "no media");
  writeFileSync(mediaPath("list/.hidden.png"), "");
  symlinkSync(tmpdir(), mediaPath("list/outside"));
  const { entries, left_out_count } = (await (await get("/v1/media?folder=list")).json()) as {
    entries: { name: string; kind: string; path: string; has_pictures?: boolean }[];
    left_out_count: number;
  };
  expect(entries.map(({ name, kind, has_pictures }) => [name, kind, has_pictures])).toEqual([
    ["empty", "folder", false],
    ["frames", "folder", true],
    ["a.png", "image", undefined],
    ["b.mp4", "video", undefined],
  ]);
  expect(left_out_count).toBe(0);
  for (const { path } of entries.slice(1)) {
    const { session_id } = await start(path);
    expect(session_id).toBeTypeOf("string");
    await ask({ type: "close_session", session_id });
  }
  expect(await errorOf("/v1/media?folder=/etc")).toMatchObject({ status: 403, code: "resource_forbidden" });
  expect(await errorOf("/v1/media?folder=none")).toMatchObject({ status: 404, code: "resource_not_found" });
  expect(await errorOf("/v1/media?folder=list/a.png")).toMatchObject({ status: 415 });
  expect(await errorOf("/v1/media?folders=x")).toMatchObject({ status: 400, code: "unknown_field" });
});
