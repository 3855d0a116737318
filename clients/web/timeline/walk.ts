/** The next or previous frame that deserves a look, among all lanes. */
import { FLAG, type LaneStates } from "./lane-states.js";

export type Landmark = "suspect" | "prompt" | "change";
export interface Found {
  frame: number;
  objectId: number;
}

/**
 * @param from the search starts behind this frame, and does not return to the other end of the video
 * @returns undefined when there is none in this direction. Of several objects on the same frame, the first lane counts.
 */
export function findLandmark(
  lanes: readonly { id: number; states: LaneStates }[],
  kind: Landmark,
  from: number,
  step: 1 | -1,
): Found | undefined {
  let best: Found | undefined;
  for (const { id, states } of lanes) {
    const frame = nextInLane(states, kind, from, step);
    if (frame === undefined) continue;
    if (!best || (frame - best.frame) * step < 0) best = { frame, objectId: id };
  }
  return best;
}

function nextInLane(states: LaneStates, kind: Landmark, from: number, step: 1 | -1): number | undefined {
  const { length } = states.state;
  for (let frame = from + step; frame >= 0 && frame < length; frame += step) {
    if (isLandmark(states, kind, frame)) return frame;
  }
  return undefined;
}

function isLandmark({ state, flags }: LaneStates, kind: Landmark, frame: number): boolean {
  if (kind === "suspect") return ((flags[frame] as number) & FLAG.suspect) !== 0;
  if (kind === "prompt") return ((flags[frame] as number) & FLAG.prompt) !== 0;
  return frame > 0 && state[frame] !== state[frame - 1];
}
