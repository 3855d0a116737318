/** Fills the lanes from what the server sends: results of frames, and the facts of `get_session`. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Outputs, SessionFacts } from "../../typescript/index.js";
import { FLAG, type LaneStates, STATE } from "./lane-states.js";

export interface LaneStore {
  /** Grows when the content of the arrays changes. */
  readonly version: ReadonlySignal<number>;
  /** Ids with a lane, ascending. */
  readonly ids: ReadonlySignal<readonly number[]>;
  statesOf(objectId: number): LaneStates | undefined;
  suspectReason(objectId: number, frame: number): string | undefined;
  /** A result of one frame, as computed, edited, or stored. */
  addFrame(frame: number, outputs: Pick<Outputs, "out_states">): void;
  /** Objects, locks and absences. Lanes of objects that no longer exist are removed. */
  setFacts(facts: Pick<SessionFacts, "objects">): void;
  /** A prompt of the page on an object. @param isCorrection the object was tracked to this frame before */
  markPrompt(objectId: number, frame: number, isCorrection: boolean): void;
}

interface Entry extends LaneStates {
  /** 1 on frames that `mark_absent` covers. */
  absent: Uint8Array;
  reasons: Map<number, string>;
}

export function createLaneStore(numFrames: number): LaneStore {
  const entries = new Map<number, Entry>();
  const version = signal(0);
  const ids = signal<readonly number[]>([]);

  function entryOf(id: number): Entry {
    let entry = entries.get(id);
    if (!entry) {
      entry = {
        state: new Uint8Array(numFrames),
        flags: new Uint8Array(numFrames),
        score: new Uint8Array(numFrames),
        absent: new Uint8Array(numFrames),
        reasons: new Map(),
      };
      entries.set(id, entry);
      publishIds();
    }
    return entry;
  }

  function publishIds(): void {
    ids.value = [...entries.keys()].sort((a, b) => a - b);
  }

  return {
    version,
    ids,
    statesOf: (id) => entries.get(id),
    suspectReason: (id, frame) => entries.get(id)?.reasons.get(frame),
    addFrame(frame, { out_states }) {
      if (frame < 0 || frame >= numFrames) return;
      const seen = new Set<number>();
      for (const { obj_id, state, score, suspect, prompt } of out_states) {
        seen.add(obj_id);
        const entry = entryOf(obj_id);
        const isAbsent = entry.absent[frame] === 1 && state !== "present";
        entry.state[frame] = isAbsent ? STATE.absent : STATE[state];
        entry.score[frame] = state === "present" ? Math.round(score * 255) : 0;
        setFlag(entry.flags, frame, FLAG.suspect, suspect !== null);
        if (suspect === null) entry.reasons.delete(frame);
        else entry.reasons.set(frame, suspect);
        if (prompt.frame_index < numFrames) setFlag(entry.flags, prompt.frame_index, FLAG.prompt, true);
      }
      for (const [id, entry] of entries) {
        if (!seen.has(id)) clearFrame(entry, frame);
      }
      version.value++;
    },
    setFacts({ objects }) {
      const kept = new Set(objects.map(({ obj_id }) => obj_id));
      for (const id of entries.keys()) if (!kept.has(id)) entries.delete(id);
      for (const { obj_id, locked_frames, absent_frames } of objects) {
        const { state, flags, absent, reasons } = entryOf(obj_id);
        const before = absent.slice();
        absent.fill(0);
        for (const [first, last] of absent_frames) absent.fill(1, first, last + 1);
        for (let frame = 0; frame < numFrames; frame++) {
          if (absent[frame] === 1 && state[frame] !== STATE.present) state[frame] = STATE.absent;
          // The stored result is unknown until it is read again.
          else if (before[frame] === 1 && state[frame] === STATE.absent) state[frame] = STATE.none;
          setFlag(flags, frame, FLAG.locked, false);
        }
        for (const [first, last] of locked_frames) {
          for (let frame = first; frame <= Math.min(last, numFrames - 1); frame++) {
            setFlag(flags, frame, FLAG.locked, true);
            // Masks on locked frames are never suspect.
            setFlag(flags, frame, FLAG.suspect, false);
            reasons.delete(frame);
          }
        }
      }
      publishIds();
      version.value++;
    },
    markPrompt(id, frame, isCorrection) {
      setFlag(entryOf(id).flags, frame, FLAG.prompt, true);
      if (isCorrection) setFlag(entryOf(id).flags, frame, FLAG.corrected, true);
      version.value++;
    },
  };
}

function setFlag(flags: Uint8Array, frame: number, flag: number, isSet: boolean): void {
  const value = flags[frame] as number;
  flags[frame] = isSet ? value | flag : value & ~flag;
}

function clearFrame({ state, score, flags, absent, reasons }: Entry, frame: number): void {
  state[frame] = absent[frame] === 1 ? STATE.absent : STATE.none;
  score[frame] = 0;
  setFlag(flags, frame, FLAG.suspect, false);
  reasons.delete(frame);
}
