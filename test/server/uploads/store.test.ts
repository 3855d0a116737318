import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Clock } from "../../../server/clock.js";
import { readConfig, type ServerConfig } from "../../../server/config.js";
import { createShares } from "../../../server/shares/shares.js";
import { createUploadStore, type UploadStore } from "../../../server/uploads/store.js";
import {
  ffmpegChildren,
  makeClip,
  makeStill,
  mediaDirectory,
  mediaPath,
  readFrameNumber,
} from "../../helpers/media.js";
import { stableValue, until } from "../../helpers/settle.js";

const size = { width: 96, height: 64 };
let parent: string;
const stores: UploadStore[] = [];

beforeEach(() => {
  parent = mkdtempSync(join(mediaDirectory(), "uploads-"));
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  expect(readdirSync(parent)).toEqual([]);
});

function newStore(limits: Partial<ServerConfig> = {}, clock?: Clock): UploadStore {
  const config = { ...readConfig({}, {}), ...limits };
  const store = createUploadStore({
    parent,
    limits: config,
    shares: createShares({ limits: config, ...(clock && { clock }) }),
    ...(clock && { clock }),
  });
  stores.push(store);
  return store;
}

/** Names of the uploaded files on disk. */
function filesOnDisk(): string[] {
  return readdirSync(parent).flatMap((folder) => readdirSync(join(parent, folder)));
}

const clip = async () => readFile(await makeClip({ name: "plain.mp4", frames: 30 }));

/** Yields a body in chunks of `chunkBytes`, then calls `then`. */
async function* inChunks(bytes: Uint8Array, chunkBytes = 1000, then = () => {}): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  then();
}

