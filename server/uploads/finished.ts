/** Uploads that sessions can open. */
import { utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../clock.js";
import type { Logger } from "../log.js";
import type { MediaSource, OpenMediaOptions } from "../media/source.js";
import type { OwnerId } from "../session-owner.js";
import { uploadLost, uploadNotFound } from "./errors.js";
import { type FinishedRecord, identify, isSameFile, RECORD_NAME, writeRecord } from "./record.js";
import { LIST_NAME, openStoredMedia, type StoredMedia } from "./stored-media.js";
import { isLost, type Slot, type Upload } from "./upload.js";

export interface Finished {
  add(slot: Slot, media: StoredMedia, upload: Upload, lifetimeMs?: number): void;
  /** Writes the record of an upload, so that it outlives the server. */
  record(slot: Slot, media: StoredMedia, upload: Upload): Promise<void>;
  /** Adds an upload of an earlier server. False when its files are not those of the record, or its lifetime has ended. */
  restore(slot: Slot, record: FinishedRecord, usedAtMs: number): Promise<boolean>;
  find(uploadId: string, owner: OwnerId): Upload | undefined;
  /** Opens an upload; its files remain until the source is closed. Rejects with `upload_not_found`. */
  open(uploadId: string, owner: OwnerId, options: OpenMediaOptions): Promise<MediaSource>;
  /** Removes an upload at once and deletes its files when no session uses it. False if there is no such upload. */
  remove(uploadId: string, owner: OwnerId): Promise<boolean>;
  /** Removes an upload if another program has deleted its folder. */
  removeIfLost(uploadId: string, owner: OwnerId): Promise<boolean>;
  /** The same for all uploads. */
  removeLost(): Promise<void>;
  /** Forgets all uploads and keeps their files. */
  close(): Promise<void>;
}

export interface FinishedParts {
  lifetimeMs: number;
  isLasting: boolean;
  clock: Clock;
  log: Logger | undefined;
  deleteFiles(slot: Slot): Promise<void>;
}

interface Entry {
  upload: Upload;
  slot: Slot;
  media: StoredMedia;
  /** Open sources. */
  uses: number;
  cancelTimer: () => void;
}

export function createFinished({ lifetimeMs, isLasting, clock, log, deleteFiles }: FinishedParts): Finished {
  const entries = new Map<string, Entry>();
  let isClosed = false;

  function entryOf(uploadId: string, owner: OwnerId): Entry | undefined {
    const entry = entries.get(uploadId);
    return entry?.slot.owner === owner ? entry : undefined;
  }

  async function removeEntry(entry: Entry): Promise<void> {
    entries.delete(entry.upload.uploadId);
    entry.cancelTimer();
    if (entry.uses === 0) await deleteFiles(entry.slot);
  }

  function expireLater(entry: Entry, afterMs = lifetimeMs): void {
    entry.cancelTimer();
    entry.cancelTimer = clock.after(afterMs, () => void removeEntry(entry));
  }

  /** While a session uses an upload, its record stays young: a server that starts after a crash keeps it. */
  function keepYoung(entry: Entry): void {
    entry.cancelTimer();
    if (!isLasting) return;
    void touch(entry.slot);
    entry.cancelTimer = clock.after(lifetimeMs / 2, () => keepYoung(entry));
  }

  /** The time of change of the record is the time of the last use. */
  async function touch({ folder }: Slot): Promise<void> {
    const now = new Date();
    await utimes(join(folder, RECORD_NAME), now, now).catch((error) =>
      log?.debug({ err: error }, "the last use of an upload is not recorded"),
    );
  }

  function add(slot: Slot, media: StoredMedia, upload: Upload, afterMs = lifetimeMs): void {
    const entry: Entry = { upload, slot, media, uses: 0, cancelTimer: () => {} };
    entries.set(slot.uploadId, entry);
    expireLater(entry, afterMs);
  }

  return {
    add,

    async record(slot, media, { uploadId, filename, bytes, facts, taken, leftOut }) {
      if (facts.kind === "live") throw new Error("a live session has no files");
      const isFolder = media.kind === "frames";
      const file = await identify(slot.folder, isFolder ? LIST_NAME : basename(media.path));
      const names = { ...(taken && { taken }), ...(leftOut && { leftOut }) };
      await writeRecord(slot.folder, {
        state: "finished",
        ...{
          uploadId,
          owner: slot.owner,
          filename,
          bytes,
          diskBytes: slot.disk.amount,
          facts,
          file,
          isFolder,
        },
        ...names,
      });
    },

    async restore(slot, record, usedAtMs) {
      const { file, isFolder, uploadId, filename, bytes, facts, taken, leftOut } = record;
      const leftMs = Math.min(lifetimeMs, usedAtMs + lifetimeMs - Date.now());
      if (leftMs <= 0) return false;
      const found = await identify(slot.folder, file.name).catch(() => undefined);
      if (!found || !isSameFile(found, file)) return false;
      slot.disk.add(record.diskBytes);
      const media: StoredMedia = isFolder
        ? { kind: "frames", folder: slot.folder }
        : { kind: "file", path: join(slot.folder, file.name) };
      const names = { ...(taken && { taken }), ...(leftOut && { leftOut }) };
      add(slot, media, { uploadId, filename, bytes, facts, ...names }, leftMs);
      return true;
    },

    find: (uploadId, owner) => entryOf(uploadId, owner)?.upload,

    async open(uploadId, owner, options) {
      const entry = entryOf(uploadId, owner);
      if (!entry) throw uploadNotFound();
      entry.uses++;
      keepYoung(entry);
      let released = false;
      const release = async () => {
        if (released) return;
        released = true;
        entry.uses--;
        if (entry.uses > 0 || isClosed) return;
        if (entries.get(uploadId) !== entry) return deleteFiles(entry.slot);
        if (isLasting) await touch(entry.slot);
        expireLater(entry);
      };
      try {
        const media = await openStoredMedia(entry.media, options);
        return {
          ...media,
          async close() {
            await media.close();
            await release();
          },
        };
      } catch (error) {
        const isGone = !options.signal?.aborted && (await isLost(entry.slot));
        if (isGone) await removeEntry(entry);
        await release();
        throw isGone ? uploadLost(error) : error;
      }
    },

    async remove(uploadId, owner) {
      const entry = entryOf(uploadId, owner);
      if (entry) await removeEntry(entry);
      return entry !== undefined;
    },

    async removeIfLost(uploadId, owner) {
      const entry = entryOf(uploadId, owner);
      const isGone = entry !== undefined && (await isLost(entry.slot));
      if (isGone) await removeEntry(entry);
      return isGone;
    },

    async removeLost() {
      for (const entry of entries.values()) if (await isLost(entry.slot)) await removeEntry(entry);
    },

    async close() {
      isClosed = true;
      for (const entry of entries.values()) {
        entry.cancelTimer();
        if (isLasting && entry.uses > 0) await touch(entry.slot);
      }
      entries.clear();
    },
  };
}
