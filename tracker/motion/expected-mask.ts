/**
 * The mask that an object is expected to have on a frame: the last mask that showed all of it, moved to the predicted
 * position. It separates an object from others that touch it and look alike: one frame alone does not show their border.
 */
import { type MaskBits, maskBits } from "../../detector/mask-bits.js";
import { OUTSIDE } from "../masks/mask.js";
import { framesUnseen, type Motion, predict } from "./motion-model.js";

export interface ExpectedMask {
  /** Relative to the frame, 0..1. */
  centre: readonly [x: number, y: number];
  size: readonly [width: number, height: number];
  bits: MaskBits;
  /** The largest plausible area, in pixels. A larger mask includes something else. */
  maxArea: number;
}

/** Measurements from which the velocity is reliable enough to move a mask. Higher: fewer masks are expected. */
const MIN_MEASURED = 4;

/**
 * Maximum age of the mask on which the expectation is based. Higher: longer contacts are resolved. Lower: objects that change
 * their shape during contact are not cut.
 */
const MAX_AGE = 30;

/**
 * Growth from one frame to the next beyond which a mask includes something else, as a ratio of areas. Higher: fewer masks are
 * cut. Lower: objects that grow are cut.
 */
const SUDDEN_GROWTH = 1.4;

/** Number of measurements from which sudden growth is implausible. */
const STEADY_MEASUREMENTS = 6;

/**
 * Maximum age of the last whole mask for growth to be implausible. Higher: merged masks are cut for longer. Lower: objects that
 * grow are shown in full sooner.
 */
const MAX_STEADY_AGE = 15;

/**
 * @param side of the mask
 * @returns null when the object was not measured often or recently enough
 */
export function expectMask(motion: Motion | null, frameIndex: number, side: number): ExpectedMask | null {
  if (!motion?.outline || motion.measured < MIN_MEASURED) return null;
  const { outline, measured, last } = motion;
  const age = Math.abs(frameIndex - outline.frameIndex);
  if (age > MAX_AGE || framesUnseen(motion, frameIndex) > MAX_AGE) return null;
  const [cx, cy, width, height] = predict(motion, frameIndex);
  const moved = move(
    outline.maskLogits,
    side,
    (cx - outline.centre[0]) * side,
    (cy - outline.centre[1]) * side,
  );
  const bits = maskBits(moved);
  if (bits.area === 0) return null;
  const isSteady =
    measured >= STEADY_MEASUREMENTS &&
    age <= MAX_STEADY_AGE &&
    last &&
    last.area <= bits.area * SUDDEN_GROWTH &&
    Math.abs(frameIndex - last.frameIndex) === 1;
  const maxArea = isSteady ? last.area * SUDDEN_GROWTH : Number.POSITIVE_INFINITY;
  return { centre: [cx, cy], size: [width, height], bits, maxArea };
}

/** Moves a mask by a number of pixels, with bilinear interpolation. */
function move(mask: Float32Array, side: number, dx: number, dy: number): Float32Array {
  const [left, top] = [Math.floor(-dx), Math.floor(-dy)];
  const [fx, fy] = [-dx - left, -dy - top];
  const at = (x: number, y: number) =>
    x < 0 || y < 0 || x >= side || y >= side ? OUTSIDE : (mask[y * side + x] as number);
  const moved = new Float32Array(mask.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [u, v] = [x + left, y + top];
      const upper = at(u, v) * (1 - fx) + at(u + 1, v) * fx;
      const lower = at(u, v + 1) * (1 - fx) + at(u + 1, v + 1) * fx;
      moved[y * side + x] = upper * (1 - fy) + lower * fy;
    }
  }
  return moved;
}
