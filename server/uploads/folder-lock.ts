/**
 * A lock file that keeps two servers out of one folder. It names the process that holds it, so that a server that starts
 * after a crash takes the folder over at once. A process of another machine or container cannot be checked; its lock counts
 * as abandoned when its time of change stands still.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { v4 as uuid } from "uuid";
import { z } from "zod";
import { systemErrorCode } from "../media/errors.js";
import { isAlive } from "./is-alive.js";

export interface FolderLock {
  /** Removes the lock. */
  release(): Promise<void>;
}

/** `elsewhere`: a process that cannot be checked holds the lock; see {@link waitUntilAbandoned}. */
export type Claim = { kind: "claimed"; lock: FolderLock } | { kind: "held" } | { kind: "elsewhere" };

const LOCK_NAME = "lock.json";

const holderSchema = z.object({
  id: z.string().max(100),
  pid: z.int().min(1),
  /** Start time of the process, in the system's units; null where it is unknown. */
  started: z.string().max(100).nullable(),
  /** Host and process namespace, within which a process id is valid. */
  machine: z.string().max(1000),
});
type Holder = z.output<typeof holderSchema>;

/** The holder renews the time of change of its lock this often. */
const RENEWAL_MS = 3000;
/** A lock that is not renewed for this long is abandoned. A blocked event loop delays renewals by seconds. */
const ABANDONED_MS = 15_000;
/** A server that ended while it took a lock over leaves a mark, which counts for this long. */
const MARK_MS = 60_000;

/** Takes the lock of an existing folder. Rejects with the file system's error. */
export async function claimFolder(folder: string): Promise<Claim> {
  const path = join(folder, LOCK_NAME);
  const lock = await createLock(path);
  if (lock) return { kind: "claimed", lock };
  const holder = await readHolder(path);
  if (holder && holder.machine !== machine()) return { kind: "elsewhere" };
  if (holder && isRunning(holder)) return { kind: "held" };
  return takeOver(path, holder);
}

/** Waits until the holder of a lock has not renewed it for long. Then takes the lock, unless another server was faster. */
export async function waitUntilAbandoned(folder: string, signal: AbortSignal): Promise<Claim> {
  const path = join(folder, LOCK_NAME);
  const before = await lockTime(path);
  await delay(ABANDONED_MS, undefined, { signal, ref: false });
  if (before !== (await lockTime(path))) return { kind: "held" };
  return takeOver(path, await readHolder(path));
}

async function lockTime(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mtimeMs;
}

/** Undefined when there is a lock already. */
async function createLock(path: string): Promise<FolderLock | undefined> {
  const holder: Holder = {
    id: uuid(),
    pid: process.pid,
    started: startOf(process.pid),
    machine: machine(),
  };
  try {
    const file = await open(path, "wx", 0o600);
    await file.writeFile(JSON.stringify(holder));
    await file.close();
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return undefined;
    throw error;
  }
  const renewal = setInterval(() => {
    const now = new Date();
    // The folder may have been deleted.
    utimes(path, now, now).catch(() => {});
  }, RENEWAL_MS);
  renewal.unref();
  return {
    async release() {
      clearInterval(renewal);
      if ((await readHolder(path))?.id === holder.id) await rm(path, { force: true });
    },
  };
}

/**
 * Replaces an abandoned lock. A mark with the id of that lock lets one of several servers do it: without the mark, one could
 * remove the new lock of another.
 */
async function takeOver(path: string, abandoned: Holder | undefined): Promise<Claim> {
  const mark = `${path}.${abandoned?.id.replace(/[^\w-]/g, "_") ?? "unreadable"}`;
  const markFacts = await stat(mark).catch(() => undefined);
  if (markFacts && Date.now() - markFacts.mtimeMs > MARK_MS) await rm(mark, { force: true });
  try {
    await (await open(mark, "wx", 0o600)).close();
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return { kind: "held" };
    throw error;
  }
  try {
    if ((await readHolder(path))?.id !== abandoned?.id) return { kind: "held" };
    await rm(path, { force: true });
    const lock = await createLock(path);
    return lock ? { kind: "claimed", lock } : { kind: "held" };
  } finally {
    await rm(mark, { force: true });
  }
}

/** Undefined when the lock is gone or unreadable, for example because the disk was full when it was written. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

function isRunning({ pid, started }: Holder): boolean {
  if (!isAlive(pid)) return false;
  // The system gives the id of an ended process to a new one.
  return started === null || startOf(pid) === started;
}

/** When a process started, in ticks since the start of the system. Null where this is not known. */
function startOf(pid: number): string | null {
  if (process.platform !== "linux") return null;
  try {
    // The name of the program, in parentheses, can contain spaces.
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function machine(): string {
  if (process.platform !== "linux") return hostname();
  try {
    const start = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${hostname()} ${start} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}
