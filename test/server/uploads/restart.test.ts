/** Uploads that outlive their server. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { readConfig, type ServerConfig } from "../../../server/config.js";
import { createShares, type Shares } from "../../../server/shares/shares.js";
import { createUploadStore, type UploadStore } from "../../../server/uploads/store.js";
import { makeZip } from "../../helpers/archives.js";
import { makeClip, makeStill, mediaPath, readFrameNumber } from "../../helpers/media.js";
import { until } from "../../helpers/settle.js";

const owner = "key alice";
let folder: string;
let count = 0;
let clip: Buffer;
const running: UploadStore[] = [];

beforeEach(async () => {
  clip = await readFile(await makeClip({ name: "restart.mp4", frames: 20 }));
  folder = join(mediaPath(`restart-${++count}/x`), "..");
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((store) => store.close()));
});

function start(options: Partial<ServerConfig> = {}): { store: UploadStore; shares: Shares } {
  const limits = { ...readConfig({}, {}), ...options };
  const shares = createShares({ limits });
  const store = createUploadStore({ limits, shares, folder });
  running.push(store);
  return { store, shares };
}

const part = (number = 1) => join(folder, `masklet-uploads-${number}`);
const uploadsIn = (path: string) => readdirSync(path).filter((name) => /^[0-9a-f-]{36}$/.test(name));

/** Leaves the folder as a killed server would: with a lock whose process has ended. */
function kill(store: UploadStore): void {
  running.splice(running.indexOf(store), 1);
  const lock = join(part(), "lock.json");
  const holder = JSON.parse(readFileSync(lock, "utf8"));
  writeFileSync(lock, JSON.stringify({ ...holder, pid: 2 ** 22 + 1 }));
  // The timers of the abandoned store would otherwise delete files.
  onTestFinished(() => store.close());
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}
/** Yields bytes, and then nothing. */
async function* stuck(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* whole(bytes);
  await new Promise(() => {});
}
const used = async (shares: Shares) => {
  const uses = Object.fromEntries((await shares.use(owner)).map((share) => [share.name, share.used]));
  return { uploads: uses.uploads, diskBytes: uses.diskBytes };
};
const resumable = { owner, filename: "a.mp4", metadata: { filename: "a.mp4" } };

describe.each(["killed", "stopped"])("a server that was %s", (how) => {
  const end = async (store: UploadStore) => (how === "killed" ? kill(store) : store.close());

  it("brings finished uploads back, with their owner and their facts", async () => {
    const { store, shares } = start();
    const still = await readFile(await makeStill("restart.png", 3));
    const zip = await makeZip({ "1.png": still, "2.png": still, "notes.txt": "hello" });
    const video = await store.receive(whole(clip), { owner, filename: "dog.mp4" });
    const pictures = await store.receive(whole(zip), { owner });
    const before = await used(shares);
    await end(store);

    const next = start();
    expect(await next.store.find(video.uploadId, owner)).toEqual(video);
    expect(await next.store.find(pictures.uploadId, owner)).toEqual(pictures);
    await next.store.restored;
    expect(await used(next.shares)).toEqual(before);
    await expect(next.store.find(video.uploadId, "key bob")).rejects.toMatchObject({
      code: "upload_not_found",
    });
    const media = await next.store.openMedia(video.uploadId, { owner });
    const { rgb } = await media.frame(17, { width: 96, height: 64 });
    expect(readFrameNumber(rgb, 96, 64)).toBe(17);
    await media.close();
    const folderMedia = await next.store.openMedia(pictures.uploadId, { owner });
    expect(folderMedia.facts.numFrames).toBe(2);
    await folderMedia.close();
  });

  it("continues a resumable upload at the bytes on disk", async () => {
    const { store } = start();
    const { uploadId } = await store.resumable.create({ ...resumable, length: null });
    await store.resumable.append(uploadId, owner, whole(clip.subarray(0, 1000)));
    await store.resumable.setLength(uploadId, owner, clip.length);
    // This request is cut off by the end of the server.
    const cut = store.resumable.append(uploadId, owner, stuck(clip.subarray(1000, 2000)));
    cut.catch(() => {});
    await until(async () => (await store.resumable.state(uploadId, owner))?.offset === 2000);
    await end(store);

    const next = start();
    expect(await next.store.resumable.state(uploadId, owner)).toMatchObject({
      ...{ offset: 2000, length: clip.length, metadata: { filename: "a.mp4" } },
    });
    await next.store.resumable.append(uploadId, owner, whole(clip.subarray(2000)));
    const upload = await next.store.resumable.finish(uploadId, owner);
    expect(upload).toMatchObject({ filename: "a.mp4", bytes: clip.length, facts: { numFrames: 20 } });
    expect((await used(next.shares)).diskBytes).toBe(clip.length);
  });

  it("inspects a complete upload that it had not inspected", async () => {
    const { store } = start();
    const { uploadId } = await store.resumable.create({ ...resumable, length: clip.length });
    await store.resumable.append(uploadId, owner, whole(clip));
    writeFileSync(join(part(), uploadId, "0"), "half an unpacked picture");
    await end(store);

    const next = start();
    expect(await next.store.find(uploadId, owner)).toMatchObject({ facts: { numFrames: 20 } });
    expect(existsSync(join(part(), uploadId, "0"))).toBe(false);
  });

  it("deletes what was not complete and has no id", async () => {
    const { store } = start();
    const receiving = store.receive(stuck(clip.subarray(0, 1000)), { owner });
    receiving.catch(() => {});
    await until(() => existsSync(part()) && uploadsIn(part()).length === 1);
    await end(store);
    const next = start();
    await next.store.restored;
    expect(await used(next.shares)).toEqual({ uploads: 0, diskBytes: 0 });
    expect(existsSync(part()) ? uploadsIn(part()) : []).toEqual([]);
  });

  it("keeps an upload no longer than its lifetime", async () => {
    const { store } = start();
    const { uploadId } = await store.receive(whole(clip), { owner });
    const young = await store.receive(whole(clip), { owner });
    const waiting = await store.resumable.create({ ...resumable, length: 2000 });
    await end(store);
    const hourAgo = new Date(Date.now() - 3_600_001);
    utimesSync(join(part(), uploadId, "upload.record"), hourAgo, hourAgo);
    utimesSync(join(part(), waiting.uploadId, "body"), hourAgo, hourAgo);
    const next = start();
    await next.store.restored;
    expect(uploadsIn(part())).toEqual([young.uploadId]);
    expect((await used(next.shares)).uploads).toBe(1);
  });
});

