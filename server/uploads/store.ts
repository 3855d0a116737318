/** Uploaded media on disk under unguessable ids. */
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import { type Clock, systemClock } from "../clock.js";
import type { ServerConfig } from "../config.js";
import { shuttingDown } from "../failure.js";
import type { Logger } from "../log.js";
import { isExhaustion, serverOverloaded } from "../media/errors.js";
import type { LeftOut, MediaFacts, MediaSource, OpenMediaOptions } from "../media/source.js";
import { createTaskLimit } from "../task-limit.js";
import { untilAborted } from "./abortable-body.js";
import { type AdmitOptions, admitFile, admitForm, type Contents, writeBody } from "./admit.js";
import { createUploadFolders } from "./folders.js";
import { isForm } from "./multipart.js";
import { type Account, createQuota, uploadTooLarge } from "./quota.js";
import { openStoredMedia, type StoredMedia } from "./stored-media.js";

/** The registry of limits documents each. */
export type UploadLimits = Pick<
  ServerConfig,
  "maxUploadBytes" | "maxTotalUploadBytes" | "maxUploads" | "maxUploadEntries" | "uploadLifetimeMs"
>;

export interface Upload {
  uploadId: string;
  /** The sender's name of the file, for display only. */
  filename: string | null;
  /** As received, before an archive is unpacked. */
  bytes: number;
  facts: MediaFacts;
  /** Of an archive or form: names of the files that are kept, in frame order, at most `FIXED_LIMITS.leftOutListed`. */
  taken?: string[];
  /** Of an archive or form: the files that are not kept. */
  leftOut?: LeftOut;
}

export interface ReceiveOptions {
  /** Bytes, as the sender announces them. An announcement over the limit is rejected before a byte is read. */
  contentLength?: number;
  /** `multipart/form-data` with a boundary is parsed as a form; of all others the content determines the format. */
  contentType?: string;
  filename?: string;
  /** Only this owner finds the upload. */
  owner?: string;
  /** Aborts the upload, also during the inspection of the file. `receive` then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface UploadStore {
  /**
   * Writes a body to disk as it arrives, unpacks it if it is an archive or a form, and inspects the media. After a failure
   * no file remains.
   *
   * Rejects with `upload_too_large` (the rest of the body stays unread), `media_unreadable`, `media_unsupported`,
   * `invalid_field` (a damaged form), `server_overloaded`, `shutting_down`, or the error of the body when its sender
   * disconnects.
   */
  receive(body: AsyncIterable<Uint8Array>, options?: ReceiveOptions): Promise<Upload>;
  /** Rejects with `upload_not_found`. */
  find(uploadId: string, owner?: string): Promise<Upload>;
  /** Opens an upload; its files remain until the source is closed. Rejects with `upload_not_found`. */
  openMedia(
    uploadId: string,
    options?: Pick<OpenMediaOptions, "signal" | "onProgress"> & { owner?: string },
  ): Promise<MediaSource>;
  /** Removes an upload at once and deletes its files when no session uses it. False if there is no such upload. */
  remove(uploadId: string, owner?: string): Promise<boolean>;
  /** Aborts unfinished uploads and deletes every file. */
  close(): Promise<void>;
}

interface Entry {
  upload: Upload;
  owner: string;
  media: StoredMedia;
  folder: string;
  account: Account;
  /** Open sources. */
  uses: number;
  cancelExpiry: () => void;
}

/** The owner of uploads whose caller names none. */
const NO_OWNER = "";

