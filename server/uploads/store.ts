/** Uploaded media on disk under unguessable ids. */
import { validate as isUuid, v4 as uuid } from "uuid";
import { type Clock, systemClock } from "../clock.js";
import { shuttingDown } from "../failure.js";
import type { Logger } from "../log.js";
import type { MediaFacts, MediaSource, OpenMediaOptions } from "../media/source.js";
import type { Pictures } from "../pictures/pictures.js";
import { LIBRARY_OWNER, type OwnerId } from "../session-owner.js";
import type { Shares } from "../shares/shares.js";
import { toolPlaces, UPLOAD_WAIT_MS } from "../tool-places.js";
import { type AdmitOptions, admitFile, admitForm, type Contents, writeBody, writeForm } from "./admit.js";
import { cannotStore, checkUploadBytes, uploadLost, uploadNotFound } from "./errors.js";
import { createFinished } from "./finished.js";
import { createTemporaryFolders } from "./folders.js";
import { createLastingFolders } from "./lasting-folders.js";
import type { UploadLimits } from "./limits.js";
import { isForm, type OnField } from "./multipart.js";
import { createRestore } from "./restore.js";
import { createResumableUploads, type ResumableUploads } from "./resumable.js";
import { openStoredMedia, type StoredMedia } from "./stored-media.js";
import { createTransfers } from "./transfers.js";
import { isLost, type Slot, type Upload } from "./upload.js";

export interface ReceiveOptions {
  /** Bytes, as the sender announces them. An announcement over the limit is rejected before a byte is read. */
  contentLength?: number;
  /** `multipart/form-data` with a boundary is parsed as a form; of all others the content determines the format. */
  contentType?: string;
  filename?: string;
  /** Receives the fields of a form that are not files. */
  onField?: OnField;
  /** Only this owner finds the upload. Default: the caller of the library. */
  owner?: OwnerId;
  /** Aborts the upload, also during the inspection of the file. `receive` then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface UploadStore {
  /**
   * Writes a body to disk as it arrives, unpacks it if it is an archive or a form, and inspects the media. After a failure
   * no file remains.
   *
   * Rejects with `upload_limit`, `quota_exceeded`, `upload_too_large`, `server_busy`, `upload_too_slow`, `disk_full`,
   * `media_unreadable`, `media_unsupported`, `invalid_field` (a damaged form), `server_overloaded`, `upload_not_found` (another
   * program deleted the files), `shutting_down`, or the error of the body when its sender disconnects. The rest of the body
   * stays unread.
   */
  receive(body: AsyncIterable<Uint8Array>, options?: ReceiveOptions): Promise<Upload>;
  /** Uploads that arrive in several requests. They count as uploads from their first byte. */
  readonly resumable: ResumableUploads;
  readonly limits: UploadLimits;
  /**
   * The facts of an upload. Waits for the inspection of a resumable upload, and rejects with its error if it failed. Rejects
   * with `upload_not_found`, also while bytes of a resumable upload are missing.
   */
  find(uploadId: string, owner?: OwnerId): Promise<Upload>;
  /** Opens an upload; its files remain until the source is closed. Rejects with `upload_not_found`. */
  openMedia(
    uploadId: string,
    options?: Pick<OpenMediaOptions, "signal" | "onProgress" | "places"> & { owner?: OwnerId },
  ): Promise<MediaSource>;
  /** Removes an upload at once and deletes its files when no session uses it. False if there is no such upload. */
  remove(uploadId: string, owner?: OwnerId): Promise<boolean>;
  /** Resolves when the uploads of an earlier server are back. Until then, a request for one restores it first. */
  readonly restored: Promise<void>;
  /** Aborts unfinished uploads. Deletes every file, unless uploads outlive the server. */
  close(): Promise<void>;
}

export interface UploadStoreOptions {
  limits: UploadLimits;
  shares: Pick<Shares, "take" | "wait">;
  /** Folder in which uploads outlive the server. */
  folder?: string;
  /** Without `folder`: where the temporary folder is created; the system's folder for temporary files when absent. */
  parent?: string;
  media?: Pick<OpenMediaOptions, "limits">;
  /** Default: processes that all callers of this program share. */
  pictures?: Pictures;
  clock?: Clock;
  log?: Logger;
}

