/** What SAM 3's rules remember of a session beside the objects themselves. */
import { emptyHotStart, type HotStart } from "./hot-start.js";

/** The confirmation state of one object, see `confirmation.ts`. */
export interface Standing {
  /** Frames in a row with a detection. */
  streak: number;
  /** Never reset once it is true. */
  confirmed: boolean;
}

export interface History {
  hotStart: HotStart;
  /** The last frame on which each object was hidden, by id. */
  lastHidden: ReadonlyMap<number, number>;
  standings: ReadonlyMap<number, Standing>;
  /** Frames on which anything was detected or tracked. */
  readonly visited: Set<number>;
}

/** A history as plain data. */
export interface HistorySnapshot extends Omit<History, "visited"> {
  visited: ReadonlySet<number>;
}

export function createHistory(): History {
  return { hotStart: emptyHotStart, lastHidden: new Map(), standings: new Map(), visited: new Set() };
}

export function clearHistory(history: History): void {
  restoreHistory(history, createHistory());
}

/** Shares what is never changed in place. */
export function snapshotHistory({ visited, ...history }: History): HistorySnapshot {
  return { ...history, visited: new Set(visited) };
}

export function restoreHistory(history: History, { visited, ...snapshot }: HistorySnapshot): void {
  Object.assign(history, snapshot);
  history.visited.clear();
  for (const frameIndex of visited) history.visited.add(frameIndex);
}
