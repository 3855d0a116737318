import type { UploadFacts } from "../../protocol/index.js";
import { headersOf, type UploadEndpoint } from "./endpoint.js";
import { MaskletError, type ReportedError } from "./errors.js";
import { type OnRetry, withRetries } from "./retry.js";

/**
 * Bytes of a video, picture or archive: a File or Blob, a buffer, a stream of either kind, or in Node the path of a local
 * file. Several pictures are the frames of one video: a list of files, or in Node the path of a folder.
 */
export type UploadSource =
  | Blob
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | string
  | readonly UploadFile[];

/** A file of a folder. The names determine the order of the frames. */
export interface UploadFile {
  /** May contain folders: `clip/0001.jpg`. */
  name: string;
  content: Blob;
}

export interface UploadOptions {
  /** Name for display; the content determines the format. */
  filename?: string;
  signal?: AbortSignal;
  /** Pauses before further tries. Default: three tries more, after 1, 4 and 15 s. Streams are sent once only. */
  retryDelaysMs?: readonly number[];
  /** Called before each pause, which is longer when the server asks for it. */
  onRetry?: OnRetry;
}

const RETRY_DELAYS_MS = [1000, 4000, 15_000];

/**
 * Streams the bytes to the server without holding the whole file in memory. Sends them again after an error for which the
 * server names a pause, such as `server_busy`.
 *
 * @throws MaskletError with the server's error, or `connection_failed`
 */
export async function upload(
  endpoint: UploadEndpoint,
  source: UploadSource,
  { filename, signal, retryDelaysMs = RETRY_DELAYS_MS, onRetry }: UploadOptions = {},
): Promise<UploadFacts> {
  const isReadAgain =
    typeof source === "string" ||
    source instanceof Blob ||
    source instanceof Uint8Array ||
    Array.isArray(source);
  const send = () =>
    sendOnce(endpoint, source, { ...(filename !== undefined && { filename }), ...(signal && { signal }) });
  return withRetries(send, isReadAgain ? retryDelaysMs : [], { signal, onRetry });
}

async function sendOnce(
  endpoint: UploadEndpoint,
  source: UploadSource,
  { filename, signal }: Pick<UploadOptions, "filename" | "signal">,
): Promise<UploadFacts> {
  const target = new URL(endpoint.uploads);
  if (filename !== undefined) target.searchParams.set("filename", filename);
  const given = typeof source === "string" ? await openPath(source) : source;
  const body = Array.isArray(given) ? toForm(given as readonly UploadFile[]) : given;
  const init = {
    method: "POST",
    headers: {
      ...headersOf(endpoint),
      // fetch sets the type of a form, with its boundary.
      ...(!(body instanceof FormData) && { "content-type": "application/octet-stream" }),
    },
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

/** The facts of an upload. Waits while the server inspects it. */
export async function getUpload(
  endpoint: UploadEndpoint,
  uploadId: string,
  signal?: AbortSignal,
): Promise<UploadFacts> {
  const target = under(endpoint.uploads, encodeURIComponent(uploadId));
  const init = { headers: headersOf(endpoint), ...(signal && { signal }) };
  const response = await fetch(target, init).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw noConnection(target, cause);
  });
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as UploadFacts;
}

/** Deletes the server's copy. Succeeds also when it is deleted already. */
export async function deleteUpload(endpoint: UploadEndpoint, uploadId: string): Promise<void> {
  const target = under(endpoint.uploads, encodeURIComponent(uploadId));
  const init = { method: "DELETE", headers: headersOf(endpoint) };
  const response = await fetch(target, init).catch((cause: unknown) => {
    throw noConnection(target, cause);
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

function noConnection({ host }: URL, cause: unknown): MaskletError {
  const message = `no connection to ${host}`;
  return new MaskletError({ code: "connection_failed", message, retryable: true }, { cause });
}

/** An address below that of uploads, with the same query. */
export function under(url: string, path: string): URL {
  const target = new URL(url);
  target.pathname += `/${path}`;
  return target;
}

function toForm(files: readonly UploadFile[]): FormData {
  const form = new FormData();
  for (const { name, content } of files) form.append("files", content, name);
  return form;
}

/** The bytes of a file, or the files of a folder without its sub-folders and hidden files. */
async function openPath(path: string): Promise<AsyncIterable<Uint8Array> | UploadFile[]> {
  // Variables, because bundlers for browsers would try to resolve literals.
  const [promises, sync]: string[] = ["node:fs/promises", "node:fs"];
  const { open, readdir, stat } = (await import(promises as string)) as typeof import("node:fs/promises");
  if (!(await stat(path)).isDirectory()) return (await open(path)).createReadStream();
  const { openAsBlob } = (await import(sync as string)) as typeof import("node:fs");
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map(({ name }) => name);
  // The bytes of such a Blob stay on disk until they are sent.
  return Promise.all(names.map(async (name) => ({ name, content: await openAsBlob(`${path}/${name}`) })));
}
