/**
 * The edits of a session, for undo and redo. Each edit records the state of the session before it. The inference process
 * keeps its part of that state: it does so for every verb that is undoable (see `VerbFacts`).
 *
 * An edit runs in this order:
 * 1. The engine carries out the undoable verb. If it rejects, nothing is recorded.
 * 2. {@link EditLog.record} saves the state of all parts and starts a version of the results.
 * 3. The parts and the results change.
 * Steps 2 and 3 run without an await between them.
 */
import type { Affected } from "./affected.js";
import type { Revertible } from "./revertible.js";
import type { ResultsStore } from "./store.js";

export interface Edit {
  /** The type of the request. */
  name: string;
  affected: readonly Affected[];
  /** False for an edit that changed nothing in the engine, such as a name. */
  isInEngine?: boolean;
}

export interface EditLog {
  record(edit: Edit): void;
  /** @returns the undone edit; undefined when there is none */
  undo(): Promise<Edit | undefined>;
  /** @returns the edit that was carried out again; undefined when there is none */
  redo(): Promise<Edit | undefined>;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  clear(): void;
}

export interface EditLogParts {
  /** Restores the state of the inference process: that before its last edit, or that after the edit that was undone last. */
  rollback(to: "before" | "after"): Promise<unknown>;
  results: ResultsStore;
  parts: readonly Revertible<unknown>[];
  /** Edits that can be undone. Beyond it, the oldest is dropped. */
  maxEdits: number;
}

interface Recorded {
  edit: Edit;
  /** The state of each part on the other side of the edit: before it while it is done, after it while it is undone. */
  states: readonly unknown[];
}

export function createEditLog({ rollback, results, parts, maxEdits }: EditLogParts): EditLog {
  /** Both with the next candidate last. */
  let done: Recorded[] = [];
  let undone: Recorded[] = [];

  /** The state of the other side of the edit takes effect, and the present state is saved in its place. */
  function exchange({ edit, states }: Recorded): Recorded {
    const present = parts.map((part) => part.save());
    for (const [index, part] of parts.entries()) part.restore(states[index]);
    return { edit, states: present };
  }

  // The store may have dropped the versions of the oldest edits.
  const canUndo = () => done.length > 0 && results.undoDepth > 0;
  const canRedo = () => undone.length > 0 && results.redoDepth > 0;

  return {
    record(edit) {
      results.checkpoint();
      undone = [];
      done = [...done, { edit, states: parts.map((part) => part.save()) }].slice(-maxEdits);
    },
    async undo() {
      const last = done.at(-1);
      if (!last || !canUndo()) return undefined;
      if (last.edit.isInEngine !== false) await rollback("before");
      done.pop();
      const changed = results.undo();
      undone.push(exchange(last));
      return withChanges(last.edit, changed);
    },
    async redo() {
      const last = undone.at(-1);
      if (!last || !canRedo()) return undefined;
      if (last.edit.isInEngine !== false) await rollback("after");
      undone.pop();
      const changed = results.redo();
      done.push(exchange(last));
      return withChanges(last.edit, changed);
    },
    get canUndo() {
      return canUndo();
    },
    get canRedo() {
      return canRedo();
    },
    clear() {
      done = [];
      undone = [];
    },
  };
}

/** Adds the changes of stored results that the answer to the edit did not contain, such as those of a swap. */
function withChanges(edit: Edit, changed: readonly Affected[]): Edit {
  const contains = (outer: Affected, inner: Affected) =>
    (outer.objectId === null || outer.objectId === inner.objectId) &&
    outer.first <= inner.first &&
    inner.last <= outer.last;
  const added = changed.filter((one) => !edit.affected.some((known) => contains(known, one)));
  const kept = edit.affected.filter((known) => !added.some((one) => contains(one, known)));
  return { ...edit, affected: [...kept, ...added] };
}
