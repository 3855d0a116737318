/**
 * States of a tracker before its edits, for undo and redo. A state does not contain the memories of tracked frames: these are
 * most of the memory, and a later pass recalls them from stored results (`recall.ts`). States share all tensors and entries
 * with the tracker, which changes none of them in place.
 */
import { startPass } from "./pass.js";
import type { TrackerSnapshot } from "./tracker-snapshot.js";

/** Edits that can be undone. Higher: more memory and larger snapshots. */
export const MAX_EDITS = 100;

/** Plain data, part of the session's snapshot. */
export interface TimelineSnapshot {
  /** The state before the edit that is carried out next, if it succeeds. */
  readonly pending: TrackerSnapshot | null;
  /** The states before each edit, oldest first. */
  readonly done: readonly TrackerSnapshot[];
  /** The states after each undone edit; the last one is that of the latest `back`. */
  readonly undone: readonly TrackerSnapshot[];
}

export interface Timeline {
  /** Marks the state before an edit, which may consist of several changes. */
  checkpoint(present: TrackerSnapshot): void;
  /** A change has succeeded: the last checkpoint becomes a step of the timeline, and undone steps are dropped. */
  changed(): void;
  /** The state before the last edit. @throws RangeError without one */
  back(present: TrackerSnapshot): TrackerSnapshot;
  /** The state after the edit that was undone last. @throws RangeError without one */
  forward(present: TrackerSnapshot): TrackerSnapshot;
  clear(): void;
  snapshot(): TimelineSnapshot;
}

const EMPTY: TimelineSnapshot = { pending: null, done: [], undone: [] };

export function createTimeline(content: TimelineSnapshot = EMPTY): Timeline {
  // Replaced on every change, never changed in place: snapshots share it.
  let { pending, done, undone } = content;

  function take(states: readonly TrackerSnapshot[], what: string): TrackerSnapshot {
    const state = states.at(-1);
    if (!state) throw new RangeError(`There is no edit to ${what}.`);
    pending = null;
    return state;
  }

  return {
    checkpoint(present) {
      pending = withoutTracked(present);
    },
    changed() {
      if (!pending) return;
      done = [...done, pending].slice(-MAX_EDITS);
      undone = [];
      pending = null;
    },
    back(present) {
      const state = take(done, "undo");
      done = done.slice(0, -1);
      undone = [...undone, withoutTracked(present)];
      return state;
    },
    forward(present) {
      const state = take(undone, "redo");
      undone = undone.slice(0, -1);
      done = [...done, withoutTracked(present)];
      return state;
    },
    clear() {
      ({ pending, done, undone } = EMPTY);
    },
    snapshot: () => ({ pending, done, undone }),
  };
}

/** The state without memories of tracked frames, and outside of a pass. */
function withoutTracked(state: TrackerSnapshot): TrackerSnapshot {
  const masklets = state.registry.masklets.map(({ bank, ...masklet }) => ({
    ...masklet,
    bank: { ...bank, recent: [], pointers: [] },
  }));
  return { ...state, registry: { ...state.registry, masklets }, pass: startPass(false) };
}
