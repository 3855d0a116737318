/** Saved sessions on disk: what they take of their owner's share, and how long they stay. */
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { savedSummarySchema } from "../../protocol/index.js";
import { readConfig, type ServerConfig } from "../../server/config.js";
import { writeSavedFile } from "../../server/saved/saved-file.js";
import { createSavedStore, type SavedStore } from "../../server/saved/store.js";
import { createShares, type Shares } from "../../server/shares/shares.js";
import { mediaPath } from "../helpers/media.js";
import { until } from "../helpers/settle.js";

const owner = "key alice";
let folder: string;
let count = 0;
const running: SavedStore[] = [];

beforeEach(() => {
  folder = join(mediaPath(`saved-store-${++count}/x`), "..");
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((store) => store.close()));
});

function start(options: Partial<ServerConfig> = {}): { store: SavedStore; shares: Shares } {
  const limits = { ...readConfig({}, {}), ...options };
  const shares = createShares({ limits });
  const store = createSavedStore({ limits, shares, folder });
  running.push(store);
  return { store, shares };
}

const save = (store: SavedStore, bytes: number, by = owner) =>
  store.add(by, (path) => writeFile(path, Buffer.alloc(bytes)));
const diskBytes = async (shares: Shares, by = owner) =>
  (await shares.use(by)).find((share) => share.name === "diskBytes")?.used;
async function* once(bytes: Uint8Array | string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(bytes);
}
const signal = new AbortController().signal;
const savedFiles = () =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".masklet"));

it("counts the files of an owner, also those of the server before it", async () => {
  const { store, shares } = start({ maxDiskBytesPerOwner: 10_000 });
  const first = await save(store, 4000);
  await save(store, 5000);
  await expect(save(store, 2000)).rejects.toMatchObject({
    code: "quota_exceeded",
    limit: "maxDiskBytesPerOwner",
  });
  await save(store, 9000, "key bob");
  expect(await diskBytes(shares)).toBe(9000);
  await store.remove(owner, first.savedId);
  expect(await diskBytes(shares)).toBe(5000);
  expect(savedFiles()).toHaveLength(2);
  await store.close();

  // Without a request.
  const next = start({ maxDiskBytesPerOwner: 10_000 });
  await until(async () => (await diskBytes(next.shares)) === 5000);
  await until(async () => (await diskBytes(next.shares, "key bob")) === 9000);
  await expect(save(next.store, 6000)).rejects.toMatchObject({ code: "quota_exceeded" });

  // Lower limits keep the files, and refuse further ones.
  await next.store.close();
  const lower = start({ maxDiskBytesPerOwner: 1000 });
  await expect(save(lower.store, 1)).rejects.toMatchObject({ code: "quota_exceeded" });
  expect(savedFiles()).toHaveLength(2);
});

it("deletes old files when it starts, without a request; not those that another server writes", async () => {
  const { store } = start();
  const old = await save(store, 100);
  const young = await save(store, 200);
  const { path } = await store.find(owner, old.savedId);
  await store.close();
  const weekAgo = new Date(Date.now() - 8 * 24 * 3_600_000);
  utimesSync(path, weekAgo, weekAgo);
  const place = join(path, "..");
  writeFileSync(join(place, "now.masklet.part"), "x");
  writeFileSync(join(place, "left.masklet.part"), "x");
  utimesSync(join(place, "left.masklet.part"), weekAgo, weekAgo);
  mkdirSync(join(folder, "others"));

  const next = start();
  await until(() => !existsSync(path) && !existsSync(join(place, "left.masklet.part")));
  expect(existsSync(join(place, "now.masklet.part"))).toBe(true);
  expect((await next.store.find(owner, young.savedId)).bytes).toBe(200);
});

it("refuses a body that is no saved session after its first bytes, and one that is announced too large", async () => {
  const { store, shares } = start({ maxSavedBytes: 1000 });
  let chunks = 0;
  async function* noise() {
    for (; ; chunks++) yield Buffer.alloc(100, 0xa5);
  }
  await expect(store.receive(owner, noise(), { signal })).rejects.toMatchObject({ code: "saved_unreadable" });
  expect(chunks).toBe(0);
  await expect(store.receive(owner, once("PK"), { signal })).rejects.toMatchObject({
    code: "saved_unreadable",
  });
  const announced = store.receive(owner, noise(), { signal, contentLength: 1001 });
  await expect(announced).rejects.toMatchObject({ code: "saved_limit" });
  expect(chunks).toBe(0);
  expect(await diskBytes(shares)).toBe(0);
  expect(savedFiles()).toEqual([]);
});

it("reports a full disk", async () => {
  const { store, shares } = start();
  const full = store.add(owner, () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })));
  await expect(full).rejects.toMatchObject({
    code: "disk_full",
    message: "The session cannot be saved: the disk is full. Try again later.",
  });
  expect(await diskBytes(shares)).toBe(0);
});

it("lists the files of an owner, the newest first, also one that cannot be read", async () => {
  const { store } = start({ savedLifetimeMs: 2 ** 31 - 1 });
  expect(await store.list(owner)).toEqual([]);
  const video = { width: 4, height: 3, num_frames: 2 };
  const write = (name?: string) =>
    store.add(owner, (path) => {
      const named = { ...video, ...(name !== undefined && { name }) };
      const state = { session: {}, results: [], tracker: new Uint8Array() };
      return writeSavedFile(path, { pack: { id: "p", hash: "h" }, video: named, ...state }, "0.1.0");
    });
  const ids = [await write("dog.mp4"), await write(), await save(store, 10)].map(({ savedId }) => savedId);
  await write("other.mp4");
  await save(store, 10, "key bob");
  const now = Math.floor(Date.now() / 1000);
  for (const path of savedFiles()) {
    const at = ids.findIndex((id) => path.includes(id));
    if (at >= 0) utimesSync(join(folder, path), now - 100 * at - 100, now - 100 * at - 100);
  }
  const found = await store.list(owner);
  expect(found.map(({ name }) => name)).toEqual(["other.mp4", "dog.mp4", null, null]);
  expect(found.slice(1).map(({ saved_id }) => saved_id)).toEqual(ids);
  expect(found[1]).toMatchObject({ video, saved_at: new Date((now - 100) * 1000).toISOString() });
  expect(found[2]).toMatchObject({ video });
  expect(found[3]).not.toHaveProperty("video");
  expect(found[3]?.bytes).toBe(10);
  for (const one of found) savedSummarySchema.parse(one);
});
