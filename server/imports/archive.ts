/** The files of an import: those of a ZIP archive, or the one file that was sent. */
import { buffer } from "node:stream/consumers";
import { type Entry, fromBufferPromise } from "yauzl";
import { ImportError } from "./annotation.js";

/** Of all files of the archive together, expanded. */
const MAX_EXPANDED_BYTES = 512 * 1024 * 1024;
const MAX_ENTRIES = 50_000;

/** @throws ImportError for an archive that cannot be read or is too large */
export async function filesOf(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const isZip = Buffer.from(bytes.subarray(0, 4)).equals(Buffer.from("PK\u0003\u0004"));
  if (!isZip) return new Map([["the file", bytes]]);
  try {
    return await unpack(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    if (cause instanceof ImportError) throw cause;
    throw new ImportError(`the archive cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function unpack(bytes: Buffer): Promise<Map<string, Uint8Array>> {
  const zip = await fromBufferPromise(bytes);
  if (zip.entryCount > MAX_ENTRIES) {
    throw new ImportError(`the archive has ${zip.entryCount} entries; the limit is ${MAX_ENTRIES}`);
  }
  const files = new Map<string, Uint8Array>();
  let expanded = 0;
  for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
    if (entry.fileName.endsWith("/") || /(^|\/)(__MACOSX\/|\._)/.test(entry.fileName)) continue;
    // yauzl rejects content that is longer than the header states.
    expanded += entry.uncompressedSize;
    if (expanded > MAX_EXPANDED_BYTES) {
      throw new ImportError(`the files of the archive have more than ${MAX_EXPANDED_BYTES} bytes`);
    }
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  }
  return files;
}
