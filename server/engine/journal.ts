/**
 * The record from which a session is rebuilt in another inference process: a snapshot of its state, and the calls that
 * changed the state since then, without their pixels.
 */
import { SESSION_VERBS, type SessionVerb, type VerbParams } from "./verbs.js";

export interface RecoveryOptions {
  /**
   * Bytes of the snapshots of all sessions together, in the main process. A snapshot for which there is no room is not
   * kept. Higher: large sessions recover faster. Lower: less memory.
   */
  maxSnapshotBytes: number;
  /**
   * Maximum number of calls in a journal. A longer journal is dropped: until its next snapshot, the session is lost when the
   * inference process ends.
   */
  maxJournalEntries: number;
  /** Minimum number of calls between two snapshots. */
  minCallsBetweenSnapshots: number;
  /** Share of a session's time that snapshots may take, 0..1. */
  maxSnapshotShare: number;
}

export const DEFAULT_RECOVERY: RecoveryOptions = {
  // Sessions of the embedded pack take some megabytes each, one of full-size SAM 3 with many objects some hundreds.
  maxSnapshotBytes: 256 * 2 ** 20,
  // About a minute with the embedded pack.
  maxJournalEntries: 1_000,
  minCallsBetweenSnapshots: 32,
  maxSnapshotShare: 0.01,
};

/** Room for the snapshots of all sessions. */
export interface SnapshotBudget {
  usedBytes: number;
}

export interface JournalEntry {
  verb: SessionVerb;
  /** Without the pixels of `frame`. */
  params: unknown;
  /** The frame whose pixels the call needs. */
  frameIndex?: number;
}

export interface PendingSnapshot {
  /**
   * Keeps the snapshot in place of the calls before it. The journal stays as it is without room for the snapshot, and when too
   * many calls were recorded since `beginSnapshot`.
   * @param bytes undefined for a snapshot that had no room
   * @param costMs what the snapshot cost
   */
  keep(bytes: Uint8Array | undefined, costMs: number, nowMs: number): void;
}

export interface Journal {
  /** The state before the entries; absent while the session is rebuilt from its start. */
  readonly snapshot: Uint8Array | undefined;
  readonly entries: readonly JournalEntry[];
  /** False once calls were dropped: the session cannot be rebuilt before its next snapshot. */
  readonly isComplete: boolean;
  /** Bytes that the next snapshot may have. */
  readonly roomBytes: number;
  /** Records a call that succeeded. A call that was rejected has changed nothing. */
  record<V extends SessionVerb>(verb: V, params: VerbParams<V>): void;
  /** @param nowMs from the same clock as for `keep` */
  isSnapshotDue(nowMs: number): boolean;
  /** A snapshot was made of the state after the calls recorded so far. Its bytes may arrive later. Ends one begun before. */
  beginSnapshot(): PendingSnapshot;
  /** Ends the journal and returns its room. */
  release(): void;
}

/**
 * @param nowMs the time of the session's start
 * @param start the state in which the session starts. It is kept even when there is no room for it: without it the session
 * could not be rebuilt.
 */
export function createJournal(
  options: RecoveryOptions,
  budget: SnapshotBudget,
  nowMs: number,
  start?: Uint8Array,
): Journal {
  let entries: JournalEntry[] = [];
  /** Pushes of frames that no `next` has stepped: a snapshot does not contain them. */
  let unstepped: JournalEntry[] = [];
  let isComplete = true;
  let snapshot = start;
  budget.usedBytes += start?.length ?? 0;
  /** The entries that will follow the snapshot whose bytes arrive. */
  let following: JournalEntry[] | undefined;
  let last = { callsSince: 0, atMs: nowMs, costMs: 0 };
  /** The next snapshot replaces the present one. */
  const room = () => options.maxSnapshotBytes - budget.usedBytes + (snapshot?.length ?? 0);

  return {
    get roomBytes() {
      return room();
    },
    get snapshot() {
      return snapshot;
    },
    get entries() {
      return entries;
    },
    get isComplete() {
      return isComplete;
    },
    record(verb, params) {
      const { changesState, pushedFrames } = SESSION_VERBS[verb];
      if (!changesState) return;
      const entry = withoutPixels(verb, params);
      last.callsSince += 1;
      if (pushedFrames === "add") unstepped.push(entry);
      if (pushedFrames === "take") unstepped.shift();
      if (pushedFrames === "clear") unstepped = [];
      following?.push(entry);
      if (following && following.length > options.maxJournalEntries) following = undefined;
      if (!isComplete) return;
      entries.push(entry);
      if (entries.length <= options.maxJournalEntries) return;
      isComplete = false;
      entries = [];
      budget.usedBytes -= snapshot?.length ?? 0;
      snapshot = undefined;
    },
    isSnapshotDue: (now) =>
      options.maxSnapshotBytes > 0 &&
      last.callsSince >= options.minCallsBetweenSnapshots &&
      last.costMs <= (now - last.atMs) * options.maxSnapshotShare,
    beginSnapshot() {
      const mine = [...unstepped];
      following = mine;
      last.callsSince = 0;
      return {
        keep(bytes, costMs, now) {
          if (following !== mine) return;
          following = undefined;
          last = { ...last, atMs: now, costMs };
          if (!bytes || bytes.length > room()) return;
          budget.usedBytes += bytes.length - (snapshot?.length ?? 0);
          snapshot = bytes;
          entries = mine;
          isComplete = true;
        },
      };
    },
    release() {
      budget.usedBytes -= snapshot?.length ?? 0;
      snapshot = undefined;
      entries = [];
      following = undefined;
      isComplete = false;
    },
  };
}

function withoutPixels<V extends SessionVerb>(verb: V, params: VerbParams<V>): JournalEntry {
  if (params === undefined || !("frame" in params)) return { verb, params };
  const { frame, ...rest } = params;
  return { verb, params: rest, frameIndex: frame.index };
}
