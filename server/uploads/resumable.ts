/** Uploads that arrive in several requests, and continue where an earlier request was cut off. */
import { open, readdir, rm, stat, truncate } from "node:fs/promises";
import { uptime } from "node:os";
import { basename, join } from "node:path";
import { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import type { Clock } from "../clock.js";
import { systemErrorCode } from "../media/errors.js";
import { readHead, SNIFFED_BYTES } from "../media/sniff.js";
import type { OwnerId } from "../session-owner.js";
import { type AdmitOptions, admitFile, bodyPath, type Contents } from "./admit.js";
import { cannotStore, checkUploadBytes, uploadLost, uploadNotFound } from "./errors.js";
import { createFailures } from "./failures.js";
import { checkFirstBytes } from "./first-bytes.js";
import type { UploadLimits } from "./limits.js";
import { RECORD_NAME, type UnfinishedRecord, writeRecord } from "./record.js";
import type { Transfers } from "./transfers.js";
import { isLost, type ResumableState, type Slot, type Upload } from "./upload.js";
import { writeAll } from "./write-all.js";

export interface CreateOptions {
  owner: OwnerId;
  length: number | null;
  filename: string | null;
  metadata: Record<string, string | null>;
}

export interface ResumableUploads {
  /** Rejects with `upload_too_large`, `upload_limit`, `quota_exceeded`, `disk_full` or `server_overloaded`. */
  create(options: CreateOptions): Promise<ResumableState>;
  /**
   * Undefined when this owner has no such upload. A finished upload has an offset equal to its length. Reading the state does
   * not prolong the life of an upload.
   */
  state(uploadId: string, owner: OwnerId): Promise<ResumableState | undefined>;
  setLength(uploadId: string, owner: OwnerId, length: number): Promise<void>;
  /**
   * Appends a body. Returns the new offset; the bytes before it are on the disk itself when uploads outlive the server.
   *
   * Rejects with `server_busy`, `upload_too_slow`, `upload_too_large`, `quota_exceeded`, `disk_full`, `server_overloaded` or
   * the error of a body that is cut off; the bytes before it stay. Rejects with `media_unsupported` or `media_unreadable`
   * when the first bytes cannot be media; then the files are deleted. One body at a time.
   */
  append(uploadId: string, owner: OwnerId, body: AsyncIterable<Uint8Array>): Promise<number>;
  /**
   * Turns a complete upload into media. Several calls have one result. Rejects with the errors of `UploadStore.receive`;
   * then the files are deleted.
   */
  finish(uploadId: string, owner: OwnerId): Promise<Upload>;
  /** Removes an upload, finished or not. False if this owner has no such upload. */
  remove(uploadId: string, owner: OwnerId): Promise<boolean>;
}

interface Unfinished {
  slot: Slot;
  length: number | null;
  offset: number;
  metadata: Record<string, string | null>;
  filename: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  /** The first bytes can be media. */
  isChecked: boolean;
  /** Set once all bytes have arrived. */
  outcome?: Promise<Upload>;
  abort: AbortController;
  cancelExpiry: () => void;
}

/** What the store of finished uploads provides. */
export interface ResumableParts {
  limits: UploadLimits;
  clock: Clock;
  transfers: Transfers;
  /** Uploads outlive the server. */
  isLasting: boolean;
  openSlot(owner: OwnerId, length: number | null): Promise<Slot>;
  /** Inspects the media and adds it to the finished uploads. */
  keep(
    slot: Slot,
    contents: Contents & { bytes: number },
    filename: string | null,
    signal: AbortSignal,
  ): Promise<Upload>;
  /** Adds an upload of an earlier server to this store or to the finished uploads, when there is one. */
  restore(uploadId: string): Promise<void>;
  /** A finished upload. */
  finished(uploadId: string, owner: OwnerId): Upload | undefined;
  removeFinished(uploadId: string, owner: OwnerId): Promise<boolean>;
  removeIfLost(uploadId: string, owner: OwnerId): Promise<boolean>;
  deleteFiles(slot: Slot): Promise<void>;
}

/** Two reports of the start of the system differ by less than this. Two starts never do. */
const SAME_START_MS = 5000;

export function createResumableUploads(parts: ResumableParts) {
  const { limits, clock, transfers, isLasting } = parts;
  const partials = new Map<string, Unfinished>();
  let isClosed = false;
  const failures = createFailures({ clock, lifetimeMs: limits.uploadLifetimeMs });

  function partialOf(uploadId: string, owner: OwnerId): Unfinished | undefined {
    const partial = partials.get(uploadId);
    return partial?.slot.owner === owner ? partial : undefined;
  }

  /** Throws the error of an upload that failed, or `upload_not_found`. */
  async function need(uploadId: string, owner: OwnerId): Promise<Unfinished> {
    await parts.restore(uploadId);
    const failure = failures.find(uploadId, owner);
    if (failure) throw failure.error;
    const partial = partialOf(uploadId, owner);
    if (!partial) throw uploadNotFound();
    return partial;
  }

  function stateOf({ slot, length, offset, metadata, expiresAtMs }: Unfinished): ResumableState {
    return { uploadId: slot.uploadId, length, offset, metadata, expiresAt: new Date(expiresAtMs) };
  }

  /** Bytes have arrived: the upload lives on. */
  function prolong(partial: Unfinished): void {
    const nowMs = Date.now();
    const oldestMs = partial.createdAtMs + FIXED_LIMITS.unfinishedAgeMs.value;
    const leftMs = Math.max(0, Math.min(limits.unfinishedLifetimeMs, oldestMs - nowMs));
    partial.expiresAtMs = nowMs + leftMs;
    partial.cancelExpiry();
    partial.cancelExpiry = clock.after(leftMs, () => void remove(partial));
  }

  async function remove(partial: Unfinished, reason: Error = uploadNotFound()): Promise<void> {
    partials.delete(partial.slot.uploadId);
    partial.cancelExpiry();
    partial.abort.abort(reason);
    const { uploadId, owner } = partial.slot;
    // The upload may have been completed at the same moment.
    const isKept = await partial.outcome?.then(
      () => true,
      () => false,
    );
    await (isKept ? parts.removeFinished(uploadId, owner) : parts.deleteFiles(partial.slot));
  }

  /** Deletes an upload that cannot become media, and keeps the error for a sender that lost its answer. */
  async function fail(partial: Unfinished, error: unknown): Promise<void> {
    const { uploadId, owner } = partial.slot;
    partial.cancelExpiry();
    // An upload that was removed has no outcome.
    if (partials.delete(uploadId)) failures.add(owner, { ...stateOf(partial), expiresAt: null }, error);
    await parts.deleteFiles(partial.slot);
  }

  async function admit(partial: Unfinished): Promise<Upload> {
    const { slot, offset, filename, abort } = partial;
    const { signal } = abort;
    try {
      signal.throwIfAborted();
      const admitting: AdmitOptions = { ...slot, limits, signal };
      const contents = await admitFile(bodyPath(slot.folder), admitting);
      const upload = await parts.keep(slot, { ...contents, bytes: offset }, filename, signal);
      partials.delete(slot.uploadId);
      return upload;
    } catch (error) {
      // Another server continues with the body.
      if (isLasting && isClosed) throw error;
      const isGone = !signal.aborted && (await isLost(slot));
      const reason = isGone ? uploadLost(error) : cannotStore(error);
      await fail(partial, reason);
      throw reason;
    }
  }

  function add(partial: Omit<Unfinished, "abort" | "cancelExpiry" | "expiresAtMs">): Unfinished {
    const added: Unfinished = {
      ...partial,
      expiresAtMs: 0,
      abort: new AbortController(),
      cancelExpiry: () => {},
    };
    partials.set(partial.slot.uploadId, added);
    prolong(added);
    return added;
  }

  async function record({
    slot,
    filename,
    length,
    metadata,
    createdAtMs,
    offset,
  }: Unfinished): Promise<void> {
    if (!isLasting) return;
    const { uploadId, owner } = slot;
    await writeRecord(slot.folder, {
      state: "unfinished",
      ...{ uploadId, owner, filename, length, metadata, createdAtMs, syncedBytes: offset },
      systemStartMs: systemStartMs(),
    });
  }

  /** Removes an upload whose file another program has deleted or shortened. */
  async function checkBody(partial: Unfinished): Promise<void> {
    const { slot, offset } = partial;
    try {
      if ((await stat(bodyPath(slot.folder))).size >= offset) return;
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
    const lost = uploadLost();
    await remove(partial, lost);
    throw lost;
  }

  async function write(partial: Unfinished, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { slot } = partial;
    const path = bodyPath(slot.folder);
    const file = await open(path, "r+");
    try {
      for await (const chunk of chunks) {
        checkUploadBytes(partial.offset + chunk.length, limits);
        slot.disk.add(chunk.length);
        await writeAll(file, chunk, partial.offset).catch(async (error) => {
          // A part of the chunk may be on the disk.
          await file.truncate(partial.offset).catch(() => {});
          slot.disk.subtract(chunk.length);
          throw error;
        });
        partial.offset += chunk.length;
        prolong(partial);
        if (partial.isChecked || partial.offset < SNIFFED_BYTES) continue;
        checkFirstBytes(await readHead(path, SNIFFED_BYTES));
        partial.isChecked = true;
      }
      if (isLasting) await file.datasync();
    } finally {
      await file.close();
    }
  }

  const uploads: ResumableUploads = {
    async create({ owner, length, filename, metadata }) {
      const slot = await parts.openSlot(owner, length);
      const createdAtMs = Date.now();
      const partial = { slot, length, offset: 0, metadata, filename, createdAtMs, isChecked: false };
      try {
        await (await open(bodyPath(slot.folder), "wx", 0o600)).close();
        const added = add(partial);
        await record(added);
        return stateOf(added);
      } catch (error) {
        const added = partials.get(slot.uploadId);
        await (added ? remove(added) : parts.deleteFiles(slot));
        throw cannotStore(error);
      }
    },

    async state(uploadId, owner) {
      await parts.restore(uploadId);
      if (await parts.removeIfLost(uploadId, owner)) return undefined;
      const upload = parts.finished(uploadId, owner);
      if (upload) {
        const { bytes } = upload;
        return { uploadId, length: bytes, offset: bytes, metadata: {}, expiresAt: null };
      }
      const partial = partialOf(uploadId, owner);
      if (!partial) return failures.find(uploadId, owner)?.state;
      if (!partial.outcome) await checkBody(partial);
      return stateOf(partial);
    },

    async setLength(uploadId, owner, length) {
      checkUploadBytes(length, limits);
      const partial = await need(uploadId, owner);
      partial.length = length;
      await record(partial);
    },

    async append(uploadId, owner, body) {
      const partial = await need(uploadId, owner);
      const { slot, abort } = partial;
      try {
        await transfers.receive(owner, body, abort.signal, (chunks) => write(partial, chunks));
        await checkBody(partial);
        await record(partial);
        return partial.offset;
      } catch (error) {
        if (abort.signal.aborted) throw abort.signal.reason;
        if (await isLost(slot)) {
          const lost = uploadLost(error);
          await remove(partial, lost);
          throw lost;
        }
        const isNoMedia =
          error instanceof ProtocolError &&
          (error.code === "media_unsupported" || error.code === "media_unreadable");
        if (isNoMedia) await fail(partial, error);
        throw cannotStore(error);
      }
    },

    async finish(uploadId, owner) {
      const done = parts.finished(uploadId, owner);
      if (done) return done;
      const partial = await need(uploadId, owner);
      const { length, offset } = partial;
      if (length === null || offset < length) {
        const of = length === null ? "an unknown number of" : length;
        const message = `The upload is not complete: ${offset} of ${of} bytes have arrived.`;
        throw new ProtocolError("upload_not_found", message, "upload_id");
      }
      if (!partial.outcome) {
        partial.cancelExpiry();
        partial.outcome = admit(partial);
      }
      return partial.outcome;
    },

    async remove(uploadId, owner) {
      await parts.restore(uploadId);
      const partial = partialOf(uploadId, owner);
      if (!partial) return failures.remove(uploadId, owner) || parts.removeFinished(uploadId, owner);
      await remove(partial);
      return true;
    },
  };

  return {
    uploads,
    has: (uploadId: string, owner: OwnerId) =>
      (partialOf(uploadId, owner) ?? failures.find(uploadId, owner)) !== undefined,

    /**
     * Adds an unfinished upload of an earlier server. Its offset is the size of its file; after a restart of the system only
     * the bytes that were synced count. False when its file is gone, or its lifetime has ended.
     */
    async restore(slot: Slot, saved: UnfinishedRecord): Promise<boolean> {
      const { length, metadata, filename, createdAtMs, syncedBytes, systemStartMs: savedStartMs } = saved;
      const path = bodyPath(slot.folder);
      const facts = await stat(path).catch(() => undefined);
      if (!facts?.isFile()) return false;
      const isSameStart = Math.abs(savedStartMs - systemStartMs()) < SAME_START_MS;
      const offset = isSameStart ? facts.size : Math.min(facts.size, syncedBytes);
      const idleMs = Date.now() - facts.mtimeMs;
      // The sender could not continue while no server ran, so the time without progress starts again, but not for ever.
      const isTooOld =
        idleMs > limits.uploadLifetimeMs || Date.now() - createdAtMs > FIXED_LIMITS.unfinishedAgeMs.value;
      if (isTooOld || offset > (length ?? offset)) return false;
      await removeUnpacked(slot.folder);
      if (offset < facts.size) await truncate(path, offset);
      slot.disk.add(offset);
      add({ slot, length, offset, metadata, filename, createdAtMs, isChecked: false });
      return true;
    },

    /** Removes uploads whose folders another program has deleted. */
    async removeLost(): Promise<void> {
      for (const partial of partials.values()) if (await isLost(partial.slot)) await remove(partial);
    },

    /** Ends the requests in progress. Deletes the files unless uploads outlive the server. */
    async close(reason: Error): Promise<void> {
      isClosed = true;
      const all = [...partials.values()];
      if (!isLasting) {
        await Promise.allSettled(all.map((partial) => remove(partial, reason)));
        return;
      }
      partials.clear();
      for (const partial of all) {
        partial.cancelExpiry();
        partial.abort.abort(reason);
      }
      await Promise.allSettled(all.map(({ outcome }) => outcome));
    },
  };
}

/** Removes what a server that was killed had unpacked from a complete body. */
async function removeUnpacked(folder: string): Promise<void> {
  const kept = [basename(bodyPath(folder)), RECORD_NAME];
  for (const name of await readdir(folder)) {
    if (!kept.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function systemStartMs(): number {
  return Date.now() - uptime() * 1000;
}
