/** What rebuilds a session in another inference process: the calls that changed its state, without their pixels. */
import { SESSION_VERBS, type SessionVerb, type VerbParams } from "./verbs.js";

export interface JournalEntry {
  verb: SessionVerb;
  /** Without the pixels of `frame`. */
  params: unknown;
  /** The frame whose pixels the call needs. */
  frameIndex?: number;
}

export interface Journal {
  readonly entries: readonly JournalEntry[];
  /** False once calls were dropped: the entries no longer rebuild the session. */
  readonly isComplete: boolean;
  /**
   * Records a call that was answered. A rejected call is recorded as well: what it may have changed before it failed,
   * it changes again.
   */
  record<V extends SessionVerb>(verb: V, params: VerbParams<V>): void;
}

/**
 * @param maxEntries a longer journal is dropped: repeating so many steps takes longer than a client waits
 */
export function createJournal(maxEntries: number): Journal {
  let entries: JournalEntry[] = [];
  let isComplete = true;
  return {
    get entries() {
      return entries;
    },
    get isComplete() {
      return isComplete;
    },
    record(verb, params) {
      if (!isComplete || !SESSION_VERBS[verb].changesState) return;
      if (entries.length >= maxEntries) {
        entries = [];
        isComplete = false;
        return;
      }
      entries.push(withoutPixels(verb, params));
    },
  };
}

function withoutPixels<V extends SessionVerb>(verb: V, params: VerbParams<V>): JournalEntry {
  if (params === undefined || !("frame" in params)) return { verb, params };
  const { frame, ...rest } = params;
  return { verb, params: rest, frameIndex: frame.index };
}
