import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MaskletError } from "../../clients/typescript/index.js";
import { type UploadSource, upload } from "../../clients/typescript/upload.js";

const VIDEO = Buffer.alloc(300_000, "masklet");
const FACTS = { upload_id: "u", kind: "video", width: 64, height: 48, num_frames: 10 };
const TOO_LARGE = { code: "upload_too_large", message: "at most 4 bytes", retryable: false };

const BUSY = { code: "server_busy", message: "all places are taken", retryable: true, retry_after_ms: 40 };

/** Keeps what is posted to /v1/uploads; /broken/v1/uploads refuses and /odd/v1/uploads answers no JSON. */
const received: { url: string; body: Buffer }[] = [];
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  received.push({ url: request.url ?? "", body: Buffer.concat(chunks) });
  if (request.url?.startsWith("/busy") && received.filter(({ url }) => url === request.url).length < 3)
    response.writeHead(503).end(JSON.stringify({ error: BUSY }));
  else if (request.url?.startsWith("/odd")) response.writeHead(502).end("bad gateway");
  else if (request.url?.startsWith("/broken"))
    response.writeHead(413).end(JSON.stringify({ error: TOO_LARGE }));
  else response.writeHead(201).end(JSON.stringify(FACTS));
});
let base = "";
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "masklet-upload-"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

describe("an upload", () => {
  const path = () => join(directory, "dog.mp4");

  it.each<[string, () => UploadSource | Promise<UploadSource>]>([
    ["a buffer", () => VIDEO],
    ["a blob", () => new Blob([VIDEO])],
    ["a Node stream", () => Readable.from([VIDEO.subarray(0, 1000), VIDEO.subarray(1000)])],
    ["a web stream", () => new Blob([VIDEO]).stream()],
    ["a file's path", () => writeFile(path(), VIDEO).then(path)],
  ])("takes %s", async (_, source) => {
    expect(
      await upload({ uploads: `${base}/v1/uploads` }, await source(), { filename: "my dog.mp4" }),
    ).toEqual(FACTS);
    expect(received.at(-1)?.url).toBe("/v1/uploads?filename=my+dog.mp4");
    expect(received.at(-1)?.body.equals(VIDEO)).toBe(true);
  });

  it("is sent again after the pause that the server names, with the same bytes", async () => {
    const endpoint = { uploads: `${base}/busy/v1/uploads` };
    const pauses: [string, number][] = [];
    const onRetry = (error: MaskletError, delayMs: number) => void pauses.push([error.message, delayMs]);
    expect(await upload(endpoint, VIDEO, { retryDelaysMs: [10, 50, 10], onRetry })).toEqual(FACTS);
    expect(pauses).toEqual([
      ["all places are taken", 40],
      ["all places are taken", 50],
    ]);
    for (const { body } of received.slice(-3)) expect(body.equals(VIDEO)).toBe(true);
  });

  it("of a stream is sent once only", async () => {
    const endpoint = { uploads: `${base}/busy/once/v1/uploads` };
    await expect(upload(endpoint, new Blob([VIDEO]).stream())).rejects.toMatchObject({
      code: "server_busy",
      retryAfterMs: 40,
    });
  });

  it("rejects with the server's error", async () => {
    const failed = upload({ uploads: `${base}/broken/v1/uploads` }, VIDEO);
    await expect(failed).rejects.toMatchObject({ name: "MaskletError", ...TOO_LARGE });
  });

  it("rejects with the HTTP status of another server", async () => {
    await expect(upload({ uploads: `${base}/odd/v1/uploads` }, VIDEO)).rejects.toThrow(/502/);
  });

  it("rejects without a server at the address", async () => {
    const failed = upload({ uploads: "http://127.0.0.1:1/v1/uploads" }, VIDEO);
    await expect(failed).rejects.toMatchObject({ name: "MaskletError", code: "connection_failed" });
  });

  it("can be given up", async () => {
    const abort = new AbortController();
    const endless = async function* () {
      yield VIDEO;
      abort.abort(new Error("enough"));
      await new Promise(() => {});
    };
    await expect(
      upload({ uploads: `${base}/v1/uploads` }, endless(), { signal: abort.signal }),
    ).rejects.toThrow("enough");
  });
});
