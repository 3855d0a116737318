/** The stored result of one frame, and its memory. */
import type { FrameOutput, ObjectOutput } from "../engine/index.js";

/** The result of one frame; its objects are in ascending order of their ids. */
export type StoredFrame = Readonly<Omit<FrameOutput, "objects">> & {
  readonly objects: readonly ObjectOutput[];
};

/** Frame indices, both inclusive. */
export interface FrameStretch {
  first: number;
  last: number;
}

/** Estimated memory of the values of one frame without its objects, and of one object without its mask. */
const FRAME_BYTES = 250;
const OBJECT_BYTES = 350;

/** Estimated memory of a stored frame. The text of a mask takes one byte per character. */
export function bytesOfFrame({ objects, unseen = [] }: StoredFrame): number {
  const unseenBytes = unseen.length * OBJECT_BYTES;
  return objects.reduce(
    (sum, { mask }) => sum + OBJECT_BYTES + mask.counts.length,
    FRAME_BYTES + unseenBytes,
  );
}

/** The objects of a frame after others were removed: a mask that is alone on its frame overlaps with no other. */
export function withoutOldOverlaps(objects: readonly ObjectOutput[]): readonly ObjectOutput[] {
  const [only, ...others] = objects;
  if (others.length > 0 || only?.judged?.suspect !== "overlap") return objects;
  return [{ ...only, judged: { ...only.judged, suspect: null } }];
}
