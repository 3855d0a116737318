import type { UploadFacts } from "../../protocol/index.js";
import { MaskletError, type ReportedError } from "./errors.js";

/** Bytes of a video: a File or Blob, a buffer, a stream of either kind, or in Node the path of a local file. */
export type UploadSource =
  | Blob
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | string;

export interface UploadOptions {
  /** Name for display; the content determines the format. */
  filename?: string;
  signal?: AbortSignal;
}

/** Streams the bytes to the server without holding the whole file in memory. */
export async function upload(
  url: string,
  source: UploadSource,
  { filename, signal }: UploadOptions = {},
): Promise<UploadFacts> {
  const target = new URL(url);
  if (filename !== undefined) target.searchParams.set("filename", filename);
  const body = typeof source === "string" ? await openFile(source) : source;
  const init = {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body,
    // Required for bodies that are streams.
    duplex: "half",
    ...(signal && { signal }),
  };
  const response = await fetch(target, init as RequestInit).catch((cause: unknown) => {
    signal?.throwIfAborted();
    const message = `the upload to ${target.host} was cut off`;
    throw new MaskletError({ code: "connection_failed", message, retryable: true }, { cause });
  });
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as UploadFacts;
}

/** Deletes the server's copy. Succeeds also when it is deleted already. */
export async function deleteUpload(url: string, uploadId: string): Promise<void> {
  const target = new URL(`${url}/${encodeURIComponent(uploadId)}`);
  const response = await fetch(target, { method: "DELETE" }).catch((cause: unknown) => {
    const message = `no connection to ${target.host}`;
    throw new MaskletError({ code: "connection_failed", message, retryable: true }, { cause });
  });
  if (!response.ok && response.status !== 404) throw await refusal(response);
}

async function refusal(response: Response): Promise<MaskletError> {
  const answer: unknown = await response.json().catch(() => undefined);
  const { error } = (answer ?? {}) as { error?: ReportedError };
  return new MaskletError(
    error ?? { code: "internal", message: `HTTP status ${response.status}`, retryable: false },
  );
}

async function openFile(path: string): Promise<AsyncIterable<Uint8Array>> {
  // A variable, because bundlers for browsers would try to resolve a literal.
  const fileSystem: string = "node:fs/promises";
  const { open } = (await import(fileSystem)) as typeof import("node:fs/promises");
  const file = await open(path);
  return file.createReadStream();
}
