/** `/v1/uploads/tus`, with requests as the tus protocol describes them. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../../server/config.js";
import { createShares } from "../../../server/shares/shares.js";
import { createUploadStore } from "../../../server/uploads/store.js";
import { makeZip } from "../../helpers/archives.js";
import { createFakeClock } from "../../helpers/fake-clock.js";
import { makeClip, makeStill, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

const uploadDir = mediaPath("uploads/x").slice(0, -2);
const limits = { maxUploadBytes: 200_000, maxUploads: 6 };
let server: TestServer;
let clip: Buffer;

beforeAll(async () => {
  clip = await readFile(await makeClip({ name: "tus.mp4", frames: 20 }));
  server = await startTestServer({ uploadDir, ...limits }, { engine: createScriptedEngine() });
});
afterAll(() => server.close());

const stored = () =>
  readdirSync(uploadDir, { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && one.name !== "lock.json",
  ).length;
const tus = { "tus-resumable": "1.0.0" };
const offsetType = { "content-type": "application/offset+octet-stream" };

async function create(headers: Record<string, string>): Promise<string> {
  const response = await fetch(`${server.http}/v1/uploads/tus`, {
    method: "POST",
    headers: { ...tus, ...headers },
  });
  expect(response.status).toBe(201);
  const location = response.headers.get("location") as string;
  expect(location).toMatch(/^\/v1\/uploads\/tus\/[0-9a-f-]{36}$/);
  onTestFinished(async () => void (await fetch(server.http + location, { method: "DELETE", headers: tus })));
  return server.http + location;
}

const patch = (url: string, offset: number, body: Uint8Array) =>
  fetch(url, { method: "PATCH", headers: { ...tus, ...offsetType, "upload-offset": String(offset) }, body });
const head = (url: string) => fetch(url, { method: "HEAD", headers: tus });
const idOf = (url: string) => url.split("/").at(-1) as string;

/** Sends the first bytes of a PATCH and cuts the connection. */
async function cutPatch(url: string, offset: number, body: Uint8Array, announced: number): Promise<void> {
  const headers = { ...tus, ...offsetType, "upload-offset": offset, "content-length": announced };
  const outgoing = request(url, { method: "PATCH", headers });
  outgoing.on("error", () => {});
  outgoing.write(body);
  const { length } = body;
  await until(async () => {
    const [folder] = readdirSync(uploadDir);
    const file = await readFile(`${uploadDir}/${folder}/${idOf(url)}/body`);
    return file.length === offset + length;
  });
  outgoing.destroy();
}

test("describes itself in the answer to OPTIONS", async () => {
  const response = await fetch(`${server.http}/v1/uploads/tus`, { method: "OPTIONS" });
  expect(response.status).toBe(204);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "tus-version": "1.0.0",
    "tus-extension": "creation,creation-with-upload,creation-defer-length,termination,expiration",
    "tus-max-size": "200000",
  });
});

test("continues an upload that is cut off twice, and opens it by its id", async () => {
  const metadata = `filename ${Buffer.from("my dög.mp4").toString("base64")}`;
  const url = await create({ "upload-length": String(clip.length), "upload-metadata": metadata });
  const third = Math.floor(clip.length / 3);
  await cutPatch(url, 0, clip.subarray(0, third), clip.length);
  let state = await head(url);
  expect(Object.fromEntries(state.headers)).toMatchObject({
    "upload-offset": String(third),
    "upload-length": String(clip.length),
    "upload-metadata": metadata,
  });
  await cutPatch(url, third, clip.subarray(third, 2 * third), clip.length - third);
  state = await head(url);
  expect(state.headers.get("upload-offset")).toBe(String(2 * third));
  const unfinished = await fetch(`${server.http}/v1/uploads/${idOf(url)}`);
  expect(unfinished.status).toBe(404);
  expect(await unfinished.json()).toMatchObject({
    error: { message: `The upload is not complete: ${2 * third} of ${clip.length} bytes have arrived.` },
  });

  const last = await patch(url, 2 * third, clip.subarray(2 * third));
  expect(last.status).toBe(204);
  expect(last.headers.get("masklet-upload-id")).toBe(idOf(url));
  expect((await head(url)).headers.get("upload-offset")).toBe(String(clip.length));
  const facts = { kind: "video", num_frames: 20, filename: "my dög.mp4", bytes: clip.length };
  for (const address of [url, `${server.http}/v1/uploads/${idOf(url)}`]) {
    expect(await (await fetch(address)).json()).toMatchObject({ upload_id: idOf(url), ...facts });
  }
  const client = await server.connect();
  const started = await client.expectResponse({ type: "start_session", upload_id: idOf(url) });
  expect(started).toMatchObject({ num_frames: 20 });
  await client.expectResponse({ type: "close_session", session_id: started.session_id });
  expect((await fetch(url, { method: "DELETE", headers: tus })).status).toBe(204);
  expect((await head(url)).status).toBe(404);
  await until(() => stored() === 0);
});

