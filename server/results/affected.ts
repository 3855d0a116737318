/** The frames that an edit can change. */
import type { FrameStretch } from "./stored-frame.js";

/** The frames on which an edit can change an object. `objectId` null: any object, including new ones. */
export interface Affected extends FrameStretch {
  objectId: number | null;
}

/** The form of the wire. */
export function toAffected(affected: readonly Affected[]) {
  return affected.map(({ objectId, first, last }) => ({
    obj_id: objectId,
    first_frame_index: first,
    last_frame_index: last,
  }));
}

/**
 * The stretch that an edit of an object can change. An anchor is a frame whose mask of the object is given: a prompted
 * frame, a locked frame, or a frame at the end of an absent range. Tracking never changes an anchor, so an edit has no effect
 * at the nearest anchor on either side or beyond it.
 *
 * @param edited the edited frames; anchors among them have no effect
 * @param anchors the object's anchors, in any order
 * @param numFrames number of frames in the video
 * @returns the edited frames and those around them, without the anchors
 */
export function affectedStretch(
  edited: FrameStretch,
  anchors: Iterable<number>,
  numFrames: number,
): FrameStretch {
  let [first, last] = [0, numFrames - 1];
  for (const anchor of anchors) {
    if (anchor < edited.first) first = Math.max(first, anchor + 1);
    if (anchor > edited.last) last = Math.min(last, anchor - 1);
  }
  return { first, last };
}