it("a real server brings its uploads back after kill -9", { timeout: 120_000 }, async () => {
  const fixture = "test/helpers/upload-server-fixture.ts";
  const servers: ChildProcess[] = [];
  onTestFinished(() => void servers.map((server) => server.kill("SIGKILL")));
  const run = async () => {
    const server = spawn(process.execPath, ["--import", "tsx", fixture, folder, join(folder, "saved")]);
    servers.push(server);
    const [port] = (await once(server.stdout, "data")) as [Buffer];
    return { server, url: `http://127.0.0.1:${Number(port.toString())}/v1/uploads` };
  };
  const first = await run();
  const answer = await fetch(first.url, { method: "POST", body: clip });
  const facts = (await answer.json()) as { upload_id: string };
  const tus = { "tus-resumable": "1.0.0" };
  const created = await fetch(`${first.url}/tus`, {
    method: "POST",
    headers: {
      ...tus,
      "upload-length": String(clip.length),
      "content-type": "application/offset+octet-stream",
    },
    body: clip.subarray(0, 2000),
  });
  const location = (created.headers.get("location") as string).split("/").at(-1) as string;
  first.server.kill("SIGKILL");
  await once(first.server, "exit");

  const second = await run();
  expect(await (await fetch(`${second.url}/${facts.upload_id}`)).json()).toEqual(facts);
  const state = await fetch(`${second.url}/tus/${location}`, { method: "HEAD", headers: tus });
  expect([state.status, state.headers.get("upload-offset")]).toEqual([200, "2000"]);
});

