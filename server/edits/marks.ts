/** What the user decided about objects: names, locked frames, and frames without the object. */
import { type FrameSet, type ObjectFacts, removeFrames } from "../engine/index.js";
import type { Revertible } from "../results/revertible.js";

/** The decisions about one object. */
export type ObjectMarks = Pick<ObjectFacts, "locked" | "absent">;

/** Never changed in place. */
export interface MarksState {
  /** Objects with a locked or an absent frame. */
  readonly objects: ReadonlyMap<number, ObjectMarks>;
  readonly objectNames: ReadonlyMap<number, string>;
  /** By concept, as the engine lists it. */
  readonly conceptNames: ReadonlyMap<string, string>;
}

export interface Marks extends Revertible<MarksState> {
  of(objectId: number): ObjectMarks;
  /**
   * Frames of an object that tracking does not change and that a stretch of stale frames therefore ends at: locked frames,
   * and the ends of absent ranges.
   */
  anchorsOf(objectId: number): number[];
  /** Adopts the facts of the engine after an edit, and drops the names of objects that no longer exist. */
  update(objects: readonly ObjectFacts[]): void;
  /** A prompt ended the absence of an object on a frame, up to the end of the range. */
  prompted(objectId: number, frameIndex: number): void;
  objectName(objectId: number): string | null;
  /** @param name null: none */
  nameObject(objectId: number, name: string | null): void;
  nameConcept(concept: string, name: string | null): void;
  conceptNames(): { concept: string; name: string }[];
  removeObject(objectId: number): void;
  clear(): void;
}

const NONE: ObjectMarks = { locked: [], absent: [] };
const EMPTY: MarksState = { objects: new Map(), objectNames: new Map(), conceptNames: new Map() };

export function createMarks(): Marks {
  let state = EMPTY;

  return {
    of: (objectId) => state.objects.get(objectId) ?? NONE,
    anchorsOf(objectId) {
      const { locked, absent } = this.of(objectId);
      const lockedFrames = locked.flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, at) => first + at),
      );
      return [...lockedFrames, ...absent.flat()];
    },
    update(objects) {
      const marked = objects.filter(({ locked, absent }) => locked.length + absent.length > 0);
      const ids = new Set(objects.map(({ objectId }) => objectId));
      state = {
        ...state,
        objects: new Map(marked.map(({ objectId, locked, absent }) => [objectId, { locked, absent }])),
        objectNames: new Map([...state.objectNames].filter(([id]) => ids.has(id))),
      };
    },
    prompted(objectId, frameIndex) {
      const { locked, absent } = this.of(objectId);
      const range = absent.find(([first, last]) => first <= frameIndex && frameIndex <= last);
      if (!range) return;
      const remaining: FrameSet = removeFrames(absent, [frameIndex, range[1]]);
      state = { ...state, objects: new Map(state.objects).set(objectId, { locked, absent: remaining }) };
    },
    objectName: (objectId) => state.objectNames.get(objectId) ?? null,
    nameObject(objectId, name) {
      state = { ...state, objectNames: withName(state.objectNames, objectId, name) };
    },
    nameConcept(concept, name) {
      state = { ...state, conceptNames: withName(state.conceptNames, concept, name) };
    },
    conceptNames: () => [...state.conceptNames].map(([concept, name]) => ({ concept, name })),
    removeObject(objectId) {
      const objects = new Map(state.objects);
      objects.delete(objectId);
      state = { ...state, objects, objectNames: withName(state.objectNames, objectId, null) };
    },
    clear() {
      state = EMPTY;
    },
    save: () => state,
    restore(saved) {
      state = saved;
    },
  };
}

function withName<K>(names: ReadonlyMap<K, string>, key: K, name: string | null): ReadonlyMap<K, string> {
  const changed = new Map(names);
  changed.delete(key);
  if (name !== null) changed.set(key, name);
  return changed;
}

/** The frames on which an object is locked. */
export function lockedFrames(marks: Marks, objectId: number): number[] {
  return marks
    .of(objectId)
    .locked.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}

/** Number of frames on which an object is locked. */
export function numLocked(marks: Marks, objectId: number): number {
  return marks.of(objectId).locked.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
