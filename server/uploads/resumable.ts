/** Uploads that arrive in several requests, and continue where an earlier request was cut off. */
import { open } from "node:fs/promises";
import { ProtocolError } from "../../protocol/errors.js";
import type { Clock } from "../clock.js";
import { isExhaustion, serverOverloaded } from "../media/errors.js";
import { type AdmitOptions, admitFile, bodyPath, type Contents } from "./admit.js";
import type { UploadLimits } from "./limits.js";
import { checkUploadBytes } from "./quota.js";
import type { Slot, Upload } from "./upload.js";
import { writeAll } from "./write-all.js";

export interface ResumableState {
  uploadId: string;
  /** Bytes of the whole upload; null while its sender has not stated them. */
  length: number | null;
  /** Bytes on disk. The next request continues here. */
  offset: number;
  /** As the sender gave it, for the answers of the tus protocol. */
  metadata: Record<string, string | null>;
  /** When the upload was used last. */
  usedAt: Date;
}

export interface CreateOptions {
  owner: string;
  length: number | null;
  filename: string | null;
  metadata: Record<string, string | null>;
}

export interface ResumableUploads {
  /** Rejects with `upload_too_large` or `server_overloaded`. */
  create(options: CreateOptions): Promise<ResumableState>;
  /** Undefined when this owner has no such upload. A finished upload has an offset equal to its length. */
  state(uploadId: string, owner: string): ResumableState | undefined;
  setLength(uploadId: string, owner: string, length: number): void;
  /**
   * Appends a body. Returns the new offset. Rejects with `upload_too_large`, `server_overloaded`, or the error of a body
   * that is cut off; the bytes before it stay. One body at a time.
   */
  append(uploadId: string, owner: string, body: AsyncIterable<Uint8Array>): Promise<number>;
  /**
   * Turns a complete upload into media. Several calls have one result. Rejects with the errors of `UploadStore.receive`;
   * then the files are deleted.
   */
  finish(uploadId: string, owner: string): Promise<Upload>;
  /** Removes an upload, finished or not. False if this owner has no such upload. */
  remove(uploadId: string, owner: string): Promise<boolean>;
}

interface Unfinished {
  slot: Slot;
  state: ResumableState;
  filename: string | null;
  /** Set once all bytes have arrived. */
  outcome?: Promise<Upload>;
  abort: AbortController;
  cancelExpiry: () => void;
}

interface Failure {
  owner: string;
  state: ResumableState;
  error: unknown;
}

/** What the store of finished uploads provides. */
export interface ResumableParts {
  limits: UploadLimits;
  clock: Clock;
  openSlot(owner: string, length: number | null): Promise<Slot>;
  /** Inspects the media and adds it to the finished uploads. */
  keep(
    slot: Slot,
    contents: Contents & { bytes: number },
    filename: string | null,
    signal: AbortSignal,
  ): Promise<Upload>;
  /** A finished upload. */
  finished(uploadId: string, owner: string): Upload | undefined;
  removeFinished(uploadId: string, owner: string): Promise<boolean>;
  deleteFiles(slot: Slot): Promise<void>;
}

