import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../log.js";
import { systemErrorCode } from "../media/errors.js";
import { makeUploadDirectory } from "./directory.js";

export interface UploadFolders {
  /** Creates the folder of an upload, which only this user can read. */
  create(uploadId: string): Promise<string>;
  /** Deletes the folder of an upload. Never rejects: what cannot be deleted stays until {@link close}. */
  remove(folder: string): Promise<void>;
  /** Deletes all folders. */
  close(): Promise<void>;
}

/**
 * Folders of uploads inside one private folder. It is created with the first upload, and again after a cleaner of temporary
 * files deleted it.
 *
 * @param parent contains the private folder; the system's temporary folder when absent
 */
export function createUploadFolders(parent: string | undefined, log?: Logger): UploadFolders {
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
    async create(uploadId) {
      const current = privateDirectory();
      const folder = join(await current, uploadId);
      try {
        await mkdir(folder, { mode: 0o700 });
        return folder;
      } catch (error) {
        if (systemErrorCode(error) !== "ENOENT") throw error;
        if (directory === current) directory = undefined;
        const newFolder = join(await privateDirectory(), uploadId);
        await mkdir(newFolder, { mode: 0o700 });
        return newFolder;
      }
    },
    async remove(folder) {
      // A rejection would end the process when an upload expires.
      await rm(folder, { recursive: true, force: true }).catch((error) =>
        log?.error({ err: error }, "an upload stays on disk"),
      );
    },
    async close() {
      if (directory) await rm(await directory, { recursive: true, force: true });
    },
  };
}
