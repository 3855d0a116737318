/**
 * Saved sessions on disk, under ids that cannot be guessed. With a folder of the operator they outlive the server; without
 * one they are in a temporary folder that the server deletes when it stops. Each owner has a folder of its own.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError, type SavedSummary } from "../../protocol/index.js";
import { type Clock, systemClock } from "../clock.js";
import type { ServerConfig } from "../config.js";
import type { Logger } from "../log.js";
import type { OwnerId } from "../session-owner.js";
import type { Lease, Shares } from "../shares/shares.js";
import { makeUploadDirectory } from "../uploads/directory.js";
import { cannotStore } from "../uploads/errors.js";
import { createTransfers } from "../uploads/transfers.js";
import { listSaved, SAVED_EXTENSION } from "./list-saved.js";
import { createSavedBytes, folderName, ownerOfFolder } from "./saved-bytes.js";
import { openSavedFile, type SavedFile, unreadable } from "./saved-file.js";
import { readTokenLink, writeTokenLink } from "./token-links.js";

export type SavedLimits = Pick<
  ServerConfig,
  "maxSavedBytes" | "maxSavedPerOwner" | "savedLifetimeMs" | "minUploadBytesPerS"
>;

export interface SavedFacts {
  savedId: string;
  bytes: number;
  /** Hexadecimal, of the whole file. */
  sha256: string;
}

export interface SavedStore {
  /**
   * Stores a file that `write` creates. After a failure no file remains.
   * @throws ProtocolError saved_limit, quota_exceeded, disk_full, server_overloaded
   */
  add(owner: OwnerId, write: (path: string) => Promise<void>): Promise<SavedFacts>;
  /**
   * Stores a file that a client sends, if it is a saved session. A file that is none is refused after its first bytes.
   *
   * @throws ProtocolError saved_unreadable, saved_limit, quota_exceeded, server_busy, upload_too_slow, disk_full,
   * server_overloaded, or the signal's reason
   */
  receive(
    owner: OwnerId,
    body: AsyncIterable<Uint8Array>,
    options: {
      signal: AbortSignal;
      /** Bytes, as the sender announces them. */
      contentLength?: number;
    },
  ): Promise<SavedFacts>;
  /** The files of the owner, the newest first. */
  list(owner: OwnerId): Promise<SavedSummary[]>;
  /** @throws ProtocolError saved_not_found, saved_unreadable */
  open(owner: OwnerId, savedId: string): Promise<SavedFile>;
  /** The file itself. @throws ProtocolError saved_not_found */
  find(owner: OwnerId, savedId: string): Promise<{ path: string; bytes: number }>;
  /** Records that the file continues the session with this token. */
  linkToken(owner: OwnerId, token: string, savedId: string): Promise<void>;
  /** Does the same if an earlier file continues the session: it has newer results. */
  relinkToken(owner: OwnerId, token: string, savedId: string): Promise<void>;
  /** The file of the owner that continues the session with this token. */
  idOfToken(owner: OwnerId, token: string): Promise<string | undefined>;
  /** False if there is no such file. */
  remove(owner: OwnerId, savedId: string): Promise<boolean>;
  /** Deletes the temporary folder. */
  close(): Promise<void>;
}

export interface SavedStoreOptions {
  limits: SavedLimits;
  shares: Pick<Shares, "take" | "wait">;
  /** Folder that outlives the server; absent: a temporary one. */
  folder?: string;
  clock?: Clock;
  log?: Logger;
}

const UNFINISHED = ".part";

