/** Whatever happens to uploads, in whatever order: the shares are what is on disk. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readConfig } from "../../../server/config.js";
import type { MediaSource } from "../../../server/media/source.js";
import { createShares } from "../../../server/shares/shares.js";
import { createUploadStore } from "../../../server/uploads/store.js";
import { createFakeClock } from "../../helpers/fake-clock.js";
import { makeStill, mediaPath } from "../../helpers/media.js";
import { until } from "../../helpers/settle.js";

const owners = ["a", "b"];
const STEPS = 60;

/** Numbers from 0 to 1; the same seed gives the same numbers. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

it.each([1, 2, 3, 4, 5])("random sequence %i", { timeout: 120_000 }, async (seed) => {
  const random = randomNumbers(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const folder = join(mediaPath(`accounting-${seed}/x`), "..");
  const still = await readFile(await makeStill("accounting.png", 1));
  const limits = readConfig(
    { maxUploadsPerOwner: 5, maxDiskBytesPerOwner: 8 * still.length, uploadLifetimeMs: 3_000_000 },
    {},
  );
  const start = () => {
    const clock = createFakeClock();
    const shares = createShares({ limits, clock });
    return { clock, shares, store: createUploadStore({ limits, shares, folder, clock }) };
  };
  let server = start();
  let ids: { id: string; owner: string }[] = [];
  const open: MediaSource[] = [];

  async function* body(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
  }
  async function* cutOff(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield* body(bytes);
    throw new Error("the sender disconnected");
  }
  const stored = (owner: string) => async (upload: Promise<{ uploadId: string }>) =>
    void ids.push({ id: (await upload).uploadId, owner });
  const ending = async (end: () => Promise<void>) => {
    for (const media of open.splice(0)) await media.close();
    await end();
    server = start();
    await server.store.restored;
  };
  const steps: Record<string, () => Promise<unknown>> = {
    add: () => {
      const owner = pick(owners) as string;
      return stored(owner)(server.store.receive(body(still), { owner }));
    },
    refused: () => server.store.receive(body(Buffer.alloc(5000)), { owner: "a" }),
    cut: () => server.store.receive(cutOff(still.subarray(0, 1000)), { owner: "b" }),
    create: () => {
      const owner = pick(owners) as string;
      const options = { owner, length: still.length, filename: null, metadata: {} };
      return stored(owner)(server.store.resumable.create(options));
    },
    append: async () => {
      const { id, owner } = pick(ids) ?? { id: "", owner: "" };
      const state = await server.store.resumable.state(id, owner);
      if (!state || state.offset === still.length) return;
      const end = Math.min(still.length, state.offset + 1 + Math.floor(random() * still.length));
      const bytes = still.subarray(state.offset, end);
      await server.store.resumable.append(id, owner, random() < 0.3 ? cutOff(bytes) : body(bytes));
    },
    finish: () => {
      const { id, owner } = pick(ids) ?? { id: "", owner: "" };
      return server.store.resumable.finish(id, owner);
    },
    open: async () => {
      const { id, owner } = pick(ids) ?? { id: "", owner: "" };
      open.push(await server.store.openMedia(id, { owner }));
    },
    close: async () => open.pop()?.close(),
    remove: () => {
      const { id, owner } = pick(ids) ?? { id: "", owner: "" };
      return server.store.remove(id, owner);
    },
    expire: async () => server.clock.advance(random() < 0.2 ? 4_000_000 : 100_000),
    stop: () => ending(() => server.store.close()),
    kill: async () => {
      const { store } = server;
      await ending(async () => {
        for (const part of readdirSync(folder)) {
          const lock = join(folder, part, "lock.json");
          const holder = JSON.parse(readFileSync(lock, "utf8"));
          writeFileSync(lock, JSON.stringify({ ...holder, pid: 2 ** 22 + 1 }));
        }
      });
      // Only its timers remain, which its clock never fires.
      void store;
    },
  };

  /** Bytes and uploads in the folder. Records and locks do not count. */
  const onDisk = () => {
    const parts = readdirSync(folder);
    const uploads = parts.flatMap((part) =>
      readdirSync(join(folder, part))
        .filter((name) => name !== "lock.json")
        .map((name) => join(folder, part, name)),
    );
    const files = uploads.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
    const bodies = files.filter((path) => !path.endsWith("upload.record"));
    return {
      uploads: uploads.length,
      diskBytes: bodies.reduce((sum, path) => sum + statSync(path).size, 0),
      transfers: 0,
    };
  };
  const held = async () => {
    const total = Object.fromEntries((await server.shares.total()).map(({ name, used }) => [name, used]));
    return { uploads: total.uploads, diskBytes: total.diskBytes, transfers: total.transfers };
  };

  const done: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const name = pick(Object.keys(steps)) as string;
    done.push(name);
    await steps[name]?.().catch((error) => {
      if (error.code === undefined && error.message !== "the sender disconnected") throw error;
    });
    await until(async () => JSON.stringify(await held()) === JSON.stringify(onDisk())).catch(() => {});
    expect(await held(), done.join(" ")).toEqual(onDisk());
    if (ids.length > 20) ids = ids.slice(-10);
  }
  for (const media of open) await media.close();
  await server.store.close();
});
