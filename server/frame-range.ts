/**
 * Which frames a propagation visits, in which order: SAM 3's ranges.
 *
 * Forward starts on the start frame itself and goes `maxFrames` frames further, so it yields `maxFrames + 1` frames.
 * Backward leaves the start frame out and yields up to `maxFrames` frames. `both` is forward, then backward: together
 * they cover every frame once.
 */
export type Direction = "forward" | "backward" | "both";

/** One run of consecutive frames. `first` and `last` are inclusive and in the order of travel. */
export interface Leg {
  reverse: boolean;
  first: number;
  last: number;
}

export interface RangeRequest {
  direction: Direction;
  /** 0..numFrames-1. */
  startFrame: number;
  /** How far to go from the start frame; to the end of the video when undefined. */
  maxFrames: number | undefined;
  numFrames: number;
}

/** The legs to travel, in order; a leg without frames is left out. */
export function planLegs({ direction, startFrame, maxFrames, numFrames }: RangeRequest): Leg[] {
  const reach = maxFrames ?? numFrames;
  const legs: Leg[] = [];
  if (direction !== "backward") {
    legs.push({ reverse: false, first: startFrame, last: Math.min(startFrame + reach, numFrames - 1) });
  }
  const backwardEnd = Math.max(startFrame - reach, 0);
  if (direction !== "forward" && backwardEnd < startFrame) {
    legs.push({ reverse: true, first: startFrame - 1, last: backwardEnd });
  }
  return legs;
}

/** The frames of a leg in the order of travel. */
export function* indicesOf({ reverse, first, last }: Leg): Generator<number, void, undefined> {
  const count = Math.abs(last - first) + 1;
  for (let place = 0; place < count; place++) yield reverse ? first - place : first + place;
}
