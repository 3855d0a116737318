/** `masklet upload` and the client's resumable uploads, with a real server behind a proxy that cuts connections. */
import { appendFileSync, mkdirSync, readdirSync, truncateSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFolderArchive } from "../../clients/command/folder-archive.js";
import { connect } from "../../clients/typescript/index.js";
import { callCommand, startCommand } from "../helpers/command.js";
import { makeClip, makeFrameFolder, makeStill, mediaPath } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const uploadDir = mediaPath("uploads/x").slice(0, -2);
const cache = { XDG_CACHE_HOME: mediaPath("cache/x").slice(0, -2) };
let server: TestServer;
/** A clip with bytes after its end: players ignore them. */
let large: string;
const LARGE_BYTES = 40_000_000;

/**
 * A proxy to the server. It destroys a connection after `afterBytes` from the client, `cuts` times. While `holds`, it passes on
 * nothing more of a connection after `afterBytes`. It counts the bytes of all connections in `sentBytes`.
 */
let proxy: Server;
const cutting = { cuts: 0, afterBytes: 0, done: 0, holds: false, sentBytes: 0 };
const proxied = () => `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

beforeAll(async () => {
  server = await startTestServer({ uploadDir }, { engine: createScriptedEngine() });
  large = mediaPath("large.mp4");
  await writeFile(large, await readFile(await makeClip({ name: "clip.mp4", frames: 12 })));
  appendFileSync(large, Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x66, 0x72, 0x65, 0x65]));
  truncateSync(large, LARGE_BYTES);
  proxy = createServer((client: Socket) => {
    const upstream = connectSocket(server.port, "127.0.0.1");
    let bytes = 0;
    client.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      cutting.sentBytes += chunk.length;
      if (cutting.holds && bytes > cutting.afterBytes) client.unpipe(upstream).pause();
      if (cutting.done < cutting.cuts && bytes > cutting.afterBytes) {
        cutting.done++;
        client.destroy();
        upstream.destroy();
      }
    });
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.pipe(upstream).pipe(client);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  proxy.close();
  await server.close();
});

const factsOf = async (id: string) =>
  (await (await fetch(`${server.http}/v1/uploads/${id}`)).json()) as Record<string, unknown>;

describe("masklet upload", { timeout: 180_000 }, () => {
  it("sends a file, prints its upload_id, and continues twice where the connection was cut", async () => {
    Object.assign(cutting, { cuts: 2, afterBytes: 10_000_000, done: 0 });
    const command = startCommand(["upload", large, "--server", proxied()], cache);
    const { status, stdout, stderr } = await command.ended;
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(cutting.done).toBe(2);
    expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect(stderr).toContain("large.mp4: video, 96x64, 12 frames");
    expect(await factsOf(stdout.trim())).toMatchObject({ filename: "large.mp4", bytes: LARGE_BYTES });
  });

  it("continues in another run after it was killed", async () => {
    Object.assign(cutting, { cuts: 0, afterBytes: 10_000_000, holds: true, sentBytes: 0 });
    const bodies = () =>
      readdirSync(uploadDir, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("body"));
    const before = bodies();
    const first = startCommand(["upload", large, "--server", proxied()], cache);
    await expect.poll(() => cutting.sentBytes, { timeout: 60_000 }).toBeGreaterThan(10_000_000);
    first.process.kill("SIGKILL");
    await first.ended;
    const started = bodies().filter((path) => !before.includes(path));
    Object.assign(cutting, { holds: false, sentBytes: 0 });
    const second = await startCommand(["upload", large, "--server", proxied()], cache).ended;
    expect(second).toMatchObject({ status: 0 });
    expect(started).toEqual([expect.stringContaining(second.stdout.trim())]);
    // It has not sent again what the server had received.
    expect(cutting.sentBytes).toBeLessThan(LARGE_BYTES - 5_000_000);
    const file = join(cache.XDG_CACHE_HOME, "masklet", "uploads.json");
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({});
  });

  it("sends the pictures of a folder, in the same order as a folder on the server", async () => {
    const folder = await makeFrameFolder("frames", 12);
    await writeFile(join(folder, "notes.txt"), "text");
    await writeFile(join(folder, "5.jpg"), "");
    mkdirSync(join(folder, "sub"));
    const { status, stdout } = await callCommand(["upload", folder, "--server", server.url]);
    expect(status).toBe(0);
    expect(await factsOf(stdout.trim())).toMatchObject({
      ...{ kind: "frames", num_frames: 12, filename: "frames" },
      taken: [
        "0.jpg",
        "1.jpg",
        "2.jpg",
        "3.jpg",
        "4.jpg",
        "5.jpg",
        "6.jpg",
        "7.jpg",
        "8.jpg",
        "9.jpg",
        "10.jpg",
        "11.jpg",
      ],
    });
  });

  it.each([
    ["a path that does not exist", () => ["/no/such/file"], 2, /there is no "\/no\/such\/file"/],
    [
      "a bad address",
      async () => [await makeStill("x.png", 1), "--server", "nowhere"],
      2,
      /^--server: expected/,
    ],
    [
      "no server",
      async () => [await makeStill("x.png", 1), "--server", "ws://127.0.0.1:9"],
      1,
      /^--server: no conn/,
    ],
    [
      "a file that is no media",
      async () => {
        await writeFile(mediaPath("text.mp4"), "hello");
        return [mediaPath("text.mp4"), "--server", server.url];
      },
      1,
      /text\.mp4 cannot be sent: The file is text/,
    ],
    [
      "a folder without pictures",
      () => {
        mkdirSync(mediaPath("none/x"), { recursive: true });
        return [mediaPath("none/x"), "--server", server.url];
      },
      1,
      /contains no pictures/,
    ],
  ])("reports %s", async (_, args, status, message) => {
    const end = await callCommand(["upload", ...(await args())]);
    expect(end.status).toBe(status);
    expect(end.stderr).toMatch(message);
    expect(end.stdout).toBe("");
  });
});

it("the client sends a folder, a list of files, and a Blob that it can continue", async () => {
  const client = await connect(server.url);
  const folder = await makeFrameFolder("client-frames", 3);
  expect(await client.upload(folder)).toMatchObject({ kind: "frames", num_frames: 3 });
  const files = await Promise.all(
    [2, 1].map(async (number) => ({
      name: `a/${number}.jpg`,
      content: new Blob([await readFile(join(folder, `${number}.jpg`))]),
    })),
  );
  expect(await client.upload(files)).toMatchObject({ taken: ["a/1.jpg", "a/2.jpg"] });
  const sent: number[] = [];
  const addresses: string[] = [];
  const facts = await client.uploadResumable(large, {
    filename: "large.mp4",
    onProgress: (bytes) => sent.push(bytes),
    onAddress: (address) => addresses.push(address),
  });
  expect(facts).toMatchObject({ kind: "video", num_frames: 12, filename: "large.mp4" });
  expect(sent.at(-1)).toBe(LARGE_BYTES);
  expect(addresses[0]).toContain(facts.upload_id);

  const text = new Blob(["hello, I am not a video"]);
  await expect(client.uploadResumable(text)).rejects.toMatchObject({
    ...{ name: "MaskletError", code: "media_unsupported", retryable: false },
  });
  const stopped = AbortSignal.abort(new Error("enough"));
  await expect(client.uploadResumable(text, { signal: stopped })).rejects.toThrow("enough");
  await client.close();
});

it("an archive of a folder has the same bytes whole and in parts", async () => {
  const folder = await makeFrameFolder("parts", 2);
  const long = `${"ä".repeat(80)}.jpg`;
  await writeFile(join(folder, long), await readFile(join(folder, "1.jpg")));
  const files = ["0.jpg", "1.jpg", long].map((name) => ({ path: join(folder, name), name }));
  const archive = await openFolderArchive(files);
  const read = async (start: number, end: number) => {
    const chunks: Buffer[] = [];
    for await (const chunk of (await archive.slice(start, end)) as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const whole = await read(0, archive.size);
  expect(whole.length).toBe(archive.size);
  for (const [start, end] of [
    [0, 1],
    [500, 520],
    [1000, archive.size - 1000],
    [archive.size - 10, archive.size],
  ] as const) {
    expect((await read(start, end)).equals(whole.subarray(start, end))).toBe(true);
  }
});
