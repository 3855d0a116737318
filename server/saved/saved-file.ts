/**
 * The file of a saved session: a ZIP archive, so that any tool can list it.
 *
 * | Entry | Content |
 * | --- | --- |
 * | `manifest.json` | version, model pack, video, and size and SHA-256 of the other entries |
 * | `session.json` | prompts, names and all other state of the main process |
 * | `results.ndjson` | the stored results, one frame per line |
 * | `tracker.bin` | the state of the tracker, see `engine/snapshot-bytes.ts` |
 *
 * A reader trusts nothing: entries have limits of bytes, every value is checked by a schema, and sizes and hashes must match.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import yauzl from "yauzl";
import yazl from "yazl";
import { z } from "zod";
import { ProtocolError } from "../../protocol/index.js";

const FORMAT = "masklet-session";

/** Changes when older programs cannot read the file. */
export const SAVED_VERSION = 1;

const ENTRIES = ["session.json", "results.ndjson", "tracker.bin"] as const;
export type SavedEntry = (typeof ENTRIES)[number];

/** Largest entries. The results and the state of the tracker have bounds of their own in a running session. */
const MAX_ENTRY_BYTES: Readonly<Record<SavedEntry | "manifest.json", number>> = {
  "manifest.json": 64 * 1024,
  "session.json": 64 * 2 ** 20,
  "results.ndjson": 2 ** 30,
  "tracker.bin": 2 ** 31 - 1,
};

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(SAVED_VERSION),
  /** Version of the server that wrote the file. */
  masklet: z.string().max(100),
  pack: z.strictObject({ id: z.string().max(200), hash: z.string().max(200) }),
  video: z.strictObject({
    width: z.int().min(1),
    height: z.int().min(1),
    num_frames: z.int().min(1),
    /** Absent in files of earlier versions. */
    name: z.string().max(1000).exactOptional(),
  }),
  entries: z.strictObject(
    Object.fromEntries(
      ENTRIES.map((name) => [name, z.strictObject({ bytes: z.int().min(0), sha256: z.string().length(64) })]),
    ) as Record<SavedEntry, z.ZodObject<{ bytes: z.ZodInt; sha256: z.ZodString }>>,
  ),
});

export type SavedManifest = z.output<typeof manifestSchema>;

export interface SavedContent {
  pack: SavedManifest["pack"];
  video: SavedManifest["video"];
  /** Plain data. */
  session: unknown;
  /** One value per frame. */
  results: Iterable<unknown>;
  tracker: Uint8Array;
}

/** Lines are written in parts of about this many characters, with a turn of the event loop between two parts. */
const PART_CHARS = 256 * 1024;

/** Writes a file that does not exist yet. @param masklet version of the server */
export async function writeSavedFile(path: string, content: SavedContent, masklet: string): Promise<void> {
  const archive = new yazl.ZipFile();
  const entries = {} as SavedManifest["entries"];

  async function add(
    name: SavedEntry,
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const hash = createHash("sha256");
    let bytes = 0;
    async function* counted() {
      for await (const part of parts) {
        hash.update(part);
        bytes += part.length;
        yield part;
      }
    }
    const stream = Readable.from(counted(), { objectMode: false });
    const read = new Promise<void>((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("error", reject);
    });
    archive.addReadStream(stream, name, { compress: name !== "tracker.bin" });
    await read;
    entries[name] = { bytes, sha256: hash.digest("hex") };
  }

  const written = pipeline(archive.outputStream, createWriteStream(path, { flags: "wx", mode: 0o600 }));
  written.catch(() => {});
  const filled = (async () => {
    await add("session.json", [Buffer.from(JSON.stringify(content.session))]);
    await add("results.ndjson", linesOf(content.results));
    await add("tracker.bin", [content.tracker]);
    const manifest: SavedManifest = {
      format: FORMAT,
      version: SAVED_VERSION,
      masklet,
      pack: content.pack,
      video: content.video,
      entries,
    };
    archive.addBuffer(Buffer.from(JSON.stringify(manifest, undefined, 2)), "manifest.json");
    archive.end();
  })();
  // A full disk ends the writing, and the entries are read no further.
  await Promise.race([filled, written.then(() => filled)]);
  await written;
}

async function* linesOf(values: Iterable<unknown>): AsyncGenerator<Uint8Array> {
  let part = "";
  for (const value of values) {
    part += `${JSON.stringify(value)}\n`;
    if (part.length < PART_CHARS) continue;
    yield Buffer.from(part);
    part = "";
    await new Promise(setImmediate);
  }
  if (part !== "") yield Buffer.from(part);
}

