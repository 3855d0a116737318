/** The effect of edits of identities on records by object and frame. Pure functions. */
import type { Edit, EditResult } from "../engine/index.js";
import type { StaleStretch } from "../results/stale-frames.js";

/** From a frame on, objects have other ids. */
export interface Renumbering {
  from: number;
  idOf(objectId: number): number;
}

/** @returns null for edits that leave all identities as they are */
export function renumbering(edit: Edit, { newObjectId }: EditResult): Renumbering | null {
  switch (edit.kind) {
    case "merge":
      return { from: 0, idOf: (id) => (edit.otherIds.includes(id) ? edit.objectId : id) };
    case "split":
      return { from: edit.frameIndex, idOf: (id) => (id === edit.objectId ? (newObjectId ?? id) : id) };
    case "swap":
      return {
        from: edit.frameIndex,
        idOf: (id) => (id === edit.objectId ? edit.otherId : id === edit.otherId ? edit.objectId : id),
      };
    default:
      return null;
  }
}

/** Renumbers lists of frames by object. A frame stays once in a list. */
export function renumberFrames(
  frames: ReadonlyMap<number, readonly number[]>,
  { from, idOf }: Renumbering,
): Map<number, readonly number[]> {
  const renumbered = new Map<number, Set<number>>();
  for (const [objectId, ofObject] of frames) {
    for (const frame of ofObject) {
      const id = frame >= from ? idOf(objectId) : objectId;
      renumbered.set(id, (renumbered.get(id) ?? new Set()).add(frame));
    }
  }
  return new Map([...renumbered].map(([id, list]) => [id, [...list]]));
}

/** Renumbers stale frames; a stretch over the first renumbered frame is divided there. */
export function renumberStale(
  stretches: readonly StaleStretch[],
  { from, idOf }: Renumbering,
): StaleStretch[] {
  return stretches.flatMap((stretch) => {
    const { objectId, first, last } = stretch;
    if (objectId === null || idOf(objectId) === objectId || last < from) return [stretch];
    const before = first < from ? [{ ...stretch, last: from - 1 }] : [];
    return [...before, { ...stretch, objectId: idOf(objectId), first: Math.max(first, from) }];
  });
}
