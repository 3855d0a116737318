import type { FileHandle } from "node:fs/promises";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import { type Clock, systemClock } from "../clock.js";
import type { ServerConfig } from "../config.js";
import type { Logger } from "../log.js";
import { isExhaustion, serverOverloaded, systemErrorCode } from "../media/errors.js";
import { openMedia } from "../media/open.js";
import type { MediaFacts, MediaSource, OpeningOptions, OpenMediaOptions } from "../media/source.js";
import { createTaskLimit } from "../task-limit.js";
import { untilAborted } from "./abortable-body.js";
import { makeUploadDirectory } from "./directory.js";

/** The registry of limits documents each. */
export type UploadLimits = Pick<
  ServerConfig,
  "maxUploadBytes" | "maxTotalUploadBytes" | "maxUploads" | "uploadLifetimeMs"
>;

export interface Upload {
  uploadId: string;
  /** The sender's name of the file, for display only. */
  filename: string | null;
  bytes: number;
  facts: MediaFacts;
}

export interface ReceiveOptions {
  /** Bytes, as the sender announces them. An announcement over the limit is rejected before a byte is read. */
  contentLength?: number;
  filename?: string;
  /** Aborts the upload, also during the inspection of the file. `receive` then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface UploadStore {
  /**
   * Writes a body to disk as it arrives and inspects the file. After a failure no file remains.
   *
   * Rejects with `upload_too_large` (the rest of the body stays unread), `media_unreadable`, `media_unsupported`,
   * `server_overloaded`, `shutting_down`, or the error of the body when its sender disconnects.
   */
  receive(body: AsyncIterable<Uint8Array>, options?: ReceiveOptions): Promise<Upload>;
  /** Opens an upload; its file remains until the source is closed. Rejects with `upload_not_found`. */
  openMedia(uploadId: string, options?: OpeningOptions): Promise<MediaSource>;
  /** Removes an upload at once and deletes its file when no session uses it. False if there is no such upload. */
  remove(uploadId: string): Promise<boolean>;
  /** Aborts unfinished uploads and deletes every file. */
  close(): Promise<void>;
}

interface Entry {
  uploadId: string;
  bytes: number;
  path: string;
  /** Open sources. */
  uses: number;
  cancelExpiry: () => void;
}

/**
 * Uploaded media on disk under unguessable ids. Files are in a private folder, created with the first upload; their names
 * on disk are the ids.
 */