/** A saved file that is open for reading. */
export interface SavedFile {
  readonly manifest: SavedManifest;
  /** A whole entry. @throws ProtocolError saved_unreadable */
  read(name: SavedEntry): Promise<Buffer>;
  /** The lines of an entry, parsed. @throws ProtocolError saved_unreadable */
  lines(name: SavedEntry): AsyncGenerator<unknown>;
  close(): void;
}

/** @throws ProtocolError saved_unreadable for anything but a complete file that this version wrote */
export async function openSavedFile(path: string): Promise<SavedFile> {
  const archive = await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(path, {
    lazyEntries: true,
    autoClose: false,
    strictFileNames: true,
  }).catch((cause: Error) => {
    throw unreadable("it is not a complete ZIP archive", cause);
  });
  try {
    const found = await findEntries(archive);
    const manifest = parseManifest(await readAll(archive, found, "manifest.json"));
    return {
      manifest,
      async read(name) {
        const content = await readAll(archive, found, name);
        checkEntry(manifest, name, content.length, createHash("sha256").update(content).digest("hex"));
        return content;
      },
      async *lines(name) {
        const hash = createHash("sha256");
        let bytes = 0;
        let rest = "";
        const decoder = new TextDecoder("utf-8");
        for await (const chunk of streamOf(archive, found, name)) {
          hash.update(chunk);
          bytes += chunk.length;
          const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
          rest = lines.pop() as string;
          for (const line of lines) yield parseJson(name, line);
        }
        if (rest !== "") throw unreadable(`${name} ends within a line`);
        checkEntry(manifest, name, bytes, hash.digest("hex"));
      },
      close: () => archive.close(),
    };
  } catch (error) {
    archive.close();
    throw error;
  }
}

type Entries = ReadonlyMap<string, yauzl.Entry>;

/** A file has four entries; an archive with more is not read further. */
async function findEntries(archive: yauzl.ZipFile): Promise<Entries> {
  const expected = ["manifest.json", ...ENTRIES];
  if (archive.entryCount !== expected.length)
    throw unreadable(`expected ${expected.length} entries, got ${archive.entryCount}`);
  const found = new Map<string, yauzl.Entry>();
  await new Promise<void>((resolve, reject) => {
    archive.on("entry", (entry: yauzl.Entry) => {
      found.set(entry.fileName, entry);
      archive.readEntry();
    });
    archive.once("end", resolve);
    archive.once("error", reject);
    archive.readEntry();
  }).catch((cause: Error) => {
    throw unreadable("its list of entries is damaged", cause);
  });
  const missing = expected.find((name) => !found.has(name));
  if (missing !== undefined) throw unreadable(`the entry ${missing} is missing`);
  return found;
}

async function* streamOf(archive: yauzl.ZipFile, entries: Entries, name: string): AsyncGenerator<Buffer> {
  const entry = entries.get(name) as yauzl.Entry;
  const limit = MAX_ENTRY_BYTES[name as SavedEntry];
  if (entry.uncompressedSize > limit)
    throw unreadable(`${name}: expected at most ${limit} bytes, got ${entry.uncompressedSize}`);
  try {
    const open = promisify<yauzl.Entry, Readable>(archive.openReadStream.bind(archive));
    for await (const chunk of await open(entry)) yield chunk as Buffer;
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw unreadable(`${name} is damaged`, cause as Error);
  }
}

async function readAll(archive: yauzl.ZipFile, entries: Entries, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of streamOf(archive, entries, name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parseManifest(content: Buffer): SavedManifest {
  const value = parseJson("manifest.json", content.toString("utf8")) as Partial<SavedManifest> | null;
  if (value?.format !== FORMAT) throw unreadable("it is not a saved session");
  if (value.version !== SAVED_VERSION) {
    const seen = JSON.stringify(value.version);
    throw unreadable(`expected version ${SAVED_VERSION}, got ${seen}; another version of masklet wrote it`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unreadable("manifest.json has invalid fields", parsed.error);
}

export function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(`${name} is not JSON`, cause as Error);
  }
}

function checkEntry({ entries }: SavedManifest, name: SavedEntry, bytes: number, sha256: string): void {
  const expected = entries[name];
  if (bytes !== expected.bytes) throw unreadable(`${name}: expected ${expected.bytes} bytes, got ${bytes}`);
  if (sha256 !== expected.sha256)
    throw unreadable(
      `${name}: expected the SHA-256 ${expected.sha256}, got ${sha256}; it was changed after it was saved`,
    );
}

/** @param reason the end of the sentence "The saved session cannot be read: …" */
export function unreadable(reason: string, cause?: Error): ProtocolError {
  return new ProtocolError("saved_unreadable", `The saved session cannot be read: ${reason}.`, "saved_id", {
    cause,
  });
}
