/** What SAM 3's rules remember of a session beside the objects themselves. Its values are never changed in place. */
import type { FrameSet } from "../frame-set.js";
import type { Registry } from "../registry.js";
import { emptyHotStart, type HotStart, withoutRecords } from "./hot-start.js";

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
  visited: FrameSet;
}

export function createHistory(): History {
  return { hotStart: emptyHotStart, lastHidden: new Map(), standings: new Map(), visited: [] };
}

/**
 * Drops the records of objects that were deleted. A later object with the same id starts without them; SAM 3 keeps them,
 * and with them the deleted object's unsupported frames.
 */
export function forgetDeleted(history: History, registry: Pick<Registry, "get">): void {
  const { hotStart, lastHidden, standings } = history;
  const isDeleted = (id: number) => registry.get(id) === undefined;
  const kept = <V>(records: ReadonlyMap<number, V>) => new Map([...records].filter(([id]) => !isDeleted(id)));
  history.hotStart = withoutRecords(hotStart, isDeleted);
  history.lastHidden = kept(lastHidden);
  history.standings = kept(standings);
}
