/** From received bytes to media on disk that a session can open. */
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import { mediaUnreadable, mediaUnsupported } from "../media/errors.js";
import { type ArchiveFormat, readHead, SNIFFED_BYTES, sniffBytes } from "../media/sniff.js";
import { SUPPORTED_MEDIA } from "../media/unsupported-kind.js";
import type { Lease } from "../shares/shares.js";
import { type Collection, createCollector, type LoneArchive } from "./collect.js";
import { checkUploadBytes } from "./errors.js";
import { createExpansionCounter } from "./expansion.js";
import { createFirstBytes } from "./first-bytes.js";
import type { UploadLimits } from "./limits.js";
import { type OnField, readForm } from "./multipart.js";
import { unpackTar } from "./tar.js";
import { writeAll } from "./write-all.js";
import { unpackZip } from "./zip.js";

/** What an upload contains. `taken` and `leftOut` are absent for a single file that was sent as it is. */
export type Contents = Pick<Collection, "media"> & Partial<Omit<Collection, "media" | "archive">>;

export interface AdmitOptions {
  /** The upload's own folder. */
  folder: string;
  /** Bytes on disk of the upload. */
  disk: Lease;
  limits: UploadLimits;
  signal: AbortSignal;
}

/**
 * Writes a body to a file in the upload's folder as it arrives. Returns the path.
 * @throws ProtocolError media_unsupported or media_unreadable after the first bytes, upload_too_large, quota_exceeded
 */
export async function writeBody(
  body: AsyncIterable<Uint8Array>,
  { folder, disk, limits }: AdmitOptions,
): Promise<{ path: string; bytes: number }> {
  const path = bodyPath(folder);
  const file = await open(path, "wx", 0o600);
  const firstBytes = createFirstBytes();
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      checkUploadBytes(bytes, limits);
      firstBytes.add(chunk);
      disk.add(chunk.length);
      await writeAll(file, chunk);
    }
  } finally {
    await file.close();
  }
  return { path, bytes };
}

/** Where the body of an upload is written. Unpacked files are beside it, under numbers. */
export function bodyPath(folder: string): string {
  return join(folder, "body");
}

/** A received file as media. An archive is unpacked and deleted. */
export async function admitFile(path: string, options: AdmitOptions): Promise<Contents> {
  const kind = sniffBytes(await readHead(path, SNIFFED_BYTES));
  return kind.kind === "archive" ? unpack(path, kind.format, options) : { media: { kind: "file", path } };
}

/** The files of a form on disk, and the size of the form. */
export interface ReceivedForm {
  content: Collection | LoneArchive;
  bytes: number;
}

/** Writes the files of a form to the upload's folder as they arrive. */
export async function writeForm(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  { folder, disk, limits }: AdmitOptions,
  onField?: OnField,
): Promise<ReceivedForm> {
  const collector = createCollector(folder, "form", disk, limits);
  let bytes = 0;
  async function* limited() {
    for await (const chunk of body) {
      bytes += chunk.length;
      checkUploadBytes(bytes, limits);
      if (!collector.hasMedia && bytes > FIXED_LIMITS.leftOutBytes.value) throw nothingToOpen();
      yield chunk;
    }
  }
  await readForm(limited(), contentType, collector, onField);
  return { content: await collector.finish(), bytes };
}

function nothingToOpen(): ProtocolError {
  const limit = FIXED_LIMITS.leftOutBytes.value;
  return mediaUnsupported(
    `The first ${limit} bytes of the form contain no media; ${SUPPORTED_MEDIA}, and ZIP and tar archives of them are supported.`,
  );
}

/** The files of a form as media. A form with one archive and nothing else to open is that archive. */
export async function admitForm({ content }: ReceivedForm, options: AdmitOptions): Promise<Contents> {
  return "media" in content ? content : unpack(content.archive, content.format, options);
}

async function unpack(path: string, format: ArchiveFormat, options: AdmitOptions): Promise<Contents> {
  const { folder, disk, limits, signal } = options;
  const packedBytes = (await stat(path)).size;
  const collector = createCollector(folder, "archive", disk, limits);
  const unpacking = {
    collector,
    count: createExpansionCounter(packedBytes, limits),
    maxEntries: limits.maxUploadEntries,
    signal,
  };
  if (format === "zip") await unpackZip(path, unpacking);
  else await unpackTar(path, format, unpacking);
  const collection = await collector.finish();
  await rm(path);
  disk.subtract(packedBytes);
  if ("media" in collection) return collection;
  throw mediaUnreadable("The archive contains an archive.");
}
