/** Brings back the uploads of an earlier server. */
import type { Logger } from "../log.js";
import type { OwnerId } from "../session-owner.js";
import type { UploadFolders } from "./folders.js";
import { type FinishedRecord, readRecord, type UnfinishedRecord } from "./record.js";
import type { Slot } from "./upload.js";

export interface RestoreParts {
  folders: UploadFolders;
  log: Logger | undefined;
  /** True for an upload that the store has already. */
  isKnown(uploadId: string): boolean;
  /** A slot whose files count nothing yet. Throws when the owner has no place. */
  adoptSlot(uploadId: string, owner: OwnerId, folder: string): Slot;
  /** These return false for files that are not those of the record, and for uploads whose lifetime has ended. */
  restoreFinished(slot: Slot, record: FinishedRecord, usedAtMs: number): Promise<boolean>;
  restoreUnfinished(slot: Slot, record: UnfinishedRecord): Promise<boolean>;
  deleteFiles(slot: Slot): Promise<void>;
}

export interface Restore {
  /** Brings back one upload, if an earlier server left it. */
  one(uploadId: string): Promise<void>;
  /** Brings back all in the background. Resolves when they are back, or soon after the signal. */
  all(signal: AbortSignal): Promise<void>;
}

/** Folders that are read at once in the background: the disk also serves requests. */
const READ_AT_ONCE = 8;

export function createRestore(parts: RestoreParts): Restore {
  const { folders, log } = parts;
  /** Uploads that are being read, so that each is read once. */
  const reading = new Map<string, Promise<void>>();

  async function restore(uploadId: string, folder: string): Promise<void> {
    const found = await readRecord(folder);
    if ("problem" in found) {
      if (found.problem === "version") {
        log?.warn(
          { folder, version: found.version },
          "an upload of another version of the server is ignored",
        );
        return;
      }
      // The upload was not complete when its server was killed, or its record was changed.
      if (found.problem === "damaged") log?.warn({ folder }, "an upload without a valid record is deleted");
      await folders.remove(folder);
      return;
    }
    const { record, writtenAtMs } = found;
    if (record.uploadId !== uploadId) {
      log?.warn({ folder }, "an upload with the record of another one is deleted");
      await folders.remove(folder);
      return;
    }
    let slot: Slot;
    try {
      slot = parts.adoptSlot(uploadId, record.owner, folder);
    } catch (error) {
      log?.warn({ err: error, folder }, "an upload above the limits is deleted");
      await folders.remove(folder);
      return;
    }
    try {
      const isBack =
        record.state === "finished"
          ? await parts.restoreFinished(slot, record, writtenAtMs)
          : await parts.restoreUnfinished(slot, record);
      if (isBack) return;
      log?.info({ folder }, "an upload that has expired or was changed is deleted");
    } catch (error) {
      log?.warn({ err: error, folder }, "an upload cannot be brought back and is deleted");
    }
    await parts.deleteFiles(slot);
  }

  function restoreOnce(uploadId: string, folder: string): Promise<void> {
    const current = reading.get(uploadId);
    if (current) return current;
    if (parts.isKnown(uploadId)) return Promise.resolve();
    const started = restore(uploadId, folder)
      .catch((error) => log?.warn({ err: error, folder }, "a stored upload cannot be read"))
      .finally(() => reading.delete(uploadId));
    reading.set(uploadId, started);
    return started;
  }

  return {
    async one(uploadId) {
      if (!folders.isLasting) return;
      // An upload is known before it is back.
      const current = reading.get(uploadId);
      if (current) return current;
      if (parts.isKnown(uploadId)) return;
      const folder = await folders.find(uploadId);
      if (folder !== undefined) await restoreOnce(uploadId, folder);
    },
    async all(signal) {
      if (!folders.isLasting) return;
      let number = 0;
      const running = new Set<Promise<void>>();
      for await (const { uploadId, folder } of folders.leftOver()) {
        if (signal.aborted) break;
        const one = restoreOnce(uploadId, folder).finally(() => running.delete(one));
        running.add(one);
        if (running.size >= READ_AT_ONCE) await Promise.race(running);
        number++;
      }
      await Promise.all(running);
      if (number > 0) log?.info({ folders: number }, "the stored uploads are read");
    },
  };
}
