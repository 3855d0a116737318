/**
 * One order of undo for the edits of the server and those of the page (colour, group, visibility). The server keeps the content
 * of its edits; the page keeps the order.
 */
import { type ReadonlySignal, signal } from "@preact/signals";

/** An edit of the page itself. */
export interface PageEdit {
  title: string;
  undo(): void;
  redo(): void;
}

type Entry =
  | ({ kind: "page" } & PageEdit)
  /** `steps` requests of the server, undone together. */
  | { kind: "server"; title: string; steps: number };

export interface ServerHistory {
  /** Rejects with the error of the server when nothing is undone. */
  undo(): Promise<{ can_undo: boolean; can_redo: boolean }>;
  redo(): Promise<{ can_undo: boolean; can_redo: boolean }>;
}

/** What `Ctrl+Z` and `Ctrl+Y` would do. `title` is undefined when there is nothing. */
export interface HistoryState {
  undoTitle: string | undefined;
  redoTitle: string | undefined;
}

export interface History {
  readonly state: ReadonlySignal<HistoryState>;
  /** Records an edit of the page that was carried out already. */
  addPageEdit(edit: PageEdit): void;
  /** Records requests that the server has answered with success. @param steps how many edits the server counts for them */
  addServerEdit(title: string, steps?: number): void;
  /** The server's own stacks, from `get_session`: edits from before a reload can be undone too. */
  setServerState(state: { canUndo: boolean; canRedo: boolean }): void;
  /** Returns the title of what was undone, undefined when there was nothing. */
  undo(): Promise<string | undefined>;
  redo(): Promise<string | undefined>;
  /** After `reset_session`. */
  clear(): void;
}

/** As many edits as the server keeps. */
const MAX_ENTRIES = 100;

/** The title of edits that were made before the page was loaded. */
const EARLIER_EDIT = "an earlier edit";

export function createHistory(server: ServerHistory): History {
  let done: Entry[] = [];
  let undone: Entry[] = [];
  let onServer = { canUndo: false, canRedo: false };
  /** Requests are carried out one after the other: two quick Ctrl+Z undo two edits. */
  let turn: Promise<unknown> = Promise.resolve();
  const state = signal<HistoryState>({ undoTitle: undefined, redoTitle: undefined });

  /** The page has made no edit since it was loaded. A later edit, also one of the page, ends what could be redone. */
  const isFresh = () => done.length === 0;

  function publish(): void {
    const undoTitle = done.at(-1)?.title ?? (onServer.canUndo ? EARLIER_EDIT : undefined);
    const redoTitle = undone.at(-1)?.title ?? (isFresh() && onServer.canRedo ? EARLIER_EDIT : undefined);
    const old = state.peek();
    if (old.undoTitle !== undoTitle || old.redoTitle !== redoTitle) state.value = { undoTitle, redoTitle };
  }

  function record(entry: Entry): void {
    done.push(entry);
    if (done.length > MAX_ENTRIES) done.shift();
    undone = [];
    publish();
  }

  async function move(direction: "undo" | "redo"): Promise<string | undefined> {
    const source = direction === "undo" ? done : undone;
    let entry = source.at(-1);
    if (!entry) {
      if (direction === "undo" ? !onServer.canUndo : !(isFresh() && onServer.canRedo)) return undefined;
      entry = { kind: "server", title: EARLIER_EDIT, steps: 1 };
    }
    if (entry.kind === "page") entry[direction]();
    else {
      for (let step = 0; step < entry.steps; step++) {
        try {
          const answer = await server[direction]();
          onServer = { canUndo: answer.can_undo, canRedo: answer.can_redo };
        } catch (error) {
          keepCountsOf(entry, step, direction);
          publish();
          throw error;
        }
      }
    }
    if (source.at(-1) === entry) source.pop();
    (direction === "undo" ? undone : done).push(entry);
    publish();
    return entry.title;
  }

  /** The server carried out only some steps of an entry: the entry is divided, so that the counts stay those of the server. */
  function keepCountsOf(entry: Entry & { kind: "server" }, carriedOut: number, direction: "undo" | "redo") {
    const [source, target] = direction === "undo" ? [done, undone] : [undone, done];
    if (source.at(-1) !== entry) return;
    if (carriedOut > 0) {
      source[source.length - 1] = { ...entry, steps: entry.steps - carriedOut };
      target.push({ ...entry, steps: carriedOut });
    }
  }

  function inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = turn.then(action, action);
    turn = result.catch(() => undefined);
    return result;
  }

  return {
    state,
    addPageEdit: (edit) => record({ kind: "page", ...edit }),
    addServerEdit(title, steps = 1) {
      if (steps < 1) return;
      onServer = { canUndo: true, canRedo: false };
      record({ kind: "server", title, steps });
    },
    setServerState(given) {
      onServer = given;
      publish();
    },
    undo: () => inTurn(() => move("undo")),
    redo: () => inTurn(() => move("redo")),
    clear() {
      done = [];
      undone = [];
      onServer = { canUndo: false, canRedo: false };
      publish();
    },
  };
}
