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
  /** The other objects become a part of the object. `locks`: the united masks of the frames that were locked. */
  | {
      kind: "merge";
      objectId: number;
      otherIds: readonly number[];
      locks: readonly (LockedMask & { frameIndex: number })[];
    }
  /** From the frame on, the object is another one. */
  | { kind: "split"; objectId: number; newObjectId?: number; frameIndex: number }
  /** The objects exchange their identities from the frame on. */
  | { kind: "swap"; objectId: number; otherId: number; frameIndex: number }
  /** Deletes a concept, by its phrase, and its objects. */
  | { kind: "removeConcept"; concept: string };

/** The mask of an object on a frame that becomes a conditioning memory, see `anchor.ts`. */
export interface AnchorMask {
  objectId: number;
  /** At the size of the video. */
  mask: CocoRle;
}

export interface EditResult {
  /** Objects that no longer exist. */
  removedIds: readonly number[];
  /** The object that `split` created. */
  newObjectId?: number;
}