export function createSavedStore({
  limits,
  shares,
  folder,
  clock = systemClock,
  log,
}: SavedStoreOptions): SavedStore {
  let root: Promise<string> | undefined;
  /** Of each owner: files that are being written, which count against the limit. */
  const writing = new Map<string, number>();
  const savedBytes = createSavedBytes(shares);
  const transfers = createTransfers({ shares, limits, clock });
  let isClosed = false;
  let cancelSweep = () => {};

  function rootFolder(): Promise<string> {
    root ??= (async () => {
      const path = folder ?? (await makeUploadDirectory());
      await mkdir(path, { recursive: true, mode: 0o700 });
      await sweep(path);
      return path;
    })();
    root.catch(() => {
      root = undefined;
    });
    return root;
  }

  /** Deletes files that are too old, and those that a killed server did not finish. Counts the files of earlier servers. */
  async function sweep(path: string): Promise<void> {
    for (const { name } of await readdir(path, { withFileTypes: true })) {
      if (!/^[0-9a-f]{32}$/.test(name)) continue;
      const owner = await ownerOfFolder(path, name);
      if (owner !== undefined) {
        await savedBytes.of(owner, join(path, name)).catch((error) => log?.warn({ err: error }, NOT_COUNTED));
      }
      for (const file of await readdir(join(path, name)).catch(() => [])) {
        if (file.endsWith(SAVED_EXTENSION) || file.endsWith(UNFINISHED))
          await expire(owner, join(path, name, file));
      }
    }
    if (isClosed) return;
    cancelSweep = clock.after(Math.min(limits.savedLifetimeMs, SWEEP_INTERVAL_MS), () => {
      sweep(path).catch((error) => log?.error({ err: error }, "old saved sessions stay on disk"));
    });
  }

  async function expire(owner: OwnerId | undefined, path: string): Promise<void> {
    const facts = await stat(path).catch(() => undefined);
    if (!facts) return;
    // Another server may use the same folder, and write this file now.
    const lifetimeMs = path.endsWith(UNFINISHED) ? UNFINISHED_LIFETIME_MS : limits.savedLifetimeMs;
    if (Date.now() - facts.mtimeMs <= lifetimeMs) return;
    await rm(path, { force: true });
    if (owner !== undefined) await savedBytes.subtract(owner, facts.size);
  }

  async function folderOf(owner: OwnerId): Promise<string> {
    return join(await rootFolder(), folderName(owner));
  }

  async function store(owner: OwnerId, write: (path: string) => Promise<void>): Promise<SavedFacts> {
    if (isClosed) throw new ProtocolError("shutting_down", "The server is shutting down.");
    const place = await folderOf(owner);
    const disk = await savedBytes.of(owner, place);
    // Another program may have deleted the folder.
    await mkdir(place, { recursive: true, mode: 0o700 });
    const others = (await readdir(place)).filter((name) => name.endsWith(SAVED_EXTENSION)).length;
    const unfinished = writing.get(owner) ?? 0;
    if (others + unfinished >= limits.maxSavedPerOwner) {
      throw new ProtocolError(
        "saved_limit",
        `This client has ${limits.maxSavedPerOwner} saved sessions, which is the limit; delete one first.`,
      );
    }
    writing.set(owner, unfinished + 1);
    const savedId = uuid();
    const path = join(place, savedId + SAVED_EXTENSION);
    try {
      await write(path + UNFINISHED);
      const { size } = await stat(path + UNFINISHED);
      if (size > limits.maxSavedBytes) throw tooLarge(limits.maxSavedBytes);
      const sha256 = await hashOf(path + UNFINISHED);
      disk.add(size);
      // Readers see a complete file or none.
      await rename(path + UNFINISHED, path).catch((error) => {
        disk.subtract(size);
        throw error;
      });
      return { savedId, bytes: size, sha256 };
    } catch (error) {
      await rm(path + UNFINISHED, { force: true });
      throw cannotStore(error, "The session cannot be saved");
    } finally {
      const left = (writing.get(owner) ?? 1) - 1;
      if (left > 0) writing.set(owner, left);
      else writing.delete(owner);
    }
  }

  async function find(owner: OwnerId, savedId: string): Promise<{ path: string; bytes: number }> {
    if (isUuid(savedId)) {
      const path = join(await folderOf(owner), savedId + SAVED_EXTENSION);
      const facts = await stat(path).catch(() => undefined);
      if (facts?.isFile()) return { path, bytes: facts.size };
    }
    throw new ProtocolError(
      "saved_not_found",
      "There is no such saved session; it may have expired.",
      "saved_id",
    );
  }

  // Files of an earlier server expire and count also when no client uses the store.
  if (folder !== undefined) {
    rootFolder().catch((error) => log?.error({ err: error, folder }, "the saved sessions cannot be read"));
  }

  return {
    add: store,
    async receive(owner, body, { signal, contentLength = 0 }) {
      if (contentLength > limits.maxSavedBytes) throw tooLarge(limits.maxSavedBytes);
      shares.take("diskBytes", owner, contentLength).release();
      return store(owner, async (path) => {
        const disk = shares.take("diskBytes", owner, 0);
        try {
          await transfers.receive(owner, body, signal, (chunks) =>
            receiveFile(path, counted(chunks, disk), limits.maxSavedBytes),
          );
        } finally {
          // The complete file counts from now on.
          disk.release();
        }
        (await openSavedFile(path)).close();
      });
    },
    list: async (owner) => listSaved(await folderOf(owner), limits.savedLifetimeMs),
    open: async (owner, savedId) => openSavedFile((await find(owner, savedId)).path),
    find,
    linkToken: async (owner, token, savedId) => writeTokenLink(await folderOf(owner), token, savedId),
    async relinkToken(owner, token, savedId) {
      const folder = await folderOf(owner);
      if ((await readTokenLink(folder, token)) !== undefined) await writeTokenLink(folder, token, savedId);
    },
    async idOfToken(owner, token) {
      const savedId = await readTokenLink(await folderOf(owner), token);
      const found = savedId && (await find(owner, savedId).catch(() => undefined));
      return found ? savedId : undefined;
    },
    async remove(owner, savedId) {
      const found = await find(owner, savedId).catch(() => undefined);
      if (found) {
        await rm(found.path, { force: true });
        await savedBytes.subtract(owner, found.bytes);
      }
      return found !== undefined;
    },
    async close() {
      isClosed = true;
      cancelSweep();
      if (folder !== undefined || !root) return;
      const path = await root.catch(() => undefined);
      if (path) await rm(path, { recursive: true, force: true });
    },
  };
}

const SWEEP_INTERVAL_MS = 60 * 60 * 1000;
const UNFINISHED_LIFETIME_MS = 60 * 60 * 1000;
const NOT_COUNTED = "the saved sessions of an owner exceed the limits, or cannot be read";

/** The first bytes of a ZIP archive, which every saved session is. */
const ZIP_MAGIC = Buffer.from("PK\x03\x04", "latin1");

/** Passes chunks on, and counts them before they are written. */
async function* counted(chunks: AsyncIterable<Uint8Array>, disk: Lease): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    disk.add(chunk.length);
    yield chunk;
  }
}

async function receiveFile(path: string, body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    let bytes = 0;
    for await (const chunk of body) {
      const expected = ZIP_MAGIC.subarray(bytes, bytes + chunk.length);
      if (expected.compare(chunk, 0, expected.length) !== 0) throw unreadable("it is not a ZIP archive");
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function tooLarge(limit: number): ProtocolError {
  return new ProtocolError(
    "saved_limit",
    `The saved session has more than ${limit} bytes, which is the limit.`,
  );
}