export function createUploadStore(options: {
  limits: UploadLimits;
  /** Folder that contains the private folder; the system's temporary folder when absent. */
  parent?: string;
  media?: Pick<OpenMediaOptions, "limits">;
  clock?: Clock;
  log?: Logger;
}): UploadStore {
  const { limits } = options;
  const clock = options.clock ?? systemClock;
  const uploads = new Map<string, Entry>();
  /** Unfinished uploads; each has a controller of its own, because listeners of a shared signal would accumulate. */
  const receiving = new Map<AbortController, Promise<unknown>>();
  const inspections = createTaskLimit(FIXED_LIMITS.inspectionsAtOnce.value);
  let isClosed = false;
  let directory: Promise<string> | undefined;
  let totalBytes = 0;

  function privateDirectory(): Promise<string> {
    if (!directory) {
      directory = makeUploadDirectory(options.parent);
      directory.catch(() => {
        directory = undefined; // The next upload tries again.
      });
    }
    return directory;
  }

  /** Creates the file of an upload, and the private folder again after a cleaner of temporary files deleted it. */
  async function createFile(uploadId: string): Promise<{ path: string; file: FileHandle }> {
    const folder = privateDirectory();
    const path = join(await folder, uploadId);
    try {
      return { path, file: await open(path, "wx", 0o600) };
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
      if (directory === folder) directory = undefined;
      const newPath = join(await privateDirectory(), uploadId);
      return { path: newPath, file: await open(newPath, "wx", 0o600) };
    }
  }

  function expireLater(entry: Entry): void {
    entry.cancelExpiry();
    entry.cancelExpiry = clock.after(limits.uploadLifetimeMs, () => void remove(entry.uploadId));
  }

  async function deleteFile(path: string, bytes: number): Promise<void> {
    totalBytes -= bytes;
    // The file remains until `close` deletes its folder. A rejection would end the process when an upload expires.
    await rm(path, { force: true }).catch((error) =>
      options.log?.error({ err: error }, "an upload stays on disk"),
    );
  }

  async function remove(uploadId: string): Promise<boolean> {
    const entry = uploads.get(uploadId);
    if (!entry) return false;
    uploads.delete(uploadId);
    entry.cancelExpiry();
    if (entry.uses === 0) await deleteFile(entry.path, entry.bytes);
    return true;
  }

  async function receive(
    body: AsyncIterable<Uint8Array>,
    { contentLength = 0, filename }: ReceiveOptions,
    signal: AbortSignal,
  ): Promise<Upload> {
    signal.throwIfAborted();
    if (uploads.size + receiving.size >= limits.maxUploads) {
      throw tooLarge(
        `The server stores at most ${limits.maxUploads} uploads (maxUploads); delete one first.`,
      );
    }
    checkRoom(contentLength, totalBytes + contentLength);

    const uploadId = uuid();
    let path: string | undefined;
    let bytes = 0;
    try {
      const created = await createFile(uploadId);
      const { file } = created;
      path = created.path;
      try {
        for await (const chunk of untilAborted(body, signal)) {
          bytes += chunk.length;
          totalBytes += chunk.length;
          checkRoom(bytes, totalBytes);
          await writeAll(file, chunk);
        }
      } finally {
        await file.close();
      }
      const media = await inspections.run(() => openMedia(created.path, { ...options.media, signal }));
      await media.close();
      signal.throwIfAborted();
      const entry: Entry = { uploadId, bytes, path, uses: 0, cancelExpiry: () => {} };
      uploads.set(uploadId, entry);
      expireLater(entry);
      return { uploadId, filename: filename ?? null, bytes, facts: media.facts };
    } catch (error) {
      if (path !== undefined) await deleteFile(path, bytes);
      throw isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
    }
  }

  function checkRoom(bytes: number, total: number): void {
    if (bytes > limits.maxUploadBytes)
      throw tooLarge(
        `The upload has at least ${bytes} bytes; the limit is ${limits.maxUploadBytes} (maxUploadBytes).`,
      );
    if (total > limits.maxTotalUploadBytes) {
      throw tooLarge(
        `All uploads together exceed ${limits.maxTotalUploadBytes} bytes (maxTotalUploadBytes); delete one first.`,
      );
    }
  }

  return {
    async receive(body, receiveOptions = {}) {
      const { signal } = receiveOptions;
      const controller = new AbortController();
      const abort = () => controller.abort(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted) abort();
      if (isClosed) controller.abort(shuttingDown());
      const upload = receive(body, receiveOptions, controller.signal);
      receiving.set(controller, upload);
      try {
        return await upload;
      } finally {
        receiving.delete(controller);
        signal?.removeEventListener("abort", abort);
      }
    },

    async openMedia(uploadId, openOptions = {}) {
      const entry = isUuid(uploadId) ? uploads.get(uploadId) : undefined;
      if (!entry)
        throw new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
      entry.uses++;
      entry.cancelExpiry();
      let released = false;
      const release = async () => {
        if (released) return;
        released = true;
        entry.uses--;
        if (entry.uses > 0) return;
        if (uploads.has(uploadId)) expireLater(entry);
        else await deleteFile(entry.path, entry.bytes);
      };
      try {
        const media = await openMedia(entry.path, { ...options.media, ...openOptions });
        return {
          ...media,
          async close() {
            await media.close();
            await release();
          },
        };
      } catch (error) {
        await release();
        throw error;
      }
    },

    remove,

    async close() {
      isClosed = true;
      for (const controller of receiving.keys()) controller.abort(shuttingDown());
      await Promise.allSettled(receiving.values());
      for (const entry of uploads.values()) entry.cancelExpiry();
      uploads.clear();
      if (directory) await rm(await directory, { recursive: true, force: true });
    },
  };
}

const tooLarge = (message: string) => new ProtocolError("upload_too_large", message);
const shuttingDown = () => new ProtocolError("shutting_down", "The server is stopping.");

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
}