export function createUploadStore(options: UploadStoreOptions): UploadStore {
  const { limits, shares, log } = options;
  const clock = options.clock ?? systemClock;
  const closing = new AbortController();
  const onLost = () => {
    log?.warn("another program has deleted the folder of the uploads");
    void Promise.all([finished.removeLost(), unfinished.removeLost()]);
  };
  const folders =
    options.folder === undefined
      ? createTemporaryFolders(options.parent, { onLost, log })
      : createLastingFolders(options.folder, { onLost, log, signal: closing.signal });
  const { isLasting } = folders;
  const transfers = createTransfers({ shares, limits, clock });
  /** Requests in progress; each has a controller of its own, because listeners of a shared signal would accumulate. */
  const receiving = new Map<AbortController, Promise<unknown>>();
  /** Ids whose folders are in use, or are being deleted. */
  const used = new Set<string>();

  async function deleteFiles({ uploadId, folder, disk, place }: Slot): Promise<void> {
    await folders.remove(folder);
    disk.release();
    place.release();
    used.delete(uploadId);
  }

  const { uploadLifetimeMs: lifetimeMs } = limits;
  const finished = createFinished({ lifetimeMs, isLasting, clock, log, deleteFiles });

  /** Refuses an upload for which there is no room, before a byte of it is read. */
  function checkRoom(owner: OwnerId, bytes: number): void {
    checkUploadBytes(bytes, limits);
    shares.take("uploads", owner).release();
    shares.take("diskBytes", owner, bytes).release();
  }

  function adoptSlot(uploadId: string, owner: OwnerId, folder: string): Slot {
    const place = shares.take("uploads", owner);
    used.add(uploadId);
    return { uploadId, owner, folder, place, disk: shares.take("diskBytes", owner, 0) };
  }

  async function openSlot(owner: OwnerId): Promise<Slot> {
    const uploadId = uuid();
    const slot = adoptSlot(uploadId, owner, "");
    try {
      slot.folder = await folders.create(uploadId);
      return slot;
    } catch (error) {
      slot.place.release();
      used.delete(uploadId);
      throw cannotStore(error);
    }
  }

  /** Inspects the media of an upload and adds it to the uploads. */
  async function keep(
    slot: Slot,
    { media, bytes, taken, leftOut }: Contents & { bytes: number },
    filename: string | null,
    signal: AbortSignal,
  ): Promise<Upload> {
    const facts = await inspect(media, slot.owner, signal);
    signal.throwIfAborted();
    const lists = { ...(taken && { taken }), ...(leftOut && { leftOut }) };
    const upload: Upload = { uploadId: slot.uploadId, filename, bytes, facts, ...lists };
    if (isLasting) await finished.record(slot, media, upload);
    signal.throwIfAborted();
    finished.add(slot, media, upload);
    return upload;
  }

  async function receive(
    body: AsyncIterable<Uint8Array>,
    { contentLength = 0, contentType, filename, onField, owner = LIBRARY_OWNER }: ReceiveOptions,
    signal: AbortSignal,
  ): Promise<Upload> {
    signal.throwIfAborted();
    checkRoom(owner, contentLength);
    let slot: Slot | undefined;
    try {
      /** The place for the transfer is free again before the files are unpacked and inspected. */
      const admit = await transfers.receive(owner, body, signal, async (chunks) => {
        slot = await openSlot(owner);
        const admitting: AdmitOptions = { ...slot, limits, signal };
        if (isForm(contentType)) {
          const form = await writeForm(chunks, contentType as string, admitting, onField);
          return async () => ({ ...(await admitForm(form, admitting)), bytes: form.bytes });
        }
        const { path, bytes } = await writeBody(chunks, admitting);
        return async () => ({ ...(await admitFile(path, admitting)), bytes });
      });
      return await keep(slot as unknown as Slot, await admit(), filename ?? null, signal);
    } catch (error) {
      if (!slot) throw error;
      const isGone = !signal.aborted && (await isLost(slot));
      await deleteFiles(slot);
      throw isGone ? uploadLost(error) : cannotStore(error);
    }
  }

  /** How media is opened for an owner. */
  function readingOf(owner: OwnerId): OpenMediaOptions {
    const places = toolPlaces(shares, owner, UPLOAD_WAIT_MS);
    return { ...options.media, places, ...(options.pictures && { pictures: options.pictures.of(owner) }) };
  }

  async function inspect(stored: StoredMedia, owner: OwnerId, signal: AbortSignal): Promise<MediaFacts> {
    const media = await openStoredMedia(stored, { ...readingOf(owner), signal });
    await media.close();
    return media.facts;
  }

  const unfinished = createResumableUploads({
    ...{ limits, clock, transfers, isLasting, keep, deleteFiles },
    async openSlot(owner, length) {
      if (closing.signal.aborted) throw shuttingDown();
      checkRoom(owner, length ?? 0);
      return openSlot(owner);
    },
    restore: (uploadId) => restore.one(uploadId),
    finished: finished.find,
    removeFinished: finished.remove,
    removeIfLost: finished.removeIfLost,
  });

  const restore = createRestore({
    ...{ folders, log, adoptSlot, deleteFiles },
    isKnown: (uploadId) => used.has(uploadId),
    restoreFinished: finished.restore,
    restoreUnfinished: unfinished.restore,
  });
  const restored = restore
    .all(closing.signal)
    .catch((error) => log?.error({ err: error }, "the stored uploads cannot be read"));

  return {
    limits,
    resumable: unfinished.uploads,
    restored,

    async receive(body, receiveOptions = {}) {
      const { signal } = receiveOptions;
      const controller = new AbortController();
      const abort = () => controller.abort(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted) abort();
      if (closing.signal.aborted) controller.abort(shuttingDown());
      const upload = receive(body, receiveOptions, controller.signal);
      receiving.set(controller, upload);
      try {
        return await upload;
      } finally {
        receiving.delete(controller);
        signal?.removeEventListener("abort", abort);
      }
    },

    async find(uploadId, owner = LIBRARY_OWNER) {
      if (!isUuid(uploadId)) throw uploadNotFound();
      await restore.one(uploadId);
      if (await finished.removeIfLost(uploadId, owner)) throw uploadLost();
      const upload = finished.find(uploadId, owner);
      if (upload) return upload;
      if (unfinished.has(uploadId, owner)) return unfinished.uploads.finish(uploadId, owner);
      throw uploadNotFound();
    },

    async openMedia(uploadId, { owner = LIBRARY_OWNER, ...openOptions } = {}) {
      if (!isUuid(uploadId)) throw uploadNotFound();
      await restore.one(uploadId);
      return finished.open(uploadId, owner, { ...readingOf(owner), ...openOptions });
    },

    remove: (uploadId, owner = LIBRARY_OWNER) =>
      isUuid(uploadId) ? unfinished.uploads.remove(uploadId, owner) : Promise.resolve(false),

    async close() {
      closing.abort(shuttingDown());
      for (const controller of receiving.keys()) controller.abort(shuttingDown());
      await Promise.allSettled([...receiving.values(), unfinished.close(shuttingDown()), restored]);
      await finished.close();
      await folders.close();
    },
  };
}
