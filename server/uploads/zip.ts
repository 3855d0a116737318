import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, getFileNameLowLevel, openPromise } from "yauzl";
import { ProtocolError } from "../../protocol/errors.js";
import { isExhaustion, mediaUnreadable, mediaUnsupported } from "../media/errors.js";
import type { Collector } from "./collect.js";
import { normalizeName, shownName } from "./entry-names.js";
import { uploadTooLarge } from "./errors.js";
import { counted } from "./expansion.js";

/** File types of Unix, in the upper half of an entry's external attributes. */
const TYPE_MASK = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;
const MADE_ON_UNIX = 3;

export interface UnpackOptions {
  collector: Collector;
  /** Counts the bytes that come out of the archive; throws above the limits. */
  count(bytes: number): void;
  maxEntries: number;
  signal: AbortSignal;
}

/**
 * Passes the files of a ZIP archive to the collector. Of entries that are not wanted, only the first bytes are expanded.
 *
 * Throws `media_unreadable` for a damaged archive, `media_unsupported` for an encrypted one, and the collector's errors.
 */
export async function unpackZip(path: string, { collector, count, maxEntries, signal }: UnpackOptions) {
  // Undecoded names: yauzl ends the reading at a name that leads outside; here that entry is left out.
  const zip = await openPromise(path, { autoClose: false, decodeStrings: false }).catch(damaged);
  try {
    if (zip.entryCount > maxEntries) {
      throw uploadTooLarge(
        `The archive has ${zip.entryCount} entries; the limit is ${maxEntries} (maxUploadEntries).`,
        "maxUploadEntries",
      );
    }
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      collector.count();
      const name = nameOf(entry);
      const type = typeOf(entry, name);
      if (type === "folder") continue;
      if (type !== "file") {
        collector.leaveOut(normalizeName(name), type);
        continue;
      }
      checkReadable(entry, name);
      const content: Readable = await zip.openReadStreamPromise(entry);
      const abort = () => content.destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        await collector.add(name, verified(counted(content, count), entry.crc32, name));
      } finally {
        signal.removeEventListener("abort", abort);
        content.destroy();
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw damaged(error);
  } finally {
    zip.close();
  }
}

/** Passes chunks on. Throws `media_unreadable` when the content of an entry does not have its checksum. */
async function* verified(
  chunks: AsyncIterable<Uint8Array>,
  expected: number,
  name: string,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const chunk of chunks) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum === expected) return;
  const shown = JSON.stringify(shownName(name));
  throw mediaUnreadable(
    `The ZIP archive is damaged: ${shown} has the checksum ${hex(sum)}; expected ${hex(expected)}.`,
  );
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}

function nameOf(entry: Entry): string {
  return getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
}

function typeOf(entry: Entry, name: string): "file" | "folder" | "a link" | "a device or pipe" {
  if (/[/\\]$/.test(name)) return "folder";
  const type =
    entry.versionMadeBy >> 8 === MADE_ON_UNIX ? (entry.externalFileAttributes >>> 16) & TYPE_MASK : 0;
  if (type === LINK) return "a link";
  if (type === DIRECTORY) return "folder";
  return type === 0 || type === REGULAR ? "file" : "a device or pipe";
}

function checkReadable(entry: Entry, name: string): void {
  if (entry.canDecodeFileData()) return;
  const shown = JSON.stringify(shownName(name));
  if (entry.isEncrypted()) throw mediaUnsupported(`The archive is encrypted: ${shown} needs a password.`);
  throw mediaUnsupported(
    `${shown} in the archive has compression method ${entry.compressionMethod}; expected 0 (stored) or 8 (deflate).`,
  );
}

function damaged(error: unknown): never {
  if (error instanceof ProtocolError || isExhaustion(error)) throw error;
  throw mediaUnreadable("The ZIP archive is damaged or cut short.", error);
}
