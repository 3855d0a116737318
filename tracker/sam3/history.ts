/** The state of a session that SAM 3's rules keep besides the objects. Its values are never changed in place. */
import type { FrameSet } from "../frame-set.js";
import type { Registry } from "../registry.js";
import { emptyHotStart, endHotStart, type HotStart, withoutRecords } from "./hot-start.js";

/** The confirmation state of one object, see `confirmation.ts`. */
export interface Confirmation {
  /** Frames in a row with a detection. */
  streak: number;
  /** Never reset once it is true. */
  confirmed: boolean;
}

export interface History {
  hotStart: HotStart;
  /** For each object, by id: the last frame on which it had no mask or was occluded. */
  lastHidden: ReadonlyMap<number, number>;
  confirmations: ReadonlyMap<number, Confirmation>;
  /** Frames that were tracked or prompted. */
  visited: FrameSet;
}

export function createHistory(): History {
  return { hotStart: emptyHotStart, lastHidden: new Map(), confirmations: new Map(), visited: [] };
}

/** Confirms an object that the user has seen and edited: it is no false positive. */
export function confirm(history: History, id: number): void {
  history.hotStart = endHotStart(history.hotStart, id);
  history.confirmations = new Map([...history.confirmations, [id, { streak: 0, confirmed: true }]]);
}

/**
 * Drops the records of deleted objects, so that a later object with the same id starts without them. SAM 3 keeps them: there,
 * the unsupported frames of the deleted object count for the new one.
 */
export function forgetDeleted(history: History, registry: Pick<Registry, "get">): void {
  const { hotStart, lastHidden, confirmations } = history;
  const isDeleted = (id: number) => registry.get(id) === undefined;
  const kept = <V>(records: ReadonlyMap<number, V>) => new Map([...records].filter(([id]) => !isDeleted(id)));
  history.hotStart = withoutRecords(hotStart, isDeleted);
  history.lastHidden = kept(lastHidden);
  history.confirmations = kept(confirmations);
}