export function createResumableUploads(parts: ResumableParts) {
  const { limits, clock } = parts;
  const partials = new Map<string, Unfinished>();
  /** Complete uploads that are not media. Without files, so that a sender that lost its answer can ask for the error. */
  const failures = new Map<string, Failure>();

  function partialOf(uploadId: string, owner: string): Unfinished | undefined {
    const partial = partials.get(uploadId);
    return partial?.slot.owner === owner ? partial : undefined;
  }

  function need(uploadId: string, owner: string): Unfinished {
    const partial = partialOf(uploadId, owner);
    if (!partial)
      throw new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
    return partial;
  }

  function use(partial: Unfinished): void {
    partial.cancelExpiry();
    partial.state.usedAt = new Date();
  }

  function expireLater(partial: Unfinished): void {
    use(partial);
    partial.cancelExpiry = clock.after(limits.uploadLifetimeMs, () => void remove(partial));
  }

  async function remove(
    partial: Unfinished,
    reason: Error = new Error("the upload was removed"),
  ): Promise<void> {
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

  async function admit({ slot, state, filename, abort }: Unfinished): Promise<Upload> {
    const { signal } = abort;
    try {
      signal.throwIfAborted();
      const admitting: AdmitOptions = { ...slot, limits, signal };
      const contents = await admitFile(bodyPath(slot.folder), admitting);
      const upload = await parts.keep(slot, { ...contents, bytes: state.offset }, filename, signal);
      partials.delete(slot.uploadId);
      return upload;
    } catch (error) {
      await parts.deleteFiles(slot);
      const reason = isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
      // An upload that was removed has no outcome.
      if (partials.delete(slot.uploadId)) keepFailure({ owner: slot.owner, state, error: reason });
      throw reason;
    }
  }

  function keepFailure(failure: Failure): void {
    const { uploadId } = failure.state;
    failures.set(uploadId, failure);
    clock.after(limits.uploadLifetimeMs, () => failures.delete(uploadId));
    if (failures.size <= limits.maxUploads) return;
    const [oldest] = failures.keys();
    failures.delete(oldest as string);
  }

  function failureOf(uploadId: string, owner: string): Failure | undefined {
    const failure = failures.get(uploadId);
    return failure?.owner === owner ? failure : undefined;
  }

  const uploads: ResumableUploads = {
    async create({ owner, length, filename, metadata }) {
      const slot = await parts.openSlot(owner, length);
      try {
        await (await open(bodyPath(slot.folder), "wx", 0o600)).close();
      } catch (error) {
        await parts.deleteFiles(slot);
        throw isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
      }
      const { uploadId } = slot;
      const state = { uploadId, length, offset: 0, metadata, usedAt: new Date() };
      const partial: Unfinished = {
        slot,
        state,
        filename,
        abort: new AbortController(),
        cancelExpiry: () => {},
      };
      partials.set(uploadId, partial);
      expireLater(partial);
      return state;
    },

    state(uploadId, owner) {
      const upload = parts.finished(uploadId, owner);
      if (!upload) return (partialOf(uploadId, owner) ?? failureOf(uploadId, owner))?.state;
      const { bytes } = upload;
      return { uploadId, length: bytes, offset: bytes, metadata: {}, usedAt: new Date() };
    },

    setLength(uploadId, owner, length) {
      checkUploadBytes(length, limits);
      need(uploadId, owner).state.length = length;
    },

    async append(uploadId, owner, body) {
      const partial = need(uploadId, owner);
      const { slot, state, abort } = partial;
      use(partial);
      try {
        const file = await open(bodyPath(slot.folder), "r+");
        try {
          for await (const chunk of body) {
            abort.signal.throwIfAborted();
            checkUploadBytes(state.offset + chunk.length, limits);
            slot.account.add(chunk.length);
            await writeAll(file, chunk, state.offset);
            state.offset += chunk.length;
          }
        } finally {
          await file.close();
        }
        return state.offset;
      } catch (error) {
        throw isExhaustion(error) ? serverOverloaded("The upload cannot be stored", error) : error;
      } finally {
        if (partials.has(uploadId)) expireLater(partial);
      }
    },

    async finish(uploadId, owner) {
      const done = parts.finished(uploadId, owner);
      if (done) return done;
      const failure = failureOf(uploadId, owner);
      if (failure) throw failure.error;
      const partial = need(uploadId, owner);
      const { length, offset } = partial.state;
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
      const partial = partialOf(uploadId, owner);
      if (!partial) {
        if (failureOf(uploadId, owner)) return failures.delete(uploadId);
        return parts.removeFinished(uploadId, owner);
      }
      await remove(partial);
      return true;
    },
  };

  return {
    uploads,
    /** Unfinished uploads. */
    get count() {
      return partials.size;
    },
    has: (uploadId: string, owner: string) =>
      (partialOf(uploadId, owner) ?? failureOf(uploadId, owner)) !== undefined,
    async close(reason: Error): Promise<void> {
      await Promise.allSettled([...partials.values()].map((partial) => remove(partial, reason)));
    },
  };
}
