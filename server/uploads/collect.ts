/** Sorts the files of an archive or form into one video, or pictures, and the rest. */
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import { mediaUnsupported } from "../media/errors.js";
import { naturalOrder } from "../media/natural-order.js";
import { type ArchiveFormat, describeKind, SNIFFED_BYTES, sniffBytes } from "../media/sniff.js";
import type { LeftOut } from "../media/source.js";
import { describeLeftOut, type LeftOutFile, roleOf, summarizeLeftOut } from "../media/still-folder.js";
import { SUPPORTED_MEDIA } from "../media/unsupported-kind.js";
import type { Lease } from "../shares/shares.js";
import { nameProblem, normalizeName, shownName } from "./entry-names.js";
import { uploadTooLarge } from "./errors.js";
import { checkFirstBytes } from "./first-bytes.js";
import type { UploadLimits } from "./limits.js";
import { type FrameList, LIST_NAME, type StoredMedia, writeFrameList } from "./stored-media.js";
import { writeAll } from "./write-all.js";

/** Disk space that a small file occupies. Each file counts at least this much. */
const DISK_BLOCK_BYTES = 4096;

export interface Collection {
  media: StoredMedia;
  /** Names of the files that are kept, in frame order: the first `FIXED_LIMITS.leftOutListed`. */
  taken: string[];
  leftOut: LeftOut;
}

/** A form with one archive and nothing else to open. */
export interface LoneArchive {
  archive: string;
  format: ArchiveFormat;
}

export interface Collector {
  /** True from the first bytes of a picture, a video or an archive. */
  readonly hasMedia: boolean;
  /** Counts an entry of any kind. Throws `upload_too_large` above `maxUploadEntries`. */
  count(): void;
  /**
   * Stores a picture or a video. Of anything else only the first bytes are read. The content's iterator is never closed
   * here: an entry of an archive must be read to its end by the reader of the archive.
   */
  add(name: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Lists an entry that is not a file. */
  leaveOut(name: string, reason: string): void;
  /** Throws `media_unsupported` when there is nothing to open. */
  finish(): Promise<Collection | LoneArchive>;
}

/**
 * Creates a collector that writes into `folder`, with file names of its own.
 *
 * Throws `media_unsupported` for two videos, or for a video among pictures: either could be meant.
 *
 * @param place "archive" or "form", for messages
 */
export function createCollector(
  folder: string,
  place: "archive" | "form",
  disk: Lease,
  limits: Pick<UploadLimits, "maxUploadEntries">,
): Collector {
  const pictures: FrameList["files"] = [];
  const leftOut: LeftOutFile[] = [];
  let video: { file: string; name: string } | undefined;
  let archive: (LoneArchive & { name: string; bytes: number }) | undefined;
  let entries = 0;
  let files = 0;
  let hasMedia = false;

  function checkMixture(name: string, isVideo: boolean): void {
    const expected = "expected pictures only, or one video";
    if (isVideo && video) {
      throw mediaUnsupported(
        `The ${place} contains two videos, ${quoted(video.name)} and ${quoted(name)}; ${expected}.`,
      );
    }
    const other = isVideo ? pictures[0] : video;
    if (!other) return;
    const [clip, picture] = isVideo ? [name, other.name] : [other.name, name];
    throw mediaUnsupported(
      `The ${place} contains a video, ${quoted(clip)}, and a picture, ${quoted(picture)}; ${expected}.`,
    );
  }

  function leaveOut(name: string, reason: string): void {
    leftOut.push({ name: shownName(name), reason });
  }

  return {
    get hasMedia() {
      return hasMedia;
    },
    count() {
      entries++;
      if (entries > limits.maxUploadEntries) {
        throw uploadTooLarge(
          `The ${place} has more than ${limits.maxUploadEntries} entries (maxUploadEntries).`,
          "maxUploadEntries",
        );
      }
    },
    leaveOut,
    async add(givenName, content) {
      const name = normalizeName(givenName);
      const problem = nameProblem(name);
      if (problem !== undefined) return leaveOut(name, problem);
      const chunks = content[Symbol.asyncIterator]();
      const head = await readHead(chunks);
      const kind = sniffBytes(head);
      if (place === "form" && kind.kind === "archive" && !archive) {
        hasMedia = true;
        if (head.length >= SNIFFED_BYTES) checkFirstBytes(head);
        const path = join(folder, "archive");
        archive = {
          archive: path,
          format: kind.format,
          name,
          bytes: await store(path, head, chunks, disk),
        };
        return;
      }
      const role = kind.kind === "video" ? "video" : roleOf(kind, name, head.length === 0);
      if (typeof role === "object") return leaveOut(name, role.reason);
      hasMedia = true;
      checkMixture(name, role === "video");
      const file = String(files++);
      await store(join(folder, file), head, chunks, disk);
      if (role === "video") video = { file, name };
      else pictures.push({ file, name });
    },
    async finish() {
      if (archive && !video && pictures.length === 0) return archive;
      if (archive) {
        leaveOut(archive.name, describeKind({ kind: "archive", format: archive.format }));
        await rm(archive.archive);
        disk.subtract(archive.bytes);
      }
      const summary = summarizeLeftOut(leftOut);
      const only = video ?? (pictures.length === 1 ? pictures[0] : undefined);
      if (only) {
        const media: StoredMedia = { kind: "file", path: join(folder, only.file) };
        return { media, taken: [shownName(only.name)], leftOut: summary };
      }
      if (pictures.length === 0) {
        const seen = describeLeftOut(summary);
        throw mediaUnsupported(
          `The ${place} contains no pictures and no video: ${seen}; ${SUPPORTED_MEDIA} are supported.`,
        );
      }
      pictures.sort((a, b) => naturalOrder(a.name, b.name));
      await writeFrameList(folder, { files: pictures, leftOut });
      disk.add((await stat(join(folder, LIST_NAME))).size);
      const taken = pictures.slice(0, FIXED_LIMITS.leftOutListed.value).map(({ name }) => shownName(name));
      return { media: { kind: "frames", folder }, taken, leftOut: summary };
    },
  };
}

/** At least {@link SNIFFED_BYTES}, or everything. */
async function readHead(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let length = 0; length < SNIFFED_BYTES; ) {
    const { value, done } = await chunks.next();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  return Buffer.concat(parts);
}

/** Returns the bytes on disk. */
async function store(
  path: string,
  head: Uint8Array,
  tail: AsyncIterator<Uint8Array>,
  disk: Lease,
): Promise<number> {
  let bytes = 0;
  const file = await open(path, "wx", 0o600);
  const write = async (chunk: Uint8Array) => {
    disk.add(chunk.length);
    bytes += chunk.length;
    await writeAll(file, chunk);
  };
  try {
    await write(head);
    for (let next = await tail.next(); !next.done; next = await tail.next()) await write(next.value);
  } finally {
    await file.close();
  }
  const rest = Math.max(0, DISK_BLOCK_BYTES - bytes);
  disk.add(rest);
  return bytes + rest;
}

function quoted(name: string): string {
  return JSON.stringify(shownName(name));
}
