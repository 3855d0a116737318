/** Unpacks a ZIP or tar archive of a pack. */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { type Entry, openPromise } from "yauzl";
import { CommandError } from "../errors.js";
import { readHead, SNIFFED_BYTES, sniffBytes } from "../media.js";

/** A pack of SAM 3 in float32 has 3.5 GB. */
const MAX_BYTES = 64 * 2 ** 30;
const MAX_ENTRIES = 10_000;

/**
 * Rejects archives with links, devices, and paths that are absolute or lead out of the folder.
 * @throws CommandError naming the entry
 */
export async function unpackArchive(path: string, folder: string): Promise<void> {
  const found = sniffBytes(await readHead(path, SNIFFED_BYTES));
  const format = found.kind === "archive" ? found.format : undefined;
  await mkdir(folder, { recursive: true });
  const writer = createWriter(path, folder);
  try {
    if (format === "zip") await unpackZip(path, writer);
    else if (format !== undefined) await unpackTar(path, format === "gzip", writer);
    else throw new CommandError(`${path}: expected a ZIP or tar archive, or one of tar and gzip.`);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(`${path} cannot be unpacked: ${(cause as Error).message}.`, { cause });
  }
}

type Write = (name: string, content: Readable) => Promise<void>;

function createWriter(archive: string, folder: string): Write {
  let [entries, bytes] = [0, 0];
  return async (name, content) => {
    if (++entries > MAX_ENTRIES) throw new CommandError(`${archive} has more than ${MAX_ENTRIES} entries.`);
    const target = join(folder, checkName(name, archive));
    await mkdir(dirname(target), { recursive: true });
    async function* counted(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > MAX_BYTES)
          throw new CommandError(`${archive} has more than ${MAX_BYTES} bytes when unpacked.`);
        yield chunk;
      }
    }
    // A name that appears twice is refused.
    await pipeline(content, counted, createWriteStream(target, { flags: "wx" }));
  };
}

function checkName(name: string, archive: string): string {
  const parts = name.split(/[/\\]/);
  const isSafe = !/^([/\\]|[a-z]:)/i.test(name) && !parts.includes("..") && !name.includes("\0");
  if (isSafe) return parts.join("/");
  throw new CommandError(`${archive}: ${JSON.stringify(name)}: expected a path inside the archive's folder.`);
}

function refuse(archive: string, name: string, kind: string): never {
  throw new CommandError(`${archive}: ${JSON.stringify(name)}: expected a file or a folder, found ${kind}.`);
}

async function unpackTar(path: string, isCompressed: boolean, write: Write): Promise<void> {
  const tar = extract();
  const source = createReadStream(path);
  const reading = isCompressed ? pipeline(source, createGunzip(), tar) : pipeline(source, tar);
  reading.catch(() => {});
  for await (const entry of tar) {
    const { name, type } = entry.header;
    if (type === "file" || type === "contiguous-file") await write(name, entry as unknown as Readable);
    else if (type !== "directory") refuse(path, name, type ?? "an entry of an unknown type");
    entry.resume();
  }
  await reading;
}

/** Bits of the mode of a file in Unix, in the upper half of the external attributes. */
const FILE_TYPE = 0o170000;
const LINK = 0o120000;

async function unpackZip(path: string, write: Write): Promise<void> {
  const zip = await openPromise(path, { strictFileNames: false });
  for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
    const { fileName } = entry;
    if (((entry.externalFileAttributes >>> 16) & FILE_TYPE) === LINK) refuse(path, fileName, "a link");
    if (!fileName.endsWith("/")) await write(fileName, await zip.openReadStreamPromise(entry));
  }
}