describe("a folder that was changed while no server ran", () => {
  async function leaveUpload(): Promise<string> {
    const { store } = start();
    const { uploadId } = await store.receive(whole(clip), { owner });
    await store.close();
    running.pop();
    return join(part(), uploadId);
  }
  const idOf = (path: string) => path.split("/").at(-1) as string;

  it.each<[string, (path: string) => void]>([
    ["a longer file", (path) => appendFileSync(join(path, "body"), "x")],
    ["a file with other bytes", (path) => writeFileSync(join(path, "body"), clip)],
    [
      "another file with the same size and time",
      (path) => {
        const { atime, mtime } = statSync(join(path, "body"));
        cpSync(join(path, "body"), join(path, "copy"));
        renameSync(join(path, "copy"), join(path, "body"));
        utimesSync(join(path, "body"), atime, mtime);
      },
    ],
    ["a record with another owner", (path) => replaceIn(path, "key alice", "key mallo")],
    ["a record that is cut short", (path) => writeFileSync(join(path, "upload.record"), "{")],
    [
      "a record of another upload",
      (path) => renameSync(path, join(part(), "7b0f1c1e-3c7e-4a53-9d1a-2f6a2f2f9b10")),
    ],
    [
      "a link in place of the folder",
      (path) => {
        renameSync(path, join(folder, "elsewhere"));
        symlinkSync(join(folder, "elsewhere"), path);
      },
    ],
  ])("does not bring back %s", async (_, change) => {
    const path = await leaveUpload();
    change(path);
    const { store, shares } = start();
    await store.restored;
    await expect(store.find(idOf(path), owner)).rejects.toMatchObject({ code: "upload_not_found" });
    expect(await used(shares)).toEqual({ uploads: 0, diskBytes: 0 });
  });

  function replaceIn(path: string, from: string, to: string): void {
    const record = join(path, "upload.record");
    const before = readFileSync(record, "utf8");
    expect(before).toContain(from);
    writeFileSync(record, before.replace(from, to));
  }

  it("leaves everything else as it is", async () => {
    const path = await leaveUpload();
    const others = [
      "notes.txt",
      "masklet-uploads-x",
      "masklet-uploads-0",
      join("masklet-uploads-1", "mine.txt"),
    ];
    for (const name of others) writeFileSync(join(folder, name), "x");
    mkdirSync(join(part(), "not-an-id"));
    const { store } = start();
    await store.restored;
    expect((await store.find(idOf(path), owner)).bytes).toBe(clip.length);
    for (const name of others) expect(existsSync(join(folder, name)), name).toBe(true);
    expect(existsSync(join(part(), "not-an-id"))).toBe(true);
  });

  it("keeps the files of another version of the server", async () => {
    const path = await leaveUpload();
    const { createHash } = await import("node:crypto");
    const [, json = ""] = readFileSync(join(path, "upload.record"), "utf8").split("\n");
    const newer = JSON.stringify({ ...JSON.parse(json), version: 2 });
    const checksum = createHash("sha256").update(newer).digest("hex");
    writeFileSync(join(path, "upload.record"), `${checksum}\n${newer}\n`);
    const { store } = start();
    await store.restored;
    await expect(store.find(idOf(path), owner)).rejects.toMatchObject({ code: "upload_not_found" });
    expect(existsSync(join(path, "body"))).toBe(true);
  });

  it("deletes uploads above the limits", async () => {
    const { store } = start();
    for (let i = 0; i < 3; i++) await store.receive(whole(clip), { owner });
    await store.close();
    running.pop();
    const next = start({ maxUploadsPerOwner: 2 });
    await next.store.restored;
    expect((await used(next.shares)).uploads).toBe(2);
    expect(uploadsIn(part())).toHaveLength(2);
  });
});

it("bytes that were not synced do not count after a restart of the system", async () => {
  const { store } = start();
  const { uploadId } = await store.resumable.create({ ...resumable, length: clip.length });
  await store.resumable.append(uploadId, owner, whole(clip.subarray(0, 1000)));
  const cut = store.resumable.append(uploadId, owner, stuck(clip.subarray(1000, 2000)));
  cut.catch(() => {});
  await until(async () => (await store.resumable.state(uploadId, owner))?.offset === 2000);
  kill(store);
  const record = join(part(), uploadId, "upload.record");
  const { createHash } = await import("node:crypto");
  const [, json = ""] = readFileSync(record, "utf8").split("\n");
  const content = JSON.parse(json);
  const earlier = JSON.stringify({ ...content, systemStartMs: content.systemStartMs - 60_000 });
  writeFileSync(record, `${createHash("sha256").update(earlier).digest("hex")}\n${earlier}\n`);
  const next = start();
  expect(await next.store.resumable.state(uploadId, owner)).toMatchObject({ offset: 1000 });
  expect((await used(next.shares)).diskBytes).toBe(1000);
});

describe("two servers with one folder", () => {
  it("have a part each, and neither touches the files of the other", async () => {
    const one = start();
    const two = start();
    const first = await one.store.receive(whole(clip), { owner });
    const second = await two.store.receive(whole(clip), { owner });
    expect(readdirSync(folder).sort()).toEqual(["masklet-uploads-1", "masklet-uploads-2"]);
    await one.store.find(first.uploadId, owner);
    await two.store.find(second.uploadId, owner);
    await expect(two.store.find(first.uploadId, owner)).rejects.toMatchObject({ code: "upload_not_found" });
    await two.store.close();
    await one.store.find(first.uploadId, owner);
    await one.store.close();
    running.length = 0;

    // The first one that starts takes both parts over.
    const next = start();
    await next.store.restored;
    expect((await used(next.shares)).uploads).toBe(2);
    const last = start();
    await last.store.restored;
    expect((await used(last.shares)).uploads).toBe(0);
  });

  it("of which ten start at once after a crash: one takes the uploads over", async () => {
    const { store } = start();
    const { uploadId } = await store.receive(whole(clip), { owner });
    kill(store);
    const stores = Array.from({ length: 10 }, () => start().store);
    const found = await Promise.allSettled(stores.map((one) => one.find(uploadId, owner)));
    expect(found.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});
