/** What SAM 3's rules remember of a session beside the objects themselves. */
import type { Standing } from "./confirmation.js";
import { emptyHotStart, type HotStart } from "./hot-start.js";

export interface History {
  hotStart: HotStart;
  /** The frame on which each object was hidden last, by id. */
  lastHidden: ReadonlyMap<number, number>;
  standings: ReadonlyMap<number, Standing>;
  /** Frames that were ever detected or tracked on. */
  readonly visited: Set<number>;
}

export function createHistory(): History {
  return { hotStart: emptyHotStart, lastHidden: new Map(), standings: new Map(), visited: new Set() };
}

/** Forgets everything. */
export function clearHistory(history: History): void {
  Object.assign(history, { hotStart: emptyHotStart, lastHidden: new Map(), standings: new Map() });
  history.visited.clear();
}
