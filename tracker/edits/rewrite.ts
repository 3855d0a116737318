/** The effect of an edit on results that are stored already. */
import type { Edit, EditResult } from "./edit.js";

/** Frame indices, both inclusive. */
export interface Stretch {
  first: number;
  last: number;
}

/** The stored frames whose results an edit changes; null: none. */
export function rewrittenStretch(edit: Edit): Stretch | null {
  switch (edit.kind) {
    case "lock":
    case "unlock":
      return null;
    case "absent":
      return edit.absent ? { first: edit.firstFrame, last: edit.lastFrame } : null;
    case "split":
    case "swap":
      return { first: edit.frameIndex, last: Number.POSITIVE_INFINITY };
    case "merge":
    case "removeConcept":
      return { first: 0, last: Number.POSITIVE_INFINITY };
  }
}

/**
 * Rewrites the objects of one stored frame of {@link rewrittenStretch}.
 * @param unite combines the results of several objects on the frame into one of the first object
 * @returns the same array when the frame does not change; otherwise by ascending id
 */
export function rewriteObjects<T extends { readonly objectId: number }>(
  edit: Edit,
  { newObjectId, removedIds }: EditResult,
  objects: readonly T[],
  unite: (objects: readonly T[]) => T,
): readonly T[] {
  const change = changeOf(edit, newObjectId);
  if (change === null) return withoutObjects(objects, new Set(removedIds));
  if (objects.every(({ objectId }) => change(objectId) === objectId)) return objects;
  const byId = new Map<number, T[]>();
  for (const object of objects) {
    const id = change(object.objectId);
    if (id !== null) byId.set(id, [...(byId.get(id) ?? []), { ...object, objectId: id }]);
  }
  const rewritten = [...byId.values()].map((same) => (same.length === 1 ? (same[0] as T) : unite(same)));
  return rewritten.sort((a, b) => a.objectId - b.objectId);
}

/** The id of an object after an edit, on the frames that the edit changes; null: the object is not on the frame. */
type Change = (objectId: number) => number | null;

/** @returns null: the edit only removes objects */
function changeOf(edit: Edit, newObjectId: number | undefined): Change | null {
  switch (edit.kind) {
    case "absent":
      return (id) => (id === edit.objectId ? null : id);
    case "split":
      return (id) => (id === edit.objectId ? (newObjectId as number) : id);
    case "swap":
      return (id) => (id === edit.objectId ? edit.otherId : id === edit.otherId ? edit.objectId : id);
    case "merge":
      return (id) => (edit.otherIds.includes(id) ? edit.objectId : id);
    default:
      return null;
  }
}

function withoutObjects<T extends { readonly objectId: number }>(
  objects: readonly T[],
  ids: ReadonlySet<number>,
): readonly T[] {
  return objects.some(({ objectId }) => ids.has(objectId))
    ? objects.filter(({ objectId }) => !ids.has(objectId))
    : objects;
}
