/**
 * Delays the output by the length of the hot start. Tracked frames wait in a buffer. When the hot start removes an object,
 * the object is left out of every frame that still waits.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (hot-start buffer).
 */
import type { Hiding } from "./report.js";

/**
 * An object is shown on a frame when it is confirmed this many frames later; a constant of SAM 3. Higher: objects are shown
 * from an earlier frame on. Lower: from a later one.
 */
const LOOKAHEAD = 2;

export interface Waiting<F> {
  frameIndex: number;
  frame: F;
  hiding: Hiding;
}

/** Never changed in place. Contains only the records that a waiting frame may need. */
export interface EmissionBuffer<F> {
  waiting: readonly Waiting<F>[];
  /** The frame on which each object was removed, by id. */
  removed: ReadonlyMap<number, number>;
  /** Ids of unconfirmed objects, by frame index. */
  unconfirmed: ReadonlyMap<number, readonly number[]>;
}

export interface Emission<F> {
  buffer: EmissionBuffer<F>;
  /** In the order of travel; `hidden` contains the ids to leave out. */
  emitted: { frameIndex: number; frame: F; hidden: ReadonlySet<number> }[];
}

export function emptyBuffer<F>(): EmissionBuffer<F> {
  return { waiting: [], removed: new Map(), unconfirmed: new Map() };
}

export interface EmissionRules {
  /** `life.hotstartDelay` of the policy: 0 shows each frame at once. */
  delay: number;
  reverse: boolean;
  /** The last frame of the pass, which releases all waiting frames. */
  lastFrame: number;
}

/** Adds a frame. Releases the oldest frame when enough are waiting, and all of them after the last frame of the pass. */
export function emit<F>(before: EmissionBuffer<F>, frame: Waiting<F>, rules: EmissionRules): Emission<F> {
  const { frameIndex, hiding } = frame;
  const waiting = [...before.waiting, frame];
  const removed = new Map([...before.removed, ...hiding.removed.map((id) => [id, frameIndex] as const)]);
  const unconfirmed = new Map([...before.unconfirmed, [frameIndex, hiding.unconfirmed]]);
  const isLast = frameIndex === rules.lastFrame;
  const count = isLast ? waiting.length : waiting.length >= Math.max(rules.delay, 1) ? 1 : 0;
  const emitted = waiting.slice(0, count).map((leaving) => ({
    frameIndex: leaving.frameIndex,
    frame: leaving.frame,
    hidden: new Set([
      ...leaving.hiding.suppressed,
      // Without a delay, a frame does not depend on later ones.
      ...(rules.delay > 0 ? removedFrom(removed, leaving.frameIndex, rules) : []),
      ...(unconfirmed.get(aheadOf(leaving.frameIndex, rules)) ?? []),
    ]),
  }));
  const oldest = waiting[count]?.frameIndex;
  const isNeeded = (index: number) => oldest !== undefined && isFrom(index, oldest, rules);
  const buffer = {
    waiting: waiting.slice(count),
    removed: new Map([...removed].filter(([, index]) => isNeeded(index))),
    unconfirmed: new Map([...unconfirmed].filter(([index]) => isNeeded(index))),
  };
  return { buffer, emitted };
}

/** Ids of the objects that were removed on a frame or after it. An id that is used again later is shown there. */
function removedFrom(
  removed: ReadonlyMap<number, number>,
  frameIndex: number,
  rules: EmissionRules,
): number[] {
  return [...removed].flatMap(([id, index]) => (isFrom(index, frameIndex, rules) ? [id] : []));
}

/** The frame whose confirmations apply to a given frame: {@link LOOKAHEAD} frames later, or the last frame of the pass. */
function aheadOf(frameIndex: number, { reverse, lastFrame }: EmissionRules): number {
  return reverse ? Math.max(frameIndex - LOOKAHEAD, lastFrame) : Math.min(frameIndex + LOOKAHEAD, lastFrame);
}

/** Whether a frame is the given one or comes after it in the direction of travel. */
function isFrom(index: number, frameIndex: number, { reverse }: Pick<EmissionRules, "reverse">): boolean {
  return reverse ? index <= frameIndex : index >= frameIndex;
}
