/**
 * The record of an upload, beside its files. A server with a folder of its own for uploads reads the records when it starts,
 * and so brings the uploads of the server before it back.
 */
import { createHash } from "node:crypto";
import { constants, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FIELD_LIMITS, FIXED_LIMITS } from "../../protocol/limits.js";
import { systemErrorCode } from "../media/errors.js";
import type { MediaFacts } from "../media/source.js";

export const RECORD_NAME = "upload.record";

/** Records of other versions are ignored. */
const VERSION = 1;
/** The longest record holds the lists of an archive's files. */
const MAX_RECORD_BYTES = 1024 * 1024;

const count = z.int().min(0);
const leftOut = z.strictObject({
  count,
  files: z
    .array(z.strictObject({ name: z.string(), reason: z.string() }))
    .max(FIXED_LIMITS.leftOutListed.value),
});
const rotation = z.union([z.literal(0), z.literal(90), z.literal(180), z.literal(270)]);
const size = {
  width: z.int().min(1),
  height: z.int().min(1),
  numFrames: z.int().min(1),
  rotationDeg: rotation,
};
const pictures = {
  ...size,
  fps: z.null(),
  startTimeUs: z.null(),
  durationS: z.null(),
  codec: z.enum(["jpeg", "png", "webp", "bmp", "tiff", "gif"]),
};
/** Facts of stored media. Live sessions have no files. */
const factsSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("video"),
    ...size,
    fps: z.number(),
    codec: z.string(),
    startTimeUs: z.number(),
    durationS: z.number(),
  }),
  z.strictObject({ kind: z.literal("image"), ...pictures }),
  z.strictObject({ kind: z.literal("frames"), ...pictures, leftOut }),
]) satisfies z.ZodType<MediaFacts>;

/** Identifies the content of a file. The device number is not part of it: it can change when the machine starts again. */
const identity = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.]*$/),
  bytes: count,
  mtimeNs: z.string(),
  inode: z.string(),
});
export type FileIdentity = z.output<typeof identity>;

const base = {
  uploadId: z.uuid(),
  owner: z.string().min(1).max(1000),
  filename: z.string().max(FIELD_LIMITS.filenameLength.value).nullable(),
};

const finishedSchema = z.strictObject({
  ...base,
  state: z.literal("finished"),
  /** As received. */
  bytes: count,
  /** All files of the upload. */
  diskBytes: count,
  facts: factsSchema,
  /** The video or picture, or the list of the pictures. */
  file: identity,
  isFolder: z.boolean(),
  taken: z.array(z.string()).max(FIXED_LIMITS.leftOutListed.value).optional(),
  leftOut: leftOut.optional(),
});

const unfinishedSchema = z.strictObject({
  ...base,
  state: z.literal("unfinished"),
  /** Null while the sender has not stated it. */
  length: count.nullable(),
  metadata: z.record(z.string(), z.string().nullable()),
  createdAtMs: z.number(),
  /** Bytes of the body that are on the disk itself, not only in the memory of the system. */
  syncedBytes: count,
  /** When the system started: after a later start, bytes that were not synced may be lost. */
  systemStartMs: z.number(),
});

const recordSchema = z.discriminatedUnion("state", [finishedSchema, unfinishedSchema]);
export type FinishedRecord = z.output<typeof finishedSchema>;
export type UnfinishedRecord = z.output<typeof unfinishedSchema>;
export type UploadRecord = z.output<typeof recordSchema>;

/** Replaces the record of an upload. After a crash at any moment there is the old record or the new one. */
export async function writeRecord(folder: string, record: UploadRecord): Promise<void> {
  const json = JSON.stringify({ version: VERSION, ...record });
  const path = join(folder, RECORD_NAME);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(`${checksumOf(json)}\n${json}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(folder);
}

/** Makes new names in a folder durable. Windows cannot open folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A link is not followed, and a pipe does not block. */
const RECORD_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What a folder contains: a record, none, one of another version, or one that cannot be used. */
export type ReadRecord =
  | { record: UploadRecord; writtenAtMs: number }
  | { problem: "missing" | "damaged" }
  | { problem: "version"; version: unknown };

/** Rejects with errors of the file system other than a missing file. */
export async function readRecord(folder: string): Promise<ReadRecord> {
  let text: string;
  let writtenAtMs: number;
  try {
    const file = await open(join(folder, RECORD_NAME), RECORD_FLAGS);
    try {
      const facts = await file.stat();
      if (!facts.isFile() || facts.size > MAX_RECORD_BYTES) return { problem: "damaged" };
      text = await file.readFile("utf8");
      writtenAtMs = facts.mtimeMs;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return { problem: "missing" };
    throw error;
  }
  const [checksum, json = ""] = text.split("\n");
  if (checksum !== checksumOf(json)) return { problem: "damaged" };
  const { version, ...content } = JSON.parse(json) as { version: unknown };
  if (version !== VERSION) return { problem: "version", version };
  const parsed = recordSchema.safeParse(content);
  return parsed.success ? { record: parsed.data, writtenAtMs } : { problem: "damaged" };
}

function checksumOf(json: string): string {
  return createHash("sha256").update(json).digest("hex");
}

/** Rejects with ENOENT when the file is gone. */
export async function identify(folder: string, name: string): Promise<FileIdentity> {
  const { size, mtimeNs, ino } = await stat(join(folder, name), { bigint: true });
  return { name, bytes: Number(size), mtimeNs: String(mtimeNs), inode: String(ino) };
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.name === b.name && a.bytes === b.bytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode;
}