export function createUploadStore(options: {
  limits: UploadLimits;
  /** Folder that contains the private folder; the system's temporary folder when absent. */
  parent?: string;
  media?: Pick<OpenMediaOptions, "limits">;
  clock?: Clock;
  log?: Logger;
}): UploadStore {
  const { limits, log } = options;
  const clock = options.clock ?? systemClock;
  const folders = createUploadFolders(options.parent, log);
  const quota = createQuota(limits);
  const uploads = new Map<string, Entry>();
  /** Unfinished uploads; each has a controller of its own, because listeners of a shared signal would accumulate. */
  const receiving = new Map<AbortController, Promise<unknown>>();
  const inspections = createTaskLimit(FIXED_LIMITS.inspectionsAtOnce.value);
  let isClosed = false;

  function expireLater(entry: Entry): void {
    entry.cancelExpiry();
    entry.cancelExpiry = clock.after(limits.uploadLifetimeMs, () => void removeEntry(entry));
  }

  async function deleteFiles({ folder, account }: { folder: string; account: Account }): Promise<void> {
    account.clear();
    await folders.remove(folder);
  }

  async function removeEntry(entry: Entry): Promise<void> {
    uploads.delete(entry.upload.uploadId);
    entry.cancelExpiry();
    if (entry.uses === 0) await deleteFiles(entry);
  }

  function entryOf(uploadId: string, owner = NO_OWNER): Entry | undefined {
    const entry = isUuid(uploadId) ? uploads.get(uploadId) : undefined;
    return entry?.owner === owner ? entry : undefined;
  }

  async function receive(
    body: AsyncIterable<Uint8Array>,
    { contentLength = 0, contentType, filename, owner = NO_OWNER }: ReceiveOptions,
    signal: AbortSignal,
  ): Promise<Upload> {
    signal.throwIfAborted();
    if (uploads.size + receiving.size >= limits.maxUploads) {
      throw uploadTooLarge(
        `The server stores at most ${limits.maxUploads} uploads (maxUploads); delete one first.`,
      );
    }
    quota.check(contentLength);
    const uploadId = uuid();
    const account = quota.account();
    let folder: string | undefined;
    try {
      folder = await folders.create(uploadId);
      const admitting = { folder, account, limits, signal };
      const chunks = untilAborted(body, signal);
      const received = isForm(contentType)
        ? await admitForm(chunks, contentType as string, admitting)
        : await admitBody(chunks, admitting);
      const facts = await inspect(received.media, signal);
      signal.throwIfAborted();
      const { media, bytes, taken, leftOut } = received;
      const lists = { ...(taken && { taken }), ...(leftOut && { leftOut }) };
      const upload: Upload = { uploadId, filename: filename ?? null, bytes, facts, ...lists };
      const entry: Entry = { upload, owner, media, folder, account, uses: 0, cancelExpiry: () => {} };
      uploads.set(uploadId, entry);
      expireLater(entry);
      return upload;
    } catch (error) {
      if (folder !== undefined) await deleteFiles({ folder, account });
      throw isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
    }
  }

  async function admitBody(
    body: AsyncIterable<Uint8Array>,
    admitting: AdmitOptions,
  ): Promise<Contents & { bytes: number }> {
    const { path, bytes } = await writeBody(body, admitting);
    return { ...(await admitFile(path, admitting)), bytes };
  }

  async function inspect(stored: StoredMedia, signal: AbortSignal): Promise<MediaFacts> {
    const media = await inspections.run(() => openStoredMedia(stored, { ...options.media, signal }));
    await media.close();
    return media.facts;
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

    async find(uploadId, owner) {
      const entry = entryOf(uploadId, owner);
      if (!entry) throw uploadNotFound();
      return entry.upload;
    },

    async openMedia(uploadId, { owner, ...openOptions } = {}) {
      const entry = entryOf(uploadId, owner);
      if (!entry) throw uploadNotFound();
      entry.uses++;
      entry.cancelExpiry();
      let released = false;
      const release = async () => {
        if (released) return;
        released = true;
        entry.uses--;
        if (entry.uses > 0) return;
        if (uploads.has(uploadId)) expireLater(entry);
        else await deleteFiles(entry);
      };
      try {
        const media = await openStoredMedia(entry.media, { ...options.media, ...openOptions });
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

    async remove(uploadId, owner) {
      const entry = entryOf(uploadId, owner);
      if (entry) await removeEntry(entry);
      return entry !== undefined;
    },

    async close() {
      isClosed = true;
      for (const controller of receiving.keys()) controller.abort(shuttingDown());
      await Promise.allSettled(receiving.values());
      for (const entry of uploads.values()) entry.cancelExpiry();
      uploads.clear();
      await folders.close();
    },
  };
}

function uploadNotFound(): ProtocolError {
  return new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
}
