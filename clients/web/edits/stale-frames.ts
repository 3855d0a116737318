/** The frames that edits made stale and that were not computed since, by object. Immutable. */
import type { SessionFacts } from "../../typescript/index.js";
import { countFrames, type FrameRange, joinRanges, subtractRange } from "../timeline/lane-states.js";

/** Key `null`: all objects, including new ones. */
export type StaleFrames = ReadonlyMap<number | null, readonly FrameRange[]>;

export type AffectedRange = SessionFacts["stale_frames"][number];

/** From `stale_frames` of `get_session`: the server also restores them with an undo, and saves them. */
export function staleFramesOf({ stale_frames }: Pick<SessionFacts, "stale_frames">): StaleFrames {
  const stale = new Map<number | null, FrameRange[]>();
  for (const { obj_id, first_frame_index: first, last_frame_index: last } of stale_frames)
    stale.set(obj_id, joinRanges([...(stale.get(obj_id) ?? []), { first, last }]));
  return stale;
}

/** The frames were computed. @param objectIds for these objects only; undefined: for all objects */
export function removeComputed(
  stale: StaleFrames,
  range: FrameRange,
  objectIds?: readonly number[],
): StaleFrames {
  if (stale.size === 0) return stale;
  const left = new Map<number | null, readonly FrameRange[]>();
  for (const [id, ranges] of stale) {
    if (objectIds && (id === null || !objectIds.includes(id))) {
      left.set(id, ranges);
      continue;
    }
    const rest = subtractRange(ranges, range);
    if (rest.length > 0) left.set(id, rest);
  }
  return left;
}

/** Stale frames of one object, those of all objects included. */
export function staleOf(stale: StaleFrames, objectId: number): readonly FrameRange[] {
  const all = stale.get(null);
  const own = stale.get(objectId);
  if (!all) return own ?? [];
  return own ? joinRanges([...all, ...own]) : all;
}

/** How many frames a propagation with the scope `affected` computes at most. */
export const numStaleFrames = (stale: StaleFrames): number =>
  countFrames(joinRanges([...stale.values()].flat()));
