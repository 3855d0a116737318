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

/**
 * The answer to a prompt on one object. The other objects are shown as they are stored, which the prompt does not change;
 * those without a stored result, as the engine returned them.
 * @param isStored whether the stored result of an object counts
 */
export function withStoredOthers(
  output: StoredFrame,
  stored: StoredFrame | undefined,
  isStored: (objectId: number) => boolean,
): StoredFrame {
  const isKept = ({ objectId }: { objectId: number }) => isStored(objectId);
  const objects = stored?.objects.filter(isKept) ?? [];
  const unseen = stored?.unseen?.filter(isKept) ?? [];
  const known = new Set([...objects, ...unseen].map(({ objectId }) => objectId));
  const isNew = ({ objectId }: { objectId: number }) => !known.has(objectId);
  const ascending = <T extends { objectId: number }>(all: readonly T[]) =>
    [...all].sort((a, b) => a.objectId - b.objectId);
  return {
    ...output,
    objects: ascending([...objects, ...output.objects.filter(isNew)]),
    unseen: ascending([...unseen, ...(output.unseen ?? []).filter(isNew)]),
  };
}

/** A frame with some of its objects only. */
export function onlyObjects(frame: StoredFrame, objectIds: ReadonlySet<number>): StoredFrame {
  const isChosen = ({ objectId }: { objectId: number }) => objectIds.has(objectId);
  return {
    ...frame,
    objects: frame.objects.filter(isChosen),
    ...(frame.unseen && { unseen: frame.unseen.filter(isChosen) }),
  };
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
