/** From received bytes to media on disk that a session can open. */
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { mediaUnreadable } from "../media/errors.js";
import { type ArchiveFormat, readHead, SNIFFED_BYTES, sniffBytes } from "../media/sniff.js";
import { type Collection, createCollector } from "./collect.js";
import { createExpansionCounter } from "./expansion.js";
import type { UploadLimits } from "./limits.js";
import { readForm } from "./multipart.js";
import { type Account, checkUploadBytes } from "./quota.js";
import { unpackTar } from "./tar.js";
import { writeAll } from "./write-all.js";
import { unpackZip } from "./zip.js";

/** What an upload contains. `taken` and `leftOut` are absent for a single file that was sent as it is. */
export type Contents = Pick<Collection, "media"> & Partial<Omit<Collection, "media" | "archive">>;

export interface AdmitOptions {
  /** The upload's own folder. */
  folder: string;
  account: Account;
  limits: UploadLimits;
  signal: AbortSignal;
}

/** Writes a body to a file in the upload's folder as it arrives. Returns the path. */
export async function writeBody(
  body: AsyncIterable<Uint8Array>,
  { folder, account, limits }: AdmitOptions,
): Promise<{ path: string; bytes: number }> {
  const path = bodyPath(folder);
  const file = await open(path, "wx", 0o600);
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      checkUploadBytes(bytes, limits);
      account.add(chunk.length);
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

/** The files of a form as media. A form with one archive and nothing else to open is that archive. */
export async function admitForm(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  options: AdmitOptions,
): Promise<Contents & { bytes: number }> {
  const { folder, account, limits } = options;
  let bytes = 0;
  async function* limited() {
    for await (const chunk of body) {
      bytes += chunk.length;
      checkUploadBytes(bytes, limits);
      yield chunk;
    }
  }
  const collector = createCollector(folder, "form", account, limits);
  await readForm(limited(), contentType, collector);
  const collection = await collector.finish();
  if ("media" in collection) return { ...collection, bytes };
  return { ...(await unpack(collection.archive, collection.format, options)), bytes };
}

async function unpack(path: string, format: ArchiveFormat, options: AdmitOptions): Promise<Contents> {
  const { folder, account, limits, signal } = options;
  const packedBytes = (await stat(path)).size;
  const collector = createCollector(folder, "archive", account, limits);
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
  account.subtract(packedBytes);
  if ("media" in collection) return collection;
  throw mediaUnreadable("The archive contains an archive.");
}
