import type { LeftOut, MediaFacts } from "../media/source.js";
import type { OwnerId } from "../session-owner.js";
import type { Account } from "./quota.js";

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

/** The place of an upload: its folder and its bytes on disk. */
export interface Slot {
  uploadId: string;
  owner: OwnerId;
  folder: string;
  account: Account;
}
