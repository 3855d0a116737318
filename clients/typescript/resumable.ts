/** Uploads that continue after a lost connection, by the tus protocol. */
import type { UploadFacts } from "../../protocol/index.js";
import { headersOf, type UploadEndpoint } from "./endpoint.js";
import { MaskletError } from "./errors.js";
import { type OnRetry, pause, pauseBefore } from "./retry.js";
import { getUpload, under } from "./upload.js";

/** Bytes of which any part can be read again. */
export interface SlicedSource {
  /** Bytes. */
  size: number;
  /**
   * Bytes `start` (inclusive) to `end` (exclusive): a Blob or Uint8Array, or in Node a Readable with its `size`. May be
   * called again after a failure.
   */
  slice(start: number, end: number): Promise<unknown> | unknown;
  /** Releases files. */
  close?(): void;
}

export interface ResumableOptions {
  /** Name for display; the content determines the format. */
  filename?: string;
  /** Called with the bytes sent so far, of `size`. */
  onProgress?: (sentBytes: number) => void;
  /** Pauses before further tries after a failure. Default: from 0.5 s to 30 s, ten tries in a row. */
  retryDelaysMs?: number[];
  /** Called before each pause, which is longer when the server asks for it. */
  onRetry?: OnRetry;
  /** The address of an unfinished upload, from `onAddress` of an earlier call with the same bytes. */
  address?: string;
  /** Called with the upload's address as soon as the server has it. Keep it to continue in another process. */
  onAddress?: (address: string) => void;
  /** Stops sending; the server keeps the bytes for the lifetime of an upload. */
  signal?: AbortSignal;
}

const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 15_000, 30_000, 30_000, 30_000, 30_000];

/**
 * Sends a file. After an error that waiting can cure it tries again; after a failure of the connection it continues with the
 * bytes that the server does not have.
 *
 * @throws MaskletError with the server's error, or `connection_failed` after the last try.
 */
export async function uploadResumable(
  target: UploadEndpoint,
  given: Blob | SlicedSource | string,
  options: ResumableOptions = {},
): Promise<UploadFacts> {
  const { uploads: uploadsUrl } = target;
  const { filename, onProgress, retryDelaysMs = RETRY_DELAYS_MS, onRetry, onAddress, signal } = options;
  // tus-js-client waits for its own delays only.
  let notBeforeMs = 0;
  signal?.throwIfAborted();
  const source = typeof given === "string" ? await openFile(given) : given;
  const tus = await import("tus-js-client");
  const inNode = tus.defaultOptions.httpStack.getName() === "NodeHttpStack";
  const address = await new Promise<string>((resolve, reject) => {
    const stop = () => {
      void sending.abort().catch(() => {});
      reject(signal?.reason);
    };
    const settle = (finish: () => void) => {
      signal?.removeEventListener("abort", stop);
      finish();
    };
    const sending = new tus.Upload(source as Blob, {
      endpoint: under(uploadsUrl, "tus").href,
      ...(options.address !== undefined && { uploadUrl: options.address }),
      headers: headersOf(target),
      metadata: filename === undefined ? {} : { filename },
      fileReader: { openFile: async (input: Blob | SlicedSource) => openSource(input, inNode) },
      retryDelays: retryDelaysMs,
      onShouldRetry(failure, attempt) {
        const error = toMaskletError(failure, uploadsUrl);
        if (!error.retryable && !isConflict(failure.originalResponse?.getStatus())) return false;
        const delayMs = pauseBefore(error, retryDelaysMs[attempt] ?? 0);
        notBeforeMs = Date.now() + delayMs;
        onRetry?.(error, delayMs);
        return true;
      },
      onBeforeRequest: () => pause(Math.max(0, notBeforeMs - Date.now()), signal),
      storeFingerprintForResuming: false,
      onProgress: (sent) => onProgress?.(sent),
      onUploadUrlAvailable: () => sending.url && onAddress?.(sending.url),
      onSuccess: () => settle(() => resolve(sending.url as string)),
      onError: (error) => settle(() => reject(toMaskletError(error, uploadsUrl))),
    });
    signal?.addEventListener("abort", stop, { once: true });
    sending.start();
  });
  const uploadId = new URL(address).pathname.split("/").at(-1) as string;
  return getUpload(target, uploadId, signal);
}

/** 409: the server has another number of bytes. 423: another request writes to the same upload. */
function isConflict(status: number | undefined): boolean {
  return status === 409 || status === 423;
}

/** In Node: a local file. */
async function openFile(path: string): Promise<SlicedSource> {
  // A variable, because bundlers for browsers would try to resolve a literal.
  const fileSystem: string = "node:fs";
  const { createReadStream, promises } = (await import(fileSystem)) as typeof import("node:fs");
  const { size } = await promises.stat(path);
  const slice = (start: number, end: number) =>
    Object.assign(createReadStream(path, { start, end: end - 1 }), { size: end - start });
  return { size, slice };
}

function openSource(source: Blob | SlicedSource, inNode: boolean) {
  return {
    size: source.size,
    async slice(start: number, end: number) {
      const part = await source.slice(start, Math.min(end, source.size));
      const value = inNode && part instanceof Blob ? await toReadable(part) : part;
      return { value, done: end >= source.size };
    },
    close: () => "close" in source && source.close?.(),
  };
}

/** tus-js-client sends no Blob in Node. */
async function toReadable(blob: Blob): Promise<unknown> {
  // A variable, because bundlers for browsers would try to resolve a literal.
  const stream: string = "node:stream";
  const { Readable } = (await import(stream)) as typeof import("node:stream");
  return Object.assign(Readable.from(blob.stream() as AsyncIterable<Uint8Array>, { objectMode: false }), {
    size: blob.size,
  });
}

function toMaskletError(cause: Error, uploadsUrl: string): MaskletError {
  const response =
    "originalResponse" in cause
      ? (cause.originalResponse as { getStatus(): number; getBody(): string } | null)
      : null;
  if (!response) {
    const message = `the upload to ${new URL(uploadsUrl).host} was cut off`;
    return new MaskletError({ code: "connection_failed", message, retryable: true }, { cause });
  }
  try {
    return new MaskletError((JSON.parse(response.getBody()) as { error: never }).error, { cause });
  } catch {
    // The answer of a proxy, for example.
    const retryable = response.getStatus() >= 500;
    return new MaskletError({ code: "internal", message: cause.message, retryable }, { cause });
  }
}