/** A clock that the test advances. */
function standingClock() {
  const timers = new Set<{ atMs: number; fire: () => void }>();
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    after(delayMs, fire) {
      const timer = { atMs: nowMs + delayMs, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const advance = (ms: number) => {
    nowMs += ms;
    for (const timer of timers) {
      if (timer.atMs <= nowMs && timers.delete(timer)) timer.fire();
    }
  };
  return { clock, advance };
}

describe("an upload", () => {
  it("is written to disk, inspected, and opened by its id", async () => {
    const store = newStore();
    const bytes = await clip();
    const upload = await store.receive(inChunks(bytes), { contentLength: bytes.length, filename: "dog.mp4" });
    expect(upload).toMatchObject({
      filename: "dog.mp4",
      bytes: bytes.length,
      facts: { kind: "video", ...size, numFrames: 30, codec: "h264" },
    });
    expect(upload.uploadId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    const media = await store.openMedia(upload.uploadId);
    expect(readFrameNumber((await media.frame(17, size)).rgb, 96, 64)).toBe(17);
    await media.close();
  });

  it("is readable by this user only", async () => {
    const store = newStore();
    await store.receive(inChunks(await clip()));
    const [folder] = readdirSync(parent);
    const [file] = filesOnDisk();
    expect(statSync(join(parent, folder as string)).mode & 0o077).toBe(0);
    expect(statSync(join(parent, folder as string, file as string)).mode & 0o077).toBe(0);
  });

  it("that is not media leaves no file", async () => {
    const store = newStore();
    await expect(store.receive(inChunks(Buffer.from("hello, world")))).rejects.toMatchObject({
      code: "media_unsupported",
    });
    await expect(store.receive(inChunks(Buffer.alloc(0)))).rejects.toMatchObject({
      code: "media_unreadable",
    });
    expect(filesOnDisk()).toEqual([]);
  });

  it("with an unknown id is not found, whatever the form of the id", async () => {
    const store = newStore();
    await store.receive(inChunks(await clip()));
    for (const id of ["", "../x", "7b0f1c1e-3c7e-4a53-9d1a-2f6a2f2f9b10", "__proto__"]) {
      await expect(store.openMedia(id)).rejects.toMatchObject({
        code: "upload_not_found",
        field: "upload_id",
      });
      expect(await store.remove(id)).toBe(false);
    }
  });
});

describe("an upload that cannot be stored", () => {
  it.each([
    ["ENOSPC", "disk_full", "The upload cannot be stored: the disk is full. Try again later."],
    [
      "EDQUOT",
      "disk_full",
      "The upload cannot be stored: the disk quota of the server is used up. Try again later.",
    ],
    [
      "ENOMEM",
      "server_overloaded",
      "The upload cannot be stored: the system is out of memory. Try again later.",
    ],
  ])("is refused with the reason, and leaves no file: %s", async (cause, code, message) => {
    const store = newStore();
    const probe = await open(import.meta.filename);
    await probe.close();
    const write = vi.spyOn(Object.getPrototypeOf(probe) as FileHandle, "write");
    onTestFinished(() => write.mockRestore());
    write.mockRejectedValueOnce(Object.assign(new Error(cause), { code: cause }));
    await expect(store.receive(inChunks(await clip()))).rejects.toMatchObject({
      code,
      message,
    });
    expect(filesOnDisk()).toEqual([]);
    await store.receive(inChunks(await clip()));
  });

  it("because a cleaner deleted the folder creates a new folder", async () => {
    const store = newStore();
    await store.receive(inChunks(await clip()));
    rmSync(join(parent, readdirSync(parent)[0] as string), { recursive: true });
    const bytes = await clip();
    await Promise.all([1, 2, 3].map(() => store.receive(inChunks(bytes))));
    expect(readdirSync(parent)).toHaveLength(1);
    expect(filesOnDisk()).toHaveLength(3);
  });

  it("because its sender aborts leaves no file, also during the inspection", async () => {
    const store = newStore();
    const sender = new AbortController();
    const reason = new Error("the sender disconnected");
    const receiving = store.receive(
      inChunks(await clip(), 1000, () => sender.abort(reason)),
      { signal: sender.signal },
    );
    await expect(receiving).rejects.toBe(reason);
    await expect(
      store.receive(inChunks(Buffer.from("x")), { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    expect(filesOnDisk()).toEqual([]);
  });
});

describe("the limits of an upload store", () => {
  it("end an upload at the first byte over its limit", async () => {
    const bytes = await clip();
    const exact = newStore({ maxUploadBytes: bytes.length });
    expect((await exact.receive(inChunks(bytes))).bytes).toBe(bytes.length);

    const tight = newStore({ maxUploadBytes: bytes.length - 1 });
    await expect(tight.receive(inChunks(bytes, 100))).rejects.toMatchObject({ code: "upload_too_large" });
    let read = false;
    const announced = tight.receive(
      inChunks(bytes, 100, () => {
        read = true;
      }),
      { contentLength: bytes.length },
    );
    await expect(announced).rejects.toMatchObject({ code: "upload_too_large" });
    expect(read).toBe(false);
    expect(filesOnDisk()).toHaveLength(1);
  });

  it("count the bytes of all uploads, and release those of deleted ones", async () => {
    const bytes = await clip();
    const store = newStore({ maxTotalUploadBytes: 2 * bytes.length });
    const first = await store.receive(inChunks(bytes));
    await store.receive(inChunks(bytes));
    await expect(store.receive(inChunks(bytes))).rejects.toMatchObject({ code: "quota_exceeded" });
    expect(await store.remove(first.uploadId)).toBe(true);
    await store.receive(inChunks(bytes));
    expect(filesOnDisk()).toHaveLength(2);
  });

  it("count uploads, including unfinished ones", async () => {
    const bytes = await clip();
    const store = newStore({ maxUploads: 2 });
    const three = await Promise.allSettled([1, 2, 3].map(() => store.receive(inChunks(bytes))));
    expect(three.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(filesOnDisk()).toHaveLength(2);
  });
});

it("receives many uploads at once without a warning about listeners", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const store = newStore();
  const still = await readFile(await makeStill("many.png", 5));
  await Promise.all(Array.from({ length: 24 }, () => store.receive(inChunks(still))));
  await new Promise(setImmediate);
  expect(warnings).toEqual([]);
});

it("inspects few of an owner's uploads at once, and those of another owner at the same time", async () => {
  const slow = mediaPath("slow/ffprobe");
  // Questions about the build are answered; inspections never end.
  const script =
    '#!/bin/sh\ncase "$*" in *-version|*-decoders) exit 1 ;; esac\nwhile :; do sleep 0.1; done\n';
  writeFileSync(slow, script, { mode: 0o755 });
  vi.stubEnv("FFPROBE_PATH", slow);
  onTestFinished(() => void vi.unstubAllEnvs());
  const running = () => ffmpegChildren().length;
  const shares = createShares({ limits: readConfig({ maxProbesPerOwner: 2, maxProbes: 5 }, {}) });
  const store = createUploadStore({
    limits: readConfig({}, {}),
    parent,
    shares,
  });
  stores.push(store);
  const bytes = await clip();
  const receive = (owner: string) => store.receive(inChunks(bytes), { owner });
  const many = Array.from({ length: 20 }, () => receive("many"));
  await until(async () => filesOnDisk().length === 20 && (await stableValue(running)) === 2);
  const uploads = Promise.allSettled([...many, receive("one")]);
  await until(async () => filesOnDisk().length === 21 && (await stableValue(running)) === 3);
  await store.close();
  for (const upload of await uploads) {
    expect(upload).toMatchObject({ status: "rejected", reason: { code: "shutting_down" } });
  }
  await until(() => running() === 0);
});

describe("an upload's end", () => {
  it("comes after its lifetime without use, and each use restarts the lifetime", async () => {
    const { clock, advance } = standingClock();
    const store = newStore({ uploadLifetimeMs: 1000 }, clock);
    const { uploadId } = await store.receive(inChunks(await clip()));
    advance(900);
    const media = await store.openMedia(uploadId);
    advance(5000);
    expect(filesOnDisk()).toHaveLength(1);
    await media.close();
    await media.close();
    advance(900);
    await (await store.openMedia(uploadId)).close();
    advance(999);
    expect(filesOnDisk()).toHaveLength(1);
    advance(1);
    await expect(store.openMedia(uploadId)).rejects.toMatchObject({ code: "upload_not_found" });
    await expect.poll(filesOnDisk).toEqual([]);
  });

  it("is logged when the file cannot be deleted", async () => {
    const { clock, advance } = standingClock();
    const lines: string[] = [];
    const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
    const limits = readConfig({ uploadLifetimeMs: 1000 }, {});
    const store = createUploadStore({
      parent,
      limits,
      shares: createShares({ limits }),
      clock,
      log,
    });
    stores.push(store);
    const { uploadId } = await store.receive(inChunks(await clip()));
    const folder = join(parent, readdirSync(parent)[0] as string);
    expect(readdirSync(folder)).toEqual([uploadId]);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "a file in place of the folder");
    advance(1000);
    await until(() => lines.length > 0);
    expect(lines[0]).toContain("an upload stays on disk");
  });

  it("waits for the sessions that use a deleted upload", async () => {
    const store = newStore();
    const { uploadId } = await store.receive(inChunks(await clip()));
    const media = await store.openMedia(uploadId);
    expect(await store.remove(uploadId)).toBe(true);
    await expect(store.openMedia(uploadId)).rejects.toMatchObject({ code: "upload_not_found" });
    expect(readFrameNumber((await media.frame(29, size)).rgb, 96, 64)).toBe(29);
    await media.close();
    expect(filesOnDisk()).toEqual([]);
  });

  it("comes with the end of the store, also for an unfinished upload", async () => {
    const store = newStore();
    await store.receive(inChunks(await clip()));
    async function* endless() {
      yield Buffer.from("\0\0\0\x18ftypisom");
      await new Promise(() => {});
    }
    const receiving = store.receive(endless());
    receiving.catch(() => {});
    await expect.poll(() => filesOnDisk().length).toBe(2);
    await store.close();
    await expect(receiving).rejects.toMatchObject({ code: "shutting_down" });
    expect(readdirSync(parent)).toEqual([]);
    await expect(store.receive(endless())).rejects.toMatchObject({ code: "shutting_down" });

    const other = newStore();
    const justStarted = expect(other.receive(endless())).rejects.toMatchObject({ code: "shutting_down" });
    await other.close();
    await justStarted;
  });
});

describe("over HTTP", () => {
  /** Serves uploads into `store` over HTTP; `outcome` resolves to the result of the first one. */
  async function serve(store: UploadStore) {
    let settle: (outcome: unknown) => void;
    const outcome = new Promise<unknown>((resolve) => {
      settle = resolve;
    });
    const server = createServer((req, res) => {
      store.receive(req).then(
        (upload) => {
          res.writeHead(201).end(upload.uploadId);
          settle(upload);
        },
        (error) => {
          res.writeHead(413, { connection: "close" }).end(String(error.code));
          settle(error);
        },
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { outcome, port, close: () => server.close() };
  }

  it("a sender that disconnects in the middle leaves no file", async () => {
    const store = newStore();
    const { outcome, port, close } = await serve(store);
    const sender = request({ port, method: "POST", headers: { "content-length": 1_000_000 } });
    sender.on("error", () => {});
    sender.write((await clip()).subarray(0, 2000));
    await expect.poll(() => filesOnDisk().length).toBe(1);
    sender.destroy();
    expect(await outcome).toBeInstanceOf(Error);
    expect(filesOnDisk()).toEqual([]);
    close();
  });

  it("the sender of a too large upload receives the error", async () => {
    const store = newStore({ maxUploadBytes: 100_000 });
    const { port, close } = await serve(store);
    const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sender = request({ port, method: "POST" }, async (res) => {
        let text = "";
        for await (const part of res) text += part;
        resolve({ status: res.statusCode, text });
      });
      sender.on("error", reject);
      sender.write("\0\0\0\x18ftypisom");
      sender.write(Buffer.alloc(200_000));
    });
    expect(answer).toEqual({ status: 413, text: "upload_too_large" });
    expect(filesOnDisk()).toEqual([]);
    close();
  });
});

describe("the folder of a killed server", () => {
  it("is removed with the first upload; folders of running servers and other hosts stay", async () => {
    const folder = (host: string, pid: number) =>
      `masklet-uploads-${host.replace(/[^\w.]/g, "_")}-${pid}-Abc123`;
    const dead = folder(hostname(), 2 ** 22 + 1); // above Linux's highest process id
    const names = [dead, folder(hostname(), process.ppid), folder("another-host", 2 ** 22 + 1), "unrelated"];
    for (const name of names) mkdirSync(join(parent, name));
    symlinkSync(parent, join(parent, dead, "link"));

    const store = newStore();
    await store.receive(inChunks(await clip()));
    expect(existsSync(join(parent, dead))).toBe(false);
    for (const name of names.slice(1)) {
      expect(existsSync(join(parent, name)), name).toBe(true);
      rmSync(join(parent, name), { recursive: true });
    }
  });

  it("is never a folder of this process", async () => {
    const [one, two] = [newStore(), newStore()];
    const { uploadId } = await one.receive(inChunks(await clip()));
    await two.receive(inChunks(await clip()));
    await (await one.openMedia(uploadId)).close();
  });
});
