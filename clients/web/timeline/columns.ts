/** Reduces the frames of a lane to one value per column of pixels, so that drawing costs the width and not the length. */
import { FLAG, type LaneStates, STATE } from "./lane-states.js";
import { type View, visibleFrames } from "./view.js";

/** A stretch of columns that look the same. `x` and `width` are CSS pixels. */
export interface LaneRun {
  x: number;
  width: number;
  /** A value of `STATE`. */
  state: number;
  /** The flags of all frames of the stretch combined. */
  flags: number;
  /** The lowest score of the frames that are present, 0 to 255. */
  score: number;
}

/** When frames of several states share a column, the one that needs attention most is drawn. */
const PRIORITY: Record<number, number> = {
  [STATE.none]: 0,
  [STATE.present]: 1,
  [STATE.absent]: 2,
  [STATE.occluded]: 3,
  [STATE.lost]: 4,
};

/** Scores that differ by less are drawn alike, so that stretches stay long. */
const SCORE_STEP = 16;

export function laneRuns(states: LaneStates, view: View): LaneRun[] {
  const { first, last } = visibleFrames(view);
  // A column covers at least one pixel; with wide frames, a frame is a column.
  const framesPerColumn = Math.max(1, 1 / view.pxPerFrame);
  const start = Math.floor(first / framesPerColumn);
  const end = Math.floor(last / framesPerColumn);
  const runs: LaneRun[] = [];
  let previous: LaneRun | undefined;
  for (let column = start; column <= end; column++) {
    const from = Math.round(column * framesPerColumn);
    const to = Math.max(from + 1, Math.round((column + 1) * framesPerColumn));
    const one = reduce(states, from, Math.min(to, states.state.length));
    const x = (from - view.firstFrame) * view.pxPerFrame;
    const right = (Math.min(to, view.numFrames) - view.firstFrame) * view.pxPerFrame;
    if (
      previous &&
      previous.state === one.state &&
      previous.flags === one.flags &&
      previous.score === one.score
    ) {
      previous.width = right - previous.x;
    } else {
      previous = { ...one, x, width: right - x };
      runs.push(previous);
    }
  }
  return runs;
}

function reduce({ state, flags, score }: LaneStates, from: number, to: number) {
  let worst: number = STATE.none;
  let combined = 0;
  let lowest = 256;
  for (let frame = from; frame < to; frame++) {
    const value = state[frame] as number;
    if ((PRIORITY[value] as number) > (PRIORITY[worst] as number)) worst = value;
    combined |= flags[frame] as number;
    if (value === STATE.present) lowest = Math.min(lowest, score[frame] as number);
  }
  const drawn = lowest === 256 ? 0 : Math.min(255, Math.ceil(lowest / SCORE_STEP) * SCORE_STEP);
  return { state: worst, flags: combined, score: drawn };
}

/** Positions of the frames with a flag, at most one per `minDistancePx`; for marks that are wider than a column. */
export function markPositions(states: LaneStates, view: View, flag: number, minDistancePx: number): number[] {
  const { first, last } = visibleFrames(view);
  const positions: number[] = [];
  let nextX = Number.NEGATIVE_INFINITY;
  for (let frame = first; frame <= last; frame++) {
    if (((states.flags[frame] as number) & flag) === 0) continue;
    const x = (frame + 0.5 - view.firstFrame) * view.pxPerFrame;
    if (x < nextX) continue;
    positions.push(x);
    nextX = x + minDistancePx;
  }
  return positions;
}

export const isSuspect = (flags: number): boolean => (flags & FLAG.suspect) !== 0;
