import { stat } from "node:fs/promises";
import { systemErrorCode } from "../media/errors.js";
import type { LeftOut, MediaFacts } from "../media/source.js";
import type { OwnerId } from "../session-owner.js";
import type { Lease } from "../shares/shares.js";

export interface Upload {
  uploadId: string;
  /** The sender's name of the file, for display only. */
  filename: string | null;
  /** As received, before an archive is unpacked. */
  bytes: number;
  facts: MediaFacts;
  /** Of an archive or form: names of the files that are kept, in frame order, at most `FIXED_LIMITS.leftOutListed`. */
  taken?: string[];
  /** Of an archive or form: the files that are not kept. */
  leftOut?: LeftOut;
}

export interface ResumableState {
  uploadId: string;
  /** Bytes of the whole upload; null while its sender has not stated them. */
  length: number | null;
  /** Bytes on disk. The next request continues here. */
  offset: number;
  /** As the sender gave it, for the answers of the tus protocol. */
  metadata: Record<string, string | null>;
  /** When the upload is deleted unless more of it arrives. Null for finished uploads. */
  expiresAt: Date | null;
}

/** The place of an upload: its folder, and what it takes of its owner's shares. */
export interface Slot {
  uploadId: string;
  owner: OwnerId;
  folder: string;
  /** Bytes on disk. */
  disk: Lease;
  /** One of the uploads that the owner may have. */
  place: Lease;
}

/** True when another program has deleted the folder of an upload, or a folder above it. */
export async function isLost({ folder }: Pick<Slot, "folder">): Promise<boolean> {
  try {
    await stat(folder);
    return false;
  } catch (error) {
    return systemErrorCode(error) === "ENOENT";
  }
}
