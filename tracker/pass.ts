/** One pass over the video in one direction. */
import type { Crossing } from "./motion/crossings.js";

export interface Pass {
  /** Frames are visited in descending order. */
  readonly reverse: boolean;
  /** The motion-based rules have not visited a frame yet. */
  isFresh: boolean;
  /** Look-alikes that touch and have not separated yet; only the motion-based rules record them. */
  crossings: readonly Crossing[];
  /** Ids of the objects with recalled memories of the frames before the first one; see `recall.ts`. */
  recalled: ReadonlySet<number>;
}

export function startPass(reverse: boolean): Pass {
  return { reverse, isFresh: true, crossings: [], recalled: new Set() };
}
