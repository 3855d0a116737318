/** `POST /v1/uploads` with a form, and with archives, over HTTP. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SNIFFED_BYTES } from "../../../server/media/sniff.js";
import { makeTarGz, makeZip } from "../../helpers/archives.js";
import { makeClip, makeStill, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";
import { until } from "../../helpers/settle.js";

const uploadDir = mediaPath("uploads/x").slice(0, -2);
let server: TestServer;

beforeAll(async () => {
  const limits = { maxUploadBytes: 400_000, maxUploadEntries: 50 };
  server = await startTestServer({ uploadDir, ...limits }, { engine: createScriptedEngine() });
});
afterAll(() => server.close());

const stored = () =>
  readdirSync(uploadDir, { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && one.name !== "lock.json",
  ).length;
const post = (body: NonNullable<RequestInit["body"]>, headers = {}) =>
  fetch(`${server.http}/v1/uploads`, { method: "POST", body, headers });
const still = async (number: number) => readFile(await makeStill(`form-${number}.jpg`, number));

/** A form with these files, all in the field `files`. */
function formOf(files: Record<string, Uint8Array | string>): FormData {
  const form = new FormData();
  form.append("comment", "fields that are not files are ignored");
  for (const [name, content] of Object.entries(files)) form.append("files", new Blob([content]), name);
  return form;
}

test("a form of pictures is a folder of frames, which a session opens", async () => {
  const files: Record<string, Uint8Array | string> = { "b/notes.txt": "text", "../evil.jpg": await still(3) };
  for (const number of [10, 9, 1]) files[`b/ä ${number}.jpg`] = await still(number);
  for (let i = 20; i < 50; i++) files[`b/ä ${i}.jpg`] = await still(20);
  const response = await post(formOf(files));
  expect(response.status).toBe(201);
  const facts = (await response.json()) as { upload_id: string; taken: string[] };
  expect(facts).toMatchObject({
    kind: "frames",
    num_frames: 33,
    filename: null,
    left_out: [
      { name: "../evil.jpg", reason: "its name leads outside the archive" },
      { name: "b/notes.txt", reason: "text" },
    ],
    left_out_count: 2,
  });
  expect(facts.taken.slice(0, 4)).toEqual(["b/ä 1.jpg", "b/ä 9.jpg", "b/ä 10.jpg", "b/ä 20.jpg"]);
  const again = await fetch(`${server.http}/v1/uploads/${facts.upload_id}`);
  expect(await again.json()).toEqual(facts);
  const client = await server.connect();
  const { upload_id } = facts;
  const started = await client.expectResponse({ type: "start_session", upload_id });
  expect(started).toMatchObject({ kind: "frames", num_frames: 33, left_out_count: 2 });
  await client.expectResponse({ type: "close_session", session_id: started.session_id });
  await client.close();
  expect((await fetch(`${server.http}/v1/uploads/${upload_id}`, { method: "DELETE" })).status).toBe(204);
  expect((await fetch(`${server.http}/v1/uploads/${upload_id}`)).status).toBe(404);
  await until(() => stored() === 0);
});

test("a form with a large file that is left out is read to its end", async () => {
  // Larger than all buffers between the socket and the reader of the file.
  const notes = Buffer.alloc(300_000, "text ");
  const response = await post(
    formOf({ "notes.txt": notes, "1.jpg": await still(1), "2.jpg": await still(2) }),
  );
  expect(response.status).toBe(201);
  const facts = (await response.json()) as { upload_id: string };
  expect(facts).toMatchObject({ num_frames: 2, left_out: [{ name: "notes.txt", reason: "text" }] });
  await fetch(`${server.http}/v1/uploads/${facts.upload_id}`, { method: "DELETE" });
});

test("a form with one file is that file: a video, a picture, or an archive", async () => {
  const clip = await readFile(await makeClip({ name: "form.mp4", frames: 5 }));
  const frames = { "1.jpg": await still(1), "2.jpg": await still(2) };
  const cases: [Uint8Array, object][] = [
    [clip, { kind: "video", num_frames: 5, taken: ["x"] }],
    [frames["1.jpg"], { kind: "image", taken: ["x"] }],
    [await makeZip(frames), { kind: "frames", num_frames: 2, taken: ["1.jpg", "2.jpg"] }],
    [await makeTarGz(frames), { kind: "frames", num_frames: 2 }],
  ];
  for (const [bytes, facts] of cases) {
    const response = await post(formOf({ x: bytes }));
    expect(await response.json()).toMatchObject(facts);
  }
  const mixed = await post(formOf({ ...frames, "more.zip": await makeZip(frames) }));
  expect(await mixed.json()).toMatchObject({
    num_frames: 2,
    left_out: [{ name: "more.zip", reason: "a ZIP archive" }],
  });
});

test.each(["application/zip", "application/x-tar", "application/octet-stream", "video/mp4"])(
  "an archive is recognized by its content, sent as %s",
  async (type) => {
    const frames = { "1.jpg": await still(1), "2.jpg": await still(2) };
    for (const bytes of [await makeZip(frames), await makeTarGz(frames)]) {
      const response = await post(bytes, { "content-type": type });
      expect(await response.json()).toMatchObject({ kind: "frames", num_frames: 2 });
    }
  },
);

const boundary = "multipart/form-data; boundary=x";
const part = (name: string, content: string) =>
  `--x\r\ncontent-disposition: form-data; name="f"; filename="${name}"\r\n\r\n${content}\r\n`;
test.each([
  ["without a boundary", "multipart/form-data", "x", 400, "invalid_field", "Content-Type has no boundary"],
  ["that is empty", boundary, "", 400, "invalid_field", "cut short"],
  ["that is not a form", boundary, "hello", 400, "invalid_field", "cut short"],
  ["cut short in a file", boundary, part("1.jpg", "text").slice(0, -2), 400, "invalid_field", "cut short"],
  ["without files", boundary, "--x--\r\n", 415, "media_unsupported", "it contains no files"],
  [
    "of other files",
    boundary,
    `${part("a.txt", "text")}--x--\r\n`,
    415,
    "media_unsupported",
    '"a.txt" (text)',
  ],
  [
    "of too many files",
    boundary,
    `${part("1.txt", "text").repeat(51)}--x--\r\n`,
    413,
    "upload_too_large",
    "more than 50 entries (maxUploadEntries)",
  ],
  [
    "of too many bytes",
    boundary,
    `${part("1.txt", "t".repeat(400_000))}--x--\r\n`,
    413,
    "upload_too_large",
    "maxUploadBytes",
  ],
])("refuses a form %s", async (_, type, body, status, code, message) => {
  const before = stored();
  const response = await post(body, { "content-type": type });
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { code, message: expect.stringContaining(message) } });
  await until(() => stored() === before);
});

test("deletes the files of a form whose sender disconnects", async () => {
  const before = stored();
  const headers = { "content-type": boundary, "content-length": 100_000 };
  const outgoing = request(`${server.http}/v1/uploads`, { method: "POST", headers });
  outgoing.on("error", () => {});
  outgoing.write(`--x\r\ncontent-disposition: form-data; name="f"; filename="1.jpg"\r\n\r\n`);
  outgoing.write(await readFile(await makeClip({ name: "form.mp4", frames: 5 })));
  outgoing.write(Buffer.alloc(SNIFFED_BYTES));
  await until(() => stored() === before + 1);
  outgoing.destroy();
  await until(() => stored() === before);
});
