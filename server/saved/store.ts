/**
 * Saved sessions on disk, under ids that cannot be guessed. With a folder of the operator they outlive the server; without
 * one they are in a temporary folder that the server deletes when it stops. Each owner has a folder of its own.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError } from "../../protocol/index.js";
import { type Clock, systemClock } from "../clock.js";
import type { ServerConfig } from "../config.js";
import type { Logger } from "../log.js";
import { isExhaustion, serverOverloaded } from "../media/errors.js";
import type { OwnerId } from "../session-owner.js";
import { untilAborted } from "../uploads/abortable-body.js";
import { makeUploadDirectory } from "../uploads/directory.js";
import { openSavedFile, type SavedFile } from "./saved-file.js";
import { readTokenLink, writeTokenLink } from "./token-links.js";

export type SavedLimits = Pick<ServerConfig, "maxSavedBytes" | "maxSavedPerOwner" | "savedLifetimeMs">;

export interface SavedFacts {
  savedId: string;
  bytes: number;
  /** Hexadecimal, of the whole file. */
  sha256: string;
}

export interface SavedStore {
  /**
   * Stores a file that `write` creates. After a failure no file remains.
   * @throws ProtocolError saved_limit, server_overloaded
   */
  add(owner: OwnerId, write: (path: string) => Promise<void>): Promise<SavedFacts>;
  /**
   * Stores a file that a client sends, if it is a saved session.
   * @throws ProtocolError saved_unreadable, saved_limit, server_overloaded, or the signal's reason
   */
  receive(owner: OwnerId, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SavedFacts>;
  /** @throws ProtocolError saved_not_found, saved_unreadable */
  open(owner: OwnerId, savedId: string): Promise<SavedFile>;
  /** The file itself. @throws ProtocolError saved_not_found */
  find(owner: OwnerId, savedId: string): Promise<{ path: string; bytes: number }>;
  /** Records that the file continues the session with this token. */
  linkToken(owner: OwnerId, token: string, savedId: string): Promise<void>;
  /** The file of the owner that continues the session with this token. */
  idOfToken(owner: OwnerId, token: string): Promise<string | undefined>;
  /** False if there is no such file. */
  remove(owner: OwnerId, savedId: string): Promise<boolean>;
  /** Deletes the temporary folder. */
  close(): Promise<void>;
}

export interface SavedStoreOptions {
  limits: SavedLimits;
  /** Folder that outlives the server; absent: a temporary one. */
  folder?: string;
  clock?: Clock;
  log?: Logger;
}

const EXTENSION = ".masklet";
const UNFINISHED = ".part";

export function createSavedStore({
  limits,
  folder,
  clock = systemClock,
  log,
}: SavedStoreOptions): SavedStore {
  let root: Promise<string> | undefined;
  /** Of each owner: files that are being written, which count against the limit. */
  const writing = new Map<string, number>();
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

  /** Deletes files that are too old, and those that a killed server did not finish. */
  async function sweep(path: string): Promise<void> {
    for (const owner of await readdir(path, { withFileTypes: true })) {
      if (!owner.isDirectory() || !/^[0-9a-f]{32}$/.test(owner.name)) continue;
      for (const name of await readdir(join(path, owner.name))) {
        const file = join(path, owner.name, name);
        const facts = await stat(file).catch(() => undefined);
        const isOld = facts !== undefined && Date.now() - facts.mtimeMs > limits.savedLifetimeMs;
        const isLeftOver = name.endsWith(UNFINISHED) && writing.size === 0;
        if (isOld || isLeftOver) await rm(file, { force: true });
      }
    }
    if (isClosed) return;
    cancelSweep = clock.after(Math.min(limits.savedLifetimeMs, SWEEP_INTERVAL_MS), () => {
      sweep(path).catch((error) => log?.error({ err: error }, "old saved sessions stay on disk"));
    });
  }

  async function folderOf(owner: OwnerId): Promise<string> {
    const name = createHash("sha256").update(owner).digest("hex").slice(0, 32);
    return join(await rootFolder(), name);
  }

  async function store(owner: OwnerId, write: (path: string) => Promise<void>): Promise<SavedFacts> {
    if (isClosed) throw new ProtocolError("shutting_down", "The server is shutting down.");
    const place = await folderOf(owner);
    await mkdir(place, { recursive: true, mode: 0o700 });
    const others = (await readdir(place)).filter((name) => name.endsWith(EXTENSION)).length;
    const unfinished = writing.get(owner) ?? 0;
    if (others + unfinished >= limits.maxSavedPerOwner) {
      throw new ProtocolError(
        "saved_limit",
        `This client has ${limits.maxSavedPerOwner} saved sessions, which is the limit; delete one first.`,
      );
    }
    writing.set(owner, unfinished + 1);
    const savedId = uuid();
    const path = join(place, savedId + EXTENSION);
    try {
      await write(path + UNFINISHED);
      const { size } = await stat(path + UNFINISHED);
      if (size > limits.maxSavedBytes) throw tooLarge(limits.maxSavedBytes);
      const sha256 = await hashOf(path + UNFINISHED);
      // Readers see a complete file or none.
      await rename(path + UNFINISHED, path);
      return { savedId, bytes: size, sha256 };
    } catch (error) {
      await rm(path + UNFINISHED, { force: true });
      throw isExhaustion(error) ? serverOverloaded("The session cannot be saved", error) : error;
    } finally {
      const left = (writing.get(owner) ?? 1) - 1;
      if (left > 0) writing.set(owner, left);
      else writing.delete(owner);
    }
  }

  async function find(owner: OwnerId, savedId: string): Promise<{ path: string; bytes: number }> {
    if (isUuid(savedId)) {
      const path = join(await folderOf(owner), savedId + EXTENSION);
      const facts = await stat(path).catch(() => undefined);
      if (facts?.isFile()) return { path, bytes: facts.size };
    }
    throw new ProtocolError(
      "saved_not_found",
      "There is no such saved session; it may have expired.",
      "saved_id",
    );
  }

  return {
    add: store,
    receive: (owner, body, signal) =>
      store(owner, async (path) => {
        await receiveFile(path, untilAborted(body, signal), limits.maxSavedBytes);
        const file = await openSavedFile(path);
        file.close();
      }),
    open: async (owner, savedId) => openSavedFile((await find(owner, savedId)).path),
    find,
    linkToken: async (owner, token, savedId) => writeTokenLink(await folderOf(owner), token, savedId),
    async idOfToken(owner, token) {
      const savedId = await readTokenLink(await folderOf(owner), token);
      const found = savedId && (await find(owner, savedId).catch(() => undefined));
      return found ? savedId : undefined;
    },
    async remove(owner, savedId) {
      const found = await find(owner, savedId).catch(() => undefined);
      if (found) await rm(found.path, { force: true });
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

async function receiveFile(path: string, body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    let bytes = 0;
    for await (const chunk of body) {
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