test("takes an archive, with the bytes in the first request or a length that comes later", async () => {
  const zip = await makeZip({
    "1.jpg": await readFile(await makeStill("t1.jpg", 1)),
    "2.jpg": await readFile(await makeStill("t2.jpg", 2)),
  });
  const first = await fetch(`${server.http}/v1/uploads/tus`, {
    method: "POST",
    headers: { ...tus, ...offsetType, "upload-length": String(zip.length) },
    body: zip,
  });
  expect(first.status).toBe(201);
  const id = first.headers.get("masklet-upload-id");
  expect(await (await fetch(`${server.http}/v1/uploads/${id}`)).json()).toMatchObject({
    ...{ kind: "frames", num_frames: 2, taken: ["1.jpg", "2.jpg"] },
  });
  await fetch(`${server.http}/v1/uploads/${id}`, { method: "DELETE" });

  const url = await create({ "upload-defer-length": "1" });
  expect((await patch(url, 0, zip.subarray(0, 100))).status).toBe(204);
  expect((await head(url)).headers.get("upload-defer-length")).toBe("1");
  const headers = { ...tus, ...offsetType, "upload-offset": "100", "upload-length": String(zip.length) };
  const rest = await fetch(url, { method: "PATCH", headers, body: zip.subarray(100) });
  expect(rest.headers.get("masklet-upload-id")).toBe(idOf(url));
});

test("answers a file that is no media with its error, again when asked, and keeps no file", async () => {
  const text = Buffer.from("hello, I am not a video at all");
  const url = await create({ "upload-length": String(text.length) });
  const response = await patch(url, 0, text);
  expect(response.status).toBe(415);
  const error = { code: "media_unsupported", message: expect.stringContaining("text") };
  expect(await response.json()).toMatchObject({ error });
  expect(stored()).toBe(0);
  const again = await fetch(`${server.http}/v1/uploads/${idOf(url)}`);
  expect([again.status, await again.json()]).toMatchObject([415, { error }]);
});

test("an upload that is too large is refused with the name of the limit", async () => {
  const response = await fetch(`${server.http}/v1/uploads/tus`, {
    method: "POST",
    headers: { ...tus, "upload-length": "200001" },
  });
  expect(await response.json()).toMatchObject({
    error: { message: "The upload is larger than the limit of 200000 bytes (maxUploadBytes)." },
  });
});

