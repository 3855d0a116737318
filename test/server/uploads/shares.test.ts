/** What the uploads of one owner take, and what remains for the others. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readConfig, type ServerOptions } from "../../../server/config.js";
import { createShares, type Shares } from "../../../server/shares/shares.js";
import { createUploadStore, type UploadStore } from "../../../server/uploads/store.js";
import { createFakeClock, type FakeClock } from "../../helpers/fake-clock.js";
import { makeStill, mediaPath } from "../../helpers/media.js";
import { until } from "../../helpers/settle.js";

let store: UploadStore;
let shares: Shares;
let clock: FakeClock;
afterEach(() => store.close());

function openStore(options: ServerOptions): void {
  const limits = readConfig(options, {});
  clock = createFakeClock();
  shares = createShares({ limits, clock });
  store = createUploadStore({ limits, shares, clock, parent: join(mediaPath("shares/x"), "..") });
}

const used = async (name: string) => (await shares.total()).find((share) => share.name === name)?.used;
const still = async () => readFile(await makeStill("share.png", 1));
async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
/** Begins as a picture, and never goes on. */
async function* endless(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  await new Promise(() => {});
}

describe("slow bodies of one owner", () => {
  it("leave places to other owners, and end below the least rate", async () => {
    openStore({ maxTransfersPerOwner: 4, maxTransfers: 8, minUploadBytesPerS: 1024 });
    const slow = Array.from({ length: 20 }, () => store.receive(endless(), { owner: "slow" }));
    const outcomes = Promise.allSettled(slow);
    await until(async () => (await used("transfers")) === 4);
    await store.receive(whole(await still()), { owner: "other" });

    clock.advance(15_000);
    await until(async () => (await used("transfers")) === 4);
    clock.advance(45_000);
    const codes = (await outcomes).map((one) => (one.status === "rejected" ? one.reason.code : "stored"));
    expect(codes.filter((code) => code === "upload_too_slow")).toHaveLength(4);
    expect(codes.filter((code) => code === "server_busy")).toHaveLength(16);
    expect(await used("transfers")).toBe(0);
    await store.receive(whole(await still()), { owner: "slow" });
    expect(await used("uploads")).toBe(2);
  });

  it("end after a day, whatever their rate", async () => {
    openStore({ minUploadBytesPerS: 0 });
    const sending = store.receive(endless(), { owner: "slow" });
    sending.catch(() => {});
    await until(async () => (await used("transfers")) === 1);
    clock.advance(24 * 3_600_000);
    await expect(sending).rejects.toMatchObject({ code: "upload_too_slow", limit: "transferMs" });
  });

  it("end in the same way when they are resumable; their bytes stay", async () => {
    openStore({});
    const { resumable } = store;
    const { uploadId } = await resumable.create({ owner: "a", length: 5000, filename: null, metadata: {} });
    const sending = resumable.append(uploadId, "a", endless());
    sending.catch(() => {});
    await until(async () => (await resumable.state(uploadId, "a"))?.offset === 8);
    clock.advance(45_000);
    await expect(sending).rejects.toMatchObject({ code: "upload_too_slow", retryAfterMs: 1000 });
    expect(await resumable.state(uploadId, "a")).toMatchObject({ offset: 8 });
    expect(await used("diskBytes")).toBe(8);
  });
});

it("many small uploads of one owner leave places to other owners", async () => {
  openStore({ maxUploadsPerOwner: 3, maxUploads: 4 });
  const picture = await still();
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await store.receive(whole(picture), { owner: "many" })).uploadId);
  await expect(store.receive(whole(picture), { owner: "many" })).rejects.toMatchObject({
    code: "upload_limit",
    limit: "maxUploadsPerOwner",
    retryAfterMs: 60_000,
  });
  await store.receive(whole(picture), { owner: "other" });
  await expect(store.receive(whole(picture), { owner: "third" })).rejects.toMatchObject({
    code: "upload_limit",
    limit: "maxUploads",
  });
  await store.remove(ids[0] as string, "many");
  await store.receive(whole(picture), { owner: "third" });
});

it("the bytes of one owner leave room to other owners", async () => {
  const picture = await still();
  openStore({
    maxDiskBytesPerOwner: Math.floor(1.5 * picture.length),
    maxTotalUploadBytes: 2 * picture.length,
  });
  await store.receive(whole(picture), { owner: "a" });
  let read = false;
  async function* body() {
    read = true;
    yield picture;
  }
  const announced = store.receive(body(), { owner: "a", contentLength: picture.length });
  await expect(announced).rejects.toMatchObject({ code: "quota_exceeded", limit: "maxDiskBytesPerOwner" });
  expect(read).toBe(false);
  await expect(store.receive(body(), { owner: "a" })).rejects.toMatchObject({ code: "quota_exceeded" });
  await store.receive(whole(picture), { owner: "b" });
  await expect(store.receive(whole(picture), { owner: "c" })).rejects.toMatchObject({
    code: "quota_exceeded",
    limit: "maxTotalUploadBytes",
  });
  expect(await used("diskBytes")).toBe(2 * picture.length);
});

it("a refused body is not read to its end", async () => {
  openStore({});
  let chunks = 0;
  async function* noise() {
    for (; ; chunks++) yield Buffer.alloc(1000, 0xa5);
  }
  await expect(store.receive(noise(), { owner: "a" })).rejects.toMatchObject({ code: "media_unsupported" });
  const { uploadId } = await store.resumable.create({
    owner: "a",
    length: 1e9,
    filename: null,
    metadata: {},
  });
  await expect(store.resumable.append(uploadId, "a", noise())).rejects.toMatchObject({
    code: "media_unsupported",
  });
  expect(chunks).toBeLessThan(10);
  // Later requests for it get the same error, before a byte is read.
  await expect(store.resumable.append(uploadId, "a", noise())).rejects.toMatchObject({
    code: "media_unsupported",
  });
  expect([await used("uploads"), await used("diskBytes"), await used("transfers")]).toEqual([0, 0, 0]);
});
