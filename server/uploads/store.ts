import type { FileHandle } from "node:fs/promises";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError } from "../../protocol/errors.js";
import { type Clock, systemClock } from "../clock.js";
import { systemErrorCode } from "../media/errors.js";
import { openMedia } from "../media/open.js";
import type { MediaFacts, MediaSource, OpenMediaOptions } from "../media/source.js";
import { makeUploadDirectory } from "./directory.js";

export interface UploadLimits {
  /** Bytes of one upload. */
  maxUploadBytes: number;
  /** Bytes of all uploads together, those still coming in included. */
  maxTotalBytes: number;
  maxUploads: number;
  /** How long an upload that no session uses is kept. */
  ttlMs: number;
}

export const DEFAULT_UPLOAD_LIMITS: UploadLimits = {
  maxUploadBytes: 4 * 1024 ** 3,
  maxTotalBytes: 16 * 1024 ** 3,
  maxUploads: 256,
  ttlMs: 60 * 60 * 1000,
};

export interface Upload {
  uploadId: string;
  bytes: number;
  facts: MediaFacts;
}

export interface UploadStore {
  /**
   * Writes a body to disk as it comes in and looks at what it is. Whatever goes wrong, nothing stays on disk.
   *
   * Throws `upload_too_large` (the rest of the body is left unread, so answer and close the connection),
   * `media_unreadable` or `media_unsupported`, or what the body throws when its sender goes away.
   *
   * @param contentLength as the sender announces it; refused before a byte is read if too large
   */
  receive(body: AsyncIterable<Uint8Array>, contentLength?: number): Promise<Upload>;
  /** Opens an upload; its file stays until the source is closed. Throws `upload_not_found`. */
  openMedia(uploadId: string, options?: Pick<OpenMediaOptions, "signal">): Promise<MediaSource>;
  /** Forgets an upload at once and deletes its file when no session uses it any more. False if there is none. */
  remove(uploadId: string): Promise<boolean>;
  /** Ends uploads that are coming in and deletes every file. */
  close(): Promise<void>;
}

interface Entry extends Upload {
  path: string;
  uses: number;
  /** Calls its expiry off. */
  keep: () => void;
}

/**
 * Uploaded media on disk, named by ids that cannot be guessed. Files live in a private folder, made with the first
 * upload, under names of our own.
 */
export function createUploadStore(
  options: {
    limits?: Partial<UploadLimits>;
    /** Folder to make the private folder in; the system's temporary folder when absent. */
    parent?: string;
    media?: Pick<OpenMediaOptions, "limits">;
    clock?: Clock;
  } = {},
): UploadStore {
  const limits = { ...DEFAULT_UPLOAD_LIMITS, ...options.limits };
  const clock = options.clock ?? systemClock;
  const uploads = new Map<string, Entry>();
  const receiving = new Set<Promise<unknown>>();
  const closing = new AbortController();
  let directory: Promise<string> | undefined;
  let totalBytes = 0;

  function privateDirectory(): Promise<string> {
    if (!directory) {
      directory = makeUploadDirectory(options.parent);
      directory.catch(() => {
        directory = undefined; // the next upload tries again
      });
    }
    return directory;
  }

  function expireLater(entry: Entry): void {
    entry.keep();
    entry.keep = clock.after(limits.ttlMs, () => void remove(entry.uploadId));
  }

  async function forget(path: string, bytes: number): Promise<void> {
    totalBytes -= bytes;
    await rm(path, { force: true });
  }

  async function remove(uploadId: string): Promise<boolean> {
    const entry = uploads.get(uploadId);
    if (!entry) return false;
    uploads.delete(uploadId);
    entry.keep();
    if (entry.uses === 0) await forget(entry.path, entry.bytes);
    return true;
  }

  async function receive(body: AsyncIterable<Uint8Array>, contentLength: number): Promise<Upload> {
    closing.signal.throwIfAborted();
    if (uploads.size + receiving.size >= limits.maxUploads) {
      throw tooLarge(`The server keeps at most ${limits.maxUploads} uploads; delete one first.`);
    }
    checkRoom(contentLength, totalBytes + contentLength);

    const uploadId = uuid();
    const path = join(await privateDirectory(), uploadId);
    let bytes = 0;
    try {
      const file = await open(path, "wx", 0o600);
      try {
        for await (const chunk of untilAborted(body, closing.signal)) {
          bytes += chunk.length;
          totalBytes += chunk.length;
          checkRoom(bytes, totalBytes);
          await writeAll(file, chunk);
        }
      } finally {
        await file.close();
      }
      const media = await openMedia(path, { ...options.media, signal: closing.signal });
      await media.close();
      const entry: Entry = { uploadId, bytes, facts: media.facts, path, uses: 0, keep: () => {} };
      uploads.set(uploadId, entry);
      expireLater(entry);
      return { uploadId, bytes, facts: media.facts };
    } catch (error) {
      await forget(path, bytes);
      throw systemErrorCode(error) === "ENOSPC" ? tooLarge("The server's disk is full.", error) : error;
    }
  }

  function checkRoom(bytes: number, total: number): void {
    if (bytes > limits.maxUploadBytes)
      throw tooLarge(`An upload may have ${limits.maxUploadBytes} bytes at most.`);
    if (total > limits.maxTotalBytes) {
      throw tooLarge(
        `All uploads together may have ${limits.maxTotalBytes} bytes at most; delete one first.`,
      );
    }
  }

  return {
    async receive(body, contentLength = 0) {
      const upload = receive(body, contentLength);
      receiving.add(upload);
      try {
        return await upload;
      } finally {
        receiving.delete(upload);
      }
    },

    async openMedia(uploadId, openOptions = {}) {
      const entry = isUuid(uploadId) ? uploads.get(uploadId) : undefined;
      if (!entry)
        throw new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
      entry.uses++;
      entry.keep();
      let released = false;
      const release = async () => {
        if (released) return;
        released = true;
        entry.uses--;
        if (entry.uses > 0) return;
        if (uploads.has(uploadId)) expireLater(entry);
        else await forget(entry.path, entry.bytes);
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
      closing.abort(new ProtocolError("shutting_down", "The server is stopping."));
      await Promise.allSettled(receiving);
      for (const entry of uploads.values()) entry.keep();
      uploads.clear();
      if (directory) await rm(await directory, { recursive: true, force: true });
    },
  };
}

function tooLarge(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError(
    "upload_too_large",
    message,
    undefined,
    cause === undefined ? undefined : { cause },
  );
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
}

/** Passes `body` on; throws the signal's reason also while the body has nothing to say. */
async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  // A stream that is destroyed here would take its connection with it, and with that the answer.
  const kept = "iterator" in body && typeof body.iterator === "function";
  const chunks: AsyncIterator<Uint8Array> = kept
    ? (body.iterator as (options: object) => AsyncIterator<Uint8Array>)({ destroyOnReturn: false })
    : body[Symbol.asyncIterator]();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  aborted.catch(() => {});
  try {
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    void chunks.return?.()?.catch(() => {});
  }
}
