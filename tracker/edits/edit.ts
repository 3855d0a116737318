/** The edits of a session: what a user changes about objects that are tracked already. */
import type { CocoRle } from "../../protocol/rle.js";
import type { LockedMask } from "../masklet.js";

/** Frame ranges are inclusive. The caller checks them against the length of the video. */
export type Edit =
  /** These masks stay as they are: every pass shows them, and they condition the next frames. */
  | { kind: "lock"; masks: readonly (LockedMask & { objectId: number; frameIndex: number })[] }
  | { kind: "unlock"; objectIds: readonly number[]; firstFrame: number; lastFrame: number }
  /** The object has no mask on these frames. `absent: false` ends that. */
  | { kind: "absent"; objectId: number; firstFrame: number; lastFrame: number; absent: boolean }
  /** The other objects become a part of the object. */
  | { kind: "merge"; objectId: number; otherIds: readonly number[] }
  /** From the frame on, the object is another one. */
  | { kind: "split"; objectId: number; newObjectId?: number; frameIndex: number }
  /** The objects exchange their identities from the frame on. */
  | { kind: "swap"; objectId: number; otherId: number; frameIndex: number }
  /** These masks become conditioning memories of the frame that comes with the edit. */
  | { kind: "anchor"; masks: readonly { objectId: number; mask: CocoRle }[] }
  /** Deletes a concept, by its phrase, and its objects. */
  | { kind: "removeConcept"; concept: string };

export type EditKind = Edit["kind"];

/** The edits that need no pixels. */
export type StateEdit = Exclude<Edit, { kind: "anchor" }>;

export interface EditResult {
  /** Objects that no longer exist. */
  removedIds: readonly number[];
  /** The object that `split` created. */
  newObjectId?: number;
}
