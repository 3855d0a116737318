/** Uploaded media on disk under unguessable ids. */
import { validate as isUuid, v4 as uuid } from "uuid";
import { ProtocolError } from "../../protocol/errors.js";
import { type Clock, systemClock } from "../clock.js";
import { shuttingDown } from "../failure.js";
import type { Logger } from "../log.js";
import { isExhaustion, serverOverloaded } from "../media/errors.js";
import type { ToolPlaces } from "../media/places.js";
import type { MediaFacts, MediaSource, OpenMediaOptions } from "../media/source.js";
import type { Pictures } from "../pictures/pictures.js";
import { LIBRARY_OWNER, type OwnerId } from "../session-owner.js";
import { untilAborted } from "./abortable-body.js";
import { type AdmitOptions, admitFile, admitForm, type Contents, writeBody } from "./admit.js";
import { createUploadFolders } from "./folders.js";
import type { UploadLimits } from "./limits.js";
import { isForm } from "./multipart.js";
import { createQuota, uploadTooLarge } from "./quota.js";
import { createResumableUploads, type ResumableUploads } from "./resumable.js";
import { openStoredMedia, type StoredMedia } from "./stored-media.js";
import type { Slot, Upload } from "./upload.js";

export interface ReceiveOptions {
  /** Bytes, as the sender announces them. An announcement over the limit is rejected before a byte is read. */
  contentLength?: number;
  /** `multipart/form-data` with a boundary is parsed as a form; of all others the content determines the format. */
  contentType?: string;
  filename?: string;
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
   * Rejects with `upload_too_large` (the rest of the body stays unread), `media_unreadable`, `media_unsupported`,
   * `invalid_field` (a damaged form), `server_overloaded`, `shutting_down`, or the error of the body when its sender
   * disconnects.
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
  /** Aborts unfinished uploads and deletes every file. */
  close(): Promise<void>;
}

interface Entry {
  upload: Upload;
  slot: Slot;
  media: StoredMedia;
  /** Open sources. */
  uses: number;
  cancelExpiry: () => void;
}

export function createUploadStore(options: {
  limits: UploadLimits;
  /** Folder that contains the private folder; the system's temporary folder when absent. */
  parent?: string;
  media?: Pick<OpenMediaOptions, "limits">;
  /** The places of the processes that inspect an owner's uploads. Default: no limit. */
  placesOf?: (owner: OwnerId) => ToolPlaces;
  /** Default: processes that all callers of this program share. */
  pictures?: Pictures;
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
  let isClosed = false;

  function expireLater(entry: Entry): void {
    entry.cancelExpiry();
    entry.cancelExpiry = clock.after(limits.uploadLifetimeMs, () => void removeEntry(entry));
  }

  async function deleteFiles({ folder, account }: Slot): Promise<void> {
    account.clear();
    await folders.remove(folder);
  }

  async function removeEntry(entry: Entry): Promise<void> {
    uploads.delete(entry.upload.uploadId);
    entry.cancelExpiry();
    if (entry.uses === 0) await deleteFiles(entry.slot);
  }

  function entryOf(uploadId: string, owner: OwnerId = LIBRARY_OWNER): Entry | undefined {
    const entry = isUuid(uploadId) ? uploads.get(uploadId) : undefined;
    return entry?.slot.owner === owner ? entry : undefined;
  }

  async function removeFinished(uploadId: string, owner?: OwnerId): Promise<boolean> {
    const entry = entryOf(uploadId, owner);
    if (entry) await removeEntry(entry);
    return entry !== undefined;
  }

  /** Slots that are being created; counted, so that many at once cannot exceed the limit. */
  let opening = 0;

  function checkPlaces(): void {
    if (uploads.size + receiving.size + unfinished.count + opening < limits.maxUploads) return;
    throw uploadTooLarge(
      `The server stores at most ${limits.maxUploads} uploads (maxUploads); delete one first.`,
    );
  }

  async function openSlot(owner: OwnerId): Promise<Slot> {
    const uploadId = uuid();
    try {
      return { uploadId, owner, folder: await folders.create(uploadId), account: quota.account() };
    } catch (error) {
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
    const entry: Entry = { upload, slot, media, uses: 0, cancelExpiry: () => {} };
    uploads.set(slot.uploadId, entry);
    expireLater(entry);
    return upload;
  }

  async function receive(
    body: AsyncIterable<Uint8Array>,
    { contentLength = 0, contentType, filename, owner = LIBRARY_OWNER }: ReceiveOptions,
    signal: AbortSignal,
  ): Promise<Upload> {
    signal.throwIfAborted();
    checkPlaces();
    quota.check(contentLength);
    const slot = await openSlot(owner);
    try {
      const admitting: AdmitOptions = { ...slot, limits, signal };
      const chunks = untilAborted(body, signal);
      const contents = isForm(contentType)
        ? await admitForm(chunks, contentType as string, admitting)
        : await admitBody(chunks, admitting);
      return await keep(slot, contents, filename ?? null, signal);
    } catch (error) {
      await deleteFiles(slot);
      throw cannotStore(error);
    }
  }

  async function admitBody(
    body: AsyncIterable<Uint8Array>,
    admitting: AdmitOptions,
  ): Promise<Contents & { bytes: number }> {
    const { path, bytes } = await writeBody(body, admitting);
    return { ...(await admitFile(path, admitting)), bytes };
  }

  /** How media is opened for an owner. */
  function readingOf(owner: OwnerId): OpenMediaOptions {
    const places = options.placesOf?.(owner);
    return {
      ...options.media,
      ...(places && { places }),
      ...(options.pictures && { pictures: options.pictures.of(owner) }),
    };
  }

  async function inspect(stored: StoredMedia, owner: OwnerId, signal: AbortSignal): Promise<MediaFacts> {
    const media = await openStoredMedia(stored, { ...readingOf(owner), signal });
    await media.close();
    return media.facts;
  }

  const unfinished = createResumableUploads({
    ...{ limits, clock, keep, deleteFiles, removeFinished },
    async openSlot(owner, length) {
      if (isClosed) throw shuttingDown();
      checkPlaces();
      quota.check(length ?? 0);
      opening++;
      try {
        return await openSlot(owner);
      } finally {
        opening--;
      }
    },
    finished: (uploadId, owner) => entryOf(uploadId, owner)?.upload,
  });

  return {
    limits,
    resumable: unfinished.uploads,

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

    async find(uploadId, owner = LIBRARY_OWNER) {
      const entry = entryOf(uploadId, owner);
      if (entry) return entry.upload;
      if (unfinished.has(uploadId, owner)) return unfinished.uploads.finish(uploadId, owner);
      throw uploadNotFound();
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
        else await deleteFiles(entry.slot);
      };
      try {
        const media = await openStoredMedia(entry.media, { ...readingOf(entry.slot.owner), ...openOptions });
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

    remove: (uploadId, owner = LIBRARY_OWNER) => unfinished.uploads.remove(uploadId, owner),

    async close() {
      isClosed = true;
      for (const controller of receiving.keys()) controller.abort(shuttingDown());
      await Promise.allSettled([...receiving.values(), unfinished.close(shuttingDown())]);
      for (const entry of uploads.values()) entry.cancelExpiry();
      uploads.clear();
      await folders.close();
    },
  };
}

function cannotStore(error: unknown): unknown {
  return isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
}

function uploadNotFound(): ProtocolError {
  return new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
}
