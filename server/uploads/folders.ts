/** Folders of uploads on disk. Each upload has one, which only this user can read. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../log.js";
import { systemErrorCode } from "../media/errors.js";
import { makeUploadDirectory } from "./directory.js";

export interface UploadFolders {
  /** True when uploads outlive the server. Then each needs a record. */
  readonly isLasting: boolean;
  create(uploadId: string): Promise<string>;
  /** Deletes the folder of an upload. Never rejects: what cannot be deleted stays. */
  remove(folder: string): Promise<void>;
  /** The folder of an upload of an earlier server, or undefined. */
  find(uploadId: string): Promise<string | undefined>;
  /** Folders that an earlier server left, and the ids in their names. */
  leftOver(): AsyncIterable<{ uploadId: string; folder: string }>;
  /** Deletes the uploads that do not outlive the server. */
  close(): Promise<void>;
}

export interface FoldersOptions {
  /** Called when another program has deleted the folder that contains the uploads. */
  onLost(): void;
  log: Logger | undefined;
}

/**
 * Folders of uploads inside one private folder, which is deleted with the server. It is created with the first upload, and
 * again after a cleaner of temporary files deleted it.
 *
 * @param parent contains the private folder; the system's temporary folder when absent
 */
export function createTemporaryFolders(
  parent: string | undefined,
  { onLost, log }: FoldersOptions,
): UploadFolders {
  let directory: Promise<string> | undefined;

  function privateDirectory(): Promise<string> {
    if (!directory) {
      directory = makeUploadDirectory(parent);
      directory.catch(() => {
        directory = undefined; // The next upload tries again.
      });
    }
    return directory;
  }

  return {
    isLasting: false,
    async create(uploadId) {
      const current = privateDirectory();
      const folder = join(await current, uploadId);
      try {
        await mkdir(folder, { mode: 0o700 });
        return folder;
      } catch (error) {
        if (systemErrorCode(error) !== "ENOENT") throw error;
        if (directory === current) {
          directory = undefined;
          onLost();
        }
        const newFolder = join(await privateDirectory(), uploadId);
        await mkdir(newFolder, { mode: 0o700 });
        return newFolder;
      }
    },
    remove: (folder) => removeFolder(folder, log),
    find: async () => undefined,
    async *leftOver() {},
    async close() {
      if (directory) await rm(await directory, { recursive: true, force: true });
    },
  };
}

export async function removeFolder(folder: string, log?: Logger): Promise<void> {
  // A rejection would end the process when an upload expires.
  await rm(folder, { recursive: true, force: true }).catch((error) =>
    log?.error({ err: error }, "an upload stays on disk"),
  );
}
