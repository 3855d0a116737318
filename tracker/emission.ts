/**
 * Frames that wait to be shown. The stream lags behind the model by the hot-start delay, and what turns out to be a ghost
 * while its frames wait is left out of all of them.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (hot-start buffer).
 */
import type { Hiding } from "./report.js";

/**
 * Frames by which confirmation is read ahead of the frame that is shown, a constant of SAM 3. Higher: objects are shown
 * from earlier on. Lower: later.
 */
const LOOKAHEAD = 2;

export interface Waiting<F> {
  frameIndex: number;
  frame: F;
  hiding: Hiding;
}

/** Never changed in place. */
export interface EmissionBuffer<F> {
  waiting: readonly Waiting<F>[];
  /** Every object that ended since the pass began. */
  removed: ReadonlySet<number>;
  /** By frame index, as long as a waiting frame may ask. */
  unconfirmed: ReadonlyMap<number, readonly number[]>;
}

export interface Emission<F> {
  buffer: EmissionBuffer<F>;
  /** In the order of travel; `hidden` are the ids to leave out. */
  emitted: { frameIndex: number; frame: F; hidden: ReadonlySet<number> }[];
}

export function emptyBuffer<F>(): EmissionBuffer<F> {
  return { waiting: [], removed: new Set(), unconfirmed: new Map() };
}

export interface EmissionRules {
  /** `life.hotstartDelay` of the policy: 0 shows each frame at once. */
  delay: number;
  reverse: boolean;
  /** The last frame of the pass, which lets all of them go. */
  lastFrame: number;
}

/** Takes one more frame, and lets the oldest go when enough are waiting, or all when it was the last. */
export function emit<F>(
  { waiting, removed, unconfirmed }: EmissionBuffer<F>,
  frame: Waiting<F>,
  rules: EmissionRules,
): Emission<F> {
  const all = [...waiting, frame];
  const gone = new Set([...removed, ...frame.hiding.removed]);
  const doubtful = new Map([...unconfirmed, [frame.frameIndex, frame.hiding.unconfirmed]]);
  const isLast = frame.frameIndex === rules.lastFrame;
  const count = isLast ? all.length : all.length >= Math.max(rules.delay, 1) ? 1 : 0;
  const leaving = all.slice(0, count);
  const emitted = leaving.map(({ frameIndex, frame: shown, hiding }) => ({
    frameIndex,
    frame: shown,
    // Without a delay nothing that happens later can be known.
    hidden: new Set([
      ...hiding.suppressed,
      ...(rules.delay > 0 ? gone : []),
      ...(doubtful.get(aheadOf(frameIndex, rules)) ?? []),
    ]),
  }));
  const oldest = all[count]?.frameIndex;
  const kept = [...doubtful].filter(
    ([index]) => oldest !== undefined && isFrom(index, oldest, rules.reverse),
  );
  return { buffer: { waiting: all.slice(count), removed: gone, unconfirmed: new Map(kept) }, emitted };
}

/** The frame whose standings decide; the last of the pass for those near it. */
function aheadOf(frameIndex: number, { reverse, lastFrame }: EmissionRules): number {
  return reverse ? Math.max(frameIndex - LOOKAHEAD, lastFrame) : Math.min(frameIndex + LOOKAHEAD, lastFrame);
}

function isFrom(index: number, oldest: number, reverse: boolean): boolean {
  return reverse ? index <= oldest : index >= oldest;
}
