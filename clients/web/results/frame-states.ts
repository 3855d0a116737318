/** The state of every object on every frame, for the timeline: three bytes per frame and object. */
import { FLAG, type FrameRange, type LaneStates, STATE } from "../timeline/lane-states.js";
import type { FrameResult } from "./frame-result.js";

export interface FrameStates {
  /** Zeros for an object without results. The arrays stay the same until `clear`. */
  of(objectId: number): LaneStates;
  /** @param objectIds the result contains only these objects; undefined: all */
  set(result: FrameResult, objectIds?: readonly number[]): void;
  /** Why the mask of an object may be wrong. */
  suspectReason(objectId: number, frame: number): string | undefined;
  /** The flag `locked` and the state `absent` of an object, from `get_session`. */
  setRanges(objectId: number, locked: readonly FrameRange[], absent: readonly FrameRange[]): void;
  /** Replaces the flags `corrected` of all objects. */
  setCorrections(corrections: readonly { objectId: number; frame: number }[]): void;
  /** Forgets the object. */
  remove(objectId: number): void;
  /** No object has a result on this frame. */
  clearFrame(frame: number): void;
  /** Forgets all frames of all objects. */
  clear(): void;
}

export function createFrameStates(numFrames: number): FrameStates {
  const lanes = new Map<number, LaneStates>();
  const reasons = new Map<number, Map<number, string>>();
  const corrected = new Map<number, Set<number>>();
  const ranges = new Map<number, { locked: readonly FrameRange[]; absent: readonly FrameRange[] }>();

  function of(objectId: number): LaneStates {
    let lane = lanes.get(objectId);
    if (!lane) {
      const empty = () => new Uint8Array(numFrames);
      lane = { state: empty(), flags: empty(), score: empty() };
      lanes.set(objectId, lane);
      const known = ranges.get(objectId);
      if (known) paint(lane, known.locked, known.absent);
    }
    return lane;
  }

  function setReason(objectId: number, frame: number, reason: string | null): void {
    if (reason === null) {
      reasons.get(objectId)?.delete(frame);
      return;
    }
    let ofObject = reasons.get(objectId);
    if (!ofObject) {
      ofObject = new Map();
      reasons.set(objectId, ofObject);
    }
    ofObject.set(frame, reason);
  }

  const isIn = (frame: number, list: readonly FrameRange[] | undefined) =>
    list?.some(({ first, last }) => frame >= first && frame <= last) ?? false;

  /** Locks and absences apply to frames without a result as well. */
  function clearAt(id: number, lane: LaneStates, frame: number): void {
    const known = ranges.get(id);
    lane.state[frame] = isIn(frame, known?.absent) ? STATE.absent : STATE.none;
    lane.flags[frame] = isIn(frame, known?.locked) ? FLAG.locked : 0;
    lane.score[frame] = 0;
    setReason(id, frame, null);
  }

  return {
    of,
    set({ frame, states }, objectIds) {
      const seen = new Set<number>();
      for (const { obj_id, state, score, prompt, suspect } of states) {
        seen.add(obj_id);
        const lane = of(obj_id);
        const known = ranges.get(obj_id);
        const isAbsent = state !== "present" && isIn(frame, known?.absent);
        lane.state[frame] = isAbsent ? STATE.absent : STATE[state];
        lane.score[frame] = state === "present" ? Math.round(score * 255) : 0;
        const isPrompted = prompt.frame_index === frame && prompt.kind !== "concept";
        lane.flags[frame] =
          (corrected.get(obj_id)?.has(frame) ? FLAG.corrected : 0) |
          (suspect ? FLAG.suspect : 0) |
          (isPrompted ? FLAG.prompt : 0) |
          (isIn(frame, known?.locked) ? FLAG.locked : 0);
        setReason(obj_id, frame, suspect);
      }
      for (const [id, lane] of lanes)
        if (!seen.has(id) && (objectIds?.includes(id) ?? true)) clearAt(id, lane, frame);
    },
    clearFrame(frame) {
      for (const [id, lane] of lanes) clearAt(id, lane, frame);
    },
    suspectReason: (objectId, frame) => reasons.get(objectId)?.get(frame),
    setRanges(objectId, locked, absent) {
      ranges.set(objectId, { locked, absent });
      const lane = lanes.get(objectId);
      if (lane) paint(lane, locked, absent);
    },
    setCorrections(corrections) {
      corrected.clear();
      for (const { flags } of lanes.values())
        flags.forEach((flag, at) => {
          flags[at] = flag & ~FLAG.corrected;
        });
      for (const { objectId, frame } of corrections) {
        const frames = corrected.get(objectId) ?? new Set();
        corrected.set(objectId, frames.add(frame));
        const { flags } = of(objectId);
        flags[frame] = (flags[frame] as number) | FLAG.corrected;
      }
    },
    remove(objectId) {
      lanes.delete(objectId);
      reasons.delete(objectId);
      ranges.delete(objectId);
    },
    clear() {
      reasons.clear();
      for (const lane of lanes.values()) {
        lane.state.fill(STATE.none);
        lane.flags.fill(0);
        lane.score.fill(0);
      }
      for (const [id, { locked, absent }] of ranges) {
        const lane = lanes.get(id);
        if (lane) paint(lane, locked, absent);
      }
    },
  };
}

function paint(
  { state, flags }: LaneStates,
  locked: readonly FrameRange[],
  absent: readonly FrameRange[],
): void {
  for (let frame = 0; frame < flags.length; frame++) {
    flags[frame] = (flags[frame] as number) & ~FLAG.locked;
    if (state[frame] === STATE.absent) state[frame] = STATE.none;
  }
  for (const { first, last } of locked) {
    for (let frame = first; frame <= last; frame++) flags[frame] = (flags[frame] as number) | FLAG.locked;
  }
  for (const { first, last } of absent) {
    for (let frame = first; frame <= last; frame++) {
      if (state[frame] !== STATE.present) state[frame] = STATE.absent;
    }
  }
}