describe("refuses", () => {
  const post = (headers: Record<string, string>, body?: Uint8Array) =>
    fetch(`${server.http}/v1/uploads/tus`, { method: "POST", headers, ...(body && { body }) });
  const name = (text: string) => `filename ${Buffer.from(text).toString("base64")}`;

  test.each<[string, Record<string, string>, number, string]>([
    ["a request without Tus-Resumable", { "upload-length": "10" }, 412, "malformed_request"],
    ["an upload without a length", tus, 400, "malformed_request"],
    ["an upload that is too large", { ...tus, "upload-length": "200001" }, 413, "upload_too_large"],
    ["an empty upload", { ...tus, "upload-length": "0" }, 422, "media_unreadable"],
    [
      "a path as name",
      { ...tus, "upload-length": "10", "upload-metadata": name("../a.mp4") },
      400,
      "invalid_field",
    ],
  ])("%s", async (_, headers, status, code) => {
    const response = await post(headers);
    expect([response.status, await response.json()]).toMatchObject([
      status,
      { error: { code, message: expect.stringMatching(/./), retryable: false } },
    ]);
    expect(stored()).toBe(0);
  });

  test("a wrong offset, more bytes than announced, and an unknown upload", async () => {
    const url = await create({ "upload-length": "1000" });
    const wrong = await patch(url, 5, clip.subarray(0, 10));
    expect([wrong.status, await wrong.json()]).toMatchObject([409, { error: { code: "malformed_request" } }]);
    expect((await patch(url, 0, clip.subarray(0, 1001))).status).toBe(413);
    expect((await head(url)).headers.get("upload-offset")).toBe("0");
    for (const id of ["7b0f1c1e-3c7e-4a53-9d1a-2f6a2f2f9b10", "..%2f..%2fetc"]) {
      const unknown = await patch(`${server.http}/v1/uploads/tus/${id}`, 0, clip.subarray(0, 10));
      expect([unknown.status, await unknown.json()]).toMatchObject([
        404,
        { error: { code: "upload_not_found" } },
      ]);
    }
    const method = await fetch(url, { method: "PUT", headers: tus });
    expect(method.status).toBe(405);
  });

  test("more uploads than the limit, of which unfinished ones count", async () => {
    for (let i = 0; i < limits.maxUploads; i++) await create({ "upload-length": "1000" });
    const response = await post({ ...tus, "upload-length": "1000" });
    expect([response.status, await response.json()]).toMatchObject([
      429,
      { error: { code: "upload_limit", retryable: true, retry_after_ms: 60_000, limit: "maxUploads" } },
    ]);
    expect(response.headers.get("retry-after")).toBe("60");
  });
});

test("an unfinished upload expires after its lifetime without progress, and ends with the store", async () => {
  const clock = createFakeClock();
  const parent = mediaPath("expiring/x").slice(0, -2);
  const limits = readConfig({ unfinishedLifetimeMs: 1000 }, {});
  const store = createUploadStore({ parent, limits, shares: createShares({ limits, clock }), clock });
  const { resumable } = store;
  const options = { owner: "a", length: 10, filename: null, metadata: {} };
  const { uploadId } = await resumable.create(options);
  const body = async function* () {
    yield Buffer.from("hello");
  };
  clock.advance(900);
  expect(await resumable.append(uploadId, "a", body())).toBe(5);
  clock.advance(900);
  // Neither a question nor an empty body prolongs its life.
  expect(await resumable.state(uploadId, "a")).toMatchObject({ offset: 5, length: 10 });
  expect(await resumable.append(uploadId, "a", (async function* () {})())).toBe(5);
  clock.advance(100);
  expect(await resumable.state(uploadId, "a")).toBeUndefined();
  await expect(resumable.append(uploadId, "a", body())).rejects.toMatchObject({ code: "upload_not_found" });

  const other = await resumable.create(options);
  await store.close();
  expect(await resumable.state(other.uploadId, "a")).toBeUndefined();
  await expect(resumable.create(options)).rejects.toMatchObject({ code: "shutting_down" });
  expect(readdirSync(parent)).toEqual([]);
});

test("uploads of another owner do not exist", async () => {
  const parent = mediaPath("owners/x").slice(0, -2);
  const limits = readConfig({}, {});
  const store = createUploadStore({ parent, limits, shares: createShares({ limits }) });
  onTestFinished(() => store.close());
  const body = async function* () {
    yield clip;
  };
  const { uploadId } = await store.receive(body(), { owner: "a" });
  const unfinished = await store.resumable.create({ owner: "a", length: 9, filename: null, metadata: {} });
  for (const id of [uploadId, unfinished.uploadId]) {
    expect(await store.resumable.state(id, "b")).toBeUndefined();
    await expect(store.find(id, "b")).rejects.toMatchObject({ code: "upload_not_found" });
    await expect(store.openMedia(id, { owner: "b" })).rejects.toMatchObject({ code: "upload_not_found" });
    await expect(store.resumable.append(id, "b", body())).rejects.toMatchObject({ code: "upload_not_found" });
    expect(await store.remove(id, "b")).toBe(false);
    expect(await store.remove(id, "a")).toBe(true);
  }
});
