/** The tus protocol (https://tus.io) for resumable uploads. */
import { DataStore, MemoryLocker, Server, Upload as TusUpload } from "@tus/server";
import { v4 as uuid } from "uuid";
import { type ProtocolError, parseFields, TUS_PATH, uploadQuerySchema } from "../../protocol/index.js";
import { uploadNotFound, uploadTooLarge } from "./errors.js";
import type { ResumableUploads } from "./resumable.js";
import type { ResumableState } from "./upload.js";

/** The header of an answer that completes an upload: the id for `start_session`. */
export const UPLOAD_ID_HEADER = "masklet-upload-id";

/**
 * How long a request that writes may go on after another request for the same upload arrived: a client that continues
 * after a cut is faster than the server's notice of the cut.
 */
const LOCK_DRAIN_MS = 100;

/** HTTP status of the library's error for an upload above `maxSize`; its message does not name the limit. */
const TOO_LARGE = 413;

export interface TusOptions {
  uploads: ResumableUploads;
  limits: { maxUploadBytes: number; unfinishedLifetimeMs: number };
  /** The error that a client receives for any thrown value, with its HTTP status. */
  describeError(error: unknown): { status: number; body: string };
}

/** Answers requests of the tus protocol on behalf of an owner. */
export function createTusHandler({ uploads, limits, describeError }: TusOptions) {
  const locker = new MemoryLocker();
  return (request: Request, owner: string): Promise<Response> => {
    // A server for each request, because the methods of a store do not receive the request and so not its owner.
    const server = new Server({
      path: TUS_PATH,
      datastore: new OwnedStore(uploads, owner, limits.unfinishedLifetimeMs),
      locker,
      lockDrainTimeout: LOCK_DRAIN_MS,
      maxSize: limits.maxUploadBytes,
      relativeLocation: true,
      namingFunction: () => uuid(),
      async onUploadFinish(_request, { id }) {
        await uploads.finish(id, owner);
        return { headers: { [UPLOAD_ID_HEADER]: id } };
      },
      onResponseError(_request, error) {
        if ("status_code" in error && error.status_code !== TOO_LARGE) return undefined;
        const { status, body } = describeError(
          "status_code" in error ? tooLarge(limits.maxUploadBytes) : error,
        );
        return { status_code: status, body };
      },
    });
    return server.handleWeb(request);
  };
}

function tooLarge(maxBytes: number): ProtocolError {
  return uploadTooLarge(
    `The upload is larger than the limit of ${maxBytes} bytes (maxUploadBytes).`,
    "maxUploadBytes",
  );
}

/** The uploads of one owner as a store of the tus server. */
class OwnedStore extends DataStore {
  override extensions = [
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "termination",
    "expiration",
  ];

  constructor(
    private readonly uploads: ResumableUploads,
    private readonly owner: string,
    private readonly lifetimeMs: number,
  ) {
    super();
  }

  override async create(upload: TusUpload): Promise<TusUpload> {
    const { size, metadata = {} } = upload;
    const name = metadata.filename ?? undefined;
    const { filename = null } = parseFields(uploadQuerySchema, name === undefined ? {} : { filename: name });
    const length = size ?? null;
    const state = await this.uploads.create({ owner: this.owner, length, filename, metadata });
    // The tus server builds the upload's address from this id.
    upload.id = state.uploadId;
    upload.creation_date = this.creationDate(state);
    return upload;
  }

  override async getUpload(id: string): Promise<TusUpload> {
    const state = await this.uploads.state(id, this.owner);
    if (!state) throw uploadNotFound();
    const { uploadId, length, offset, metadata } = state;
    return new TusUpload({
      ...{ id: uploadId, offset, metadata, creation_date: this.creationDate(state) },
      ...(length !== null && { size: length }),
    });
  }

  override async declareUploadLength(id: string, length: number): Promise<void> {
    await this.uploads.setLength(id, this.owner, length);
  }

  override async write(body: AsyncIterable<Uint8Array>, id: string): Promise<number> {
    return this.uploads.append(id, this.owner, body);
  }

  override async remove(id: string): Promise<void> {
    if (!(await this.uploads.remove(id, this.owner))) throw uploadNotFound();
  }

  override getExpiration(): number {
    return this.lifetimeMs;
  }

  /** The tus server adds {@link getExpiration} to this date. */
  private creationDate({ expiresAt }: ResumableState): string {
    return (expiresAt ? new Date(expiresAt.getTime() - this.lifetimeMs) : new Date()).toISOString();
  }
}
