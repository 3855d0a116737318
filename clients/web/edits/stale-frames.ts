/** The frames that edits made stale and that were not computed since, by object. Immutable. */
import type { Signal } from "@preact/signals";
import { countFrames, type FrameRange, joinRanges, subtractRange } from "../timeline/lane-states.js";

/** Key `null`: all objects, including new ones. */
export type StaleFrames = ReadonlyMap<number | null, readonly FrameRange[]>;

/** An entry of `affected`, see PROTOCOL.md. */
export interface AffectedRange {
  obj_id: number | null;
  first_frame_index: number;
  last_frame_index: number;
}

export const NO_STALE_FRAMES: StaleFrames = new Map();

export function addAffected(stale: StaleFrames, affected: readonly AffectedRange[]): StaleFrames {
  if (affected.length === 0) return stale;
  const added = new Map(stale);
  for (const { obj_id, first_frame_index: first, last_frame_index: last } of affected) {
    added.set(obj_id, joinRanges([...(added.get(obj_id) ?? []), { first, last }]));
  }
  return added;
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

/** The object no longer exists. */
export function removeObjects(stale: StaleFrames, ids: readonly number[]): StaleFrames {
  const left = new Map(stale);
  for (const id of ids) left.delete(id);
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

/** What undo and redo of the next edit restore. Call it before the edit. */
export function restoreOf(stale: Signal<StaleFrames>): { undo(): void; redo(): void } {
  const before = stale.peek();
  let after = before;
  return {
    undo() {
      // Frames may have been computed since the edit.
      after = stale.peek();
      stale.value = before;
    },
    redo() {
      stale.value = after;
    },
  };
}
