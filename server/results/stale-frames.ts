/**
 * The stored results that edits made stale, and the order in which to compute them again. A propagation with the scope
 * `affected` computes these frames only.
 */
import type { Leg } from "../frame-range.js";
import type { Affected } from "./affected.js";
import type { Revertible } from "./revertible.js";

/** Frames of an object that are stale since an edit on the frame `from`, which may lie outside of them. */
export interface StaleStretch extends Affected {
  readonly from: number;
}

/** One run of the tracker over stale frames. */
export interface StaleJob {
  /** null: all objects, with detection of new ones. */
  objectIds: ReadonlySet<number> | null;
  /** In the order of travel: from the edit to the last frame, then from the edit to the first one. */
  legs: Leg[];
}

export interface StaleFrames extends Revertible<readonly StaleStretch[]> {
  add(stretches: readonly StaleStretch[]): void;
  /** The results of a frame are computed. @param objectIds null: those of all objects */
  computed(frameIndex: number, objectIds: ReadonlySet<number> | null): void;
  /** Whether the result of an object on a frame is stale. */
  isStale(objectId: number, frameIndex: number): boolean;
  removeObject(objectId: number): void;
  clear(): void;
  /** The next frames to compute; undefined when no result is stale. */
  next(): StaleJob | undefined;
}

/** Stretches per object. Beyond it, they are united to one stretch with the frames between them. */
const MAX_STRETCHES_PER_OBJECT = 64;

export function createStaleFrames(): StaleFrames {
  // Replaced on every change, never changed in place: saved states share it.
  let stretches: readonly StaleStretch[] = [];

  function replace(next: StaleStretch[]): void {
    const counts = new Map<number | null, number>();
    for (const { objectId } of next) counts.set(objectId, (counts.get(objectId) ?? 0) + 1);
    for (const [objectId, count] of counts)
      if (count > MAX_STRETCHES_PER_OBJECT) next = unite(next, objectId);
    stretches = next;
  }

  return {
    add(added) {
      const kept = added.reduce<readonly StaleStretch[]>(
        (all, stretch) =>
          all.flatMap((known) => (known.objectId === stretch.objectId ? cut(known, stretch) : [known])),
        stretches,
      );
      replace([...kept, ...added]);
    },
    computed(frameIndex, objectIds) {
      const isComputed = ({ objectId, first, last }: StaleStretch) =>
        first <= frameIndex &&
        frameIndex <= last &&
        (objectIds === null || (objectId !== null && objectIds.has(objectId)));
      if (!stretches.some(isComputed)) return;
      const frame = { first: frameIndex, last: frameIndex };
      replace(stretches.flatMap((stretch) => (isComputed(stretch) ? cut(stretch, frame) : [stretch])));
    },
    isStale: (id, frameIndex) =>
      stretches.some(
        ({ objectId, first, last }) =>
          (objectId === null || objectId === id) && first <= frameIndex && frameIndex <= last,
      ),
    removeObject(id) {
      stretches = stretches.filter(({ objectId }) => objectId !== id);
    },
    clear() {
      stretches = [];
    },
    next() {
      // A pass over all objects also computes the stale frames of single ones.
      const chosen = stretches.find(({ objectId }) => objectId === null) ?? stretches[0];
      if (!chosen) return undefined;
      const same = stretches.filter(
        ({ objectId, first, last, from }) =>
          objectId !== null && first === chosen.first && last === chosen.last && from === chosen.from,
      );
      const objectIds =
        chosen.objectId === null ? null : new Set(same.map(({ objectId }) => objectId as number));
      return { objectIds, legs: legsOf(chosen) };
    },
    save: () => stretches,
    restore(saved) {
      stretches = saved;
    },
  };
}

/** The parts of a stretch before and after some frames. */
function cut(stretch: StaleStretch, { first, last }: { first: number; last: number }): StaleStretch[] {
  if (last < stretch.first || first > stretch.last) return [stretch];
  return [
    { ...stretch, last: first - 1 },
    { ...stretch, first: last + 1 },
  ].filter((part) => part.first <= part.last);
}

/** Replaces the stretches of an object by one that contains them. */
function unite(stretches: readonly StaleStretch[], objectId: number | null): StaleStretch[] {
  const own = stretches.filter((stretch) => stretch.objectId === objectId);
  const first = Math.min(...own.map((stretch) => stretch.first));
  const last = Math.max(...own.map((stretch) => stretch.last));
  const from = own.at(-1)?.from ?? first;
  return [...stretches.filter((stretch) => stretch.objectId !== objectId), { objectId, first, last, from }];
}

function legsOf({ first, last, from }: StaleStretch): Leg[] {
  const legs: Leg[] = [];
  if (from <= last) legs.push({ reverse: false, first: Math.max(from, first), last });
  if (from > first) legs.push({ reverse: true, first: Math.min(from - 1, last), last: first });
  return legs;
}
