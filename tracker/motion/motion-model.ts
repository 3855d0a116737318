/**
 * Predicts where an object is on a frame: a constant-velocity filter over centre and size.
 *
 * The filter distinguishes look-alikes while they cross. A mask that is partly covered by another object has a shifted
 * centre, so the filter is updated with reliable measurements only and extrapolates over the others.
 */
import { type BoxCxcywh, boxArea, boxIntersection, cxcywhToXyxy } from "../../detector/geometry.js";
import type { MaskExtent } from "../../detector/mask-bits.js";

export interface Motion {
  /** Relative to the frame, 0..1, on `frameIndex`. */
  centre: readonly [x: number, y: number];
  size: readonly [width: number, height: number];
  /** Per frame in the direction of the pass. */
  velocity: readonly [x: number, y: number];
  /** The frame of the last measurement that was used. */
  frameIndex: number;
  /** Number of measurements so far. The first ones change the velocity more. */
  measured: number;
  /** The last mask that showed the whole object, by its detection, while it touched no other; null: none. */
  outline: Outline | null;
  /** The last mask, also one that was not used as a measurement; null: none. */
  last: { area: number; frameIndex: number } | null;
}

export interface Outline {
  /** float32 [m, m] */
  maskLogits: Float32Array;
  centre: readonly [x: number, y: number];
  frameIndex: number;
}

/** Share of the position error that a measurement corrects. Higher: faster and noisier. Lower: smoother and slower. */
const POSITION_GAIN = 0.8;

/** Share of the position error that changes a settled velocity. Higher: adapts to turns and noise sooner. Lower: later. */
const VELOCITY_GAIN = 0.25;

/** The same while two objects touch, so that one may cover part of the other. */
const CONTACT_VELOCITY_GAIN = 0.05;

/** Share of a size change that a measurement applies. Higher: faster and noisier. Lower: smoother and slower. */
const SIZE_GAIN = 0.2;

/**
 * Width ratio times height ratio below which a mask counts as partly hidden. Higher: fewer masks change the velocity. Lower:
 * more masks do.
 */
const WHOLE_RATIO = 0.8;

/**
 * Maximum number of extrapolated frames. After them, the predicted position stays constant, and the motion restarts from the
 * next mask. Higher: longer gaps are bridged. Lower: wrong velocities are discarded sooner.
 */
export const COAST_FRAMES = 30;

/** Growth of the search radius per unseen frame, in object sizes. Higher: searches farther. Lower: fewer id switches. */
const SPREAD_PER_FRAME = 0.04;

/** The motion of an object that was measured once: at rest. */
export function startMotion(extent: MaskExtent, frameIndex: number): Motion {
  return {
    centre: extent.centre,
    size: extentSize(extent),
    velocity: [0, 0],
    frameIndex,
    measured: 1,
    outline: null,
    last: null,
  };
}

export function extentSize({ box: [x0, y0, x1, y1] }: MaskExtent): [width: number, height: number] {
  return [x1 - x0, y1 - y0];
}

/** Frames since the last measurement that was used. */
export function framesUnseen(motion: Motion, frameIndex: number): number {
  return Math.abs(frameIndex - motion.frameIndex);
}

/** The predicted box. It stays constant after {@link COAST_FRAMES} of extrapolation. */
export function predict(motion: Motion, frameIndex: number): BoxCxcywh {
  const steps = Math.min(framesUnseen(motion, frameIndex), COAST_FRAMES);
  const [cx, cy] = motion.centre;
  const [vx, vy] = motion.velocity;
  return [cx + vx * steps, cy + vy * steps, ...motion.size];
}

/** The smaller width divided by the larger one, times the same ratio of the heights; 1 for equal sizes. */
function sizeAgreement(a: readonly [number, number], b: readonly [number, number]): number {
  const ratio = (p: number, q: number) => Math.min(p, q) / Math.max(p, q, 1e-6);
  return ratio(a[0], b[0]) * ratio(a[1], b[1]);
}

/**
 * Agreement of a mask with the predicted box, 0..1: 1 at the predicted position, 0 from a distance of one object size. The
 * search radius grows with every unseen frame and is wider while the velocity is not settled.
 */
export function motionAgreement(motion: Motion, extent: MaskExtent, frameIndex: number): number {
  const [cx, cy, width, height] = predict(motion, frameIndex);
  const [x, y] = extent.centre;
  const own = extentSize(extent);
  const reach = Math.max(Math.hypot(width, height), Math.hypot(...own));
  const unseen = framesUnseen(motion, frameIndex) - 1;
  const spread = 1 + SPREAD_PER_FRAME * Math.max(unseen, 0) + (motion.measured < 3 ? 0.5 : 0);
  const near = 1 - Math.hypot(x - cx, y - cy) / (reach * spread);
  return Math.max(0, near) * (0.4 + 0.6 * sizeAgreement([width, height], own));
}

/**
 * Agreement of a mask with a part of an object that reappears from behind an occluder, 0..1: the share of the mask's box
 * inside the predicted box. 0 for masks larger than the object.
 */
export function emergenceAgreement(motion: Motion, extent: MaskExtent, frameIndex: number): number {
  const [cx, cy, width, height] = predict(motion, frameIndex);
  const [w, h] = extentSize(extent);
  if (w > width * 1.2 || h > height * 1.2) return 0;
  const grown = 1 + SPREAD_PER_FRAME * Math.max(framesUnseen(motion, frameIndex) - 1, 0);
  const expected = cxcywhToXyxy([cx, cy, width * grown, height * grown]);
  return boxIntersection(extent.box, expected) / Math.max(boxArea(extent.box), 1e-9);
}

/**
 * Quality of a measurement. `whole`: the mask shows the whole object. `cut`: another object may cover part of it.
 * `unreliable`: the mask may belong to another object and is not used.
 */
export type MeasurementQuality = "whole" | "cut" | "unreliable";

/**
 * Updates the motion with the object's mask on a frame.
 * @param outline the mask, if it may become the outline
 */
export function measure(
  motion: Motion,
  extent: MaskExtent,
  frameIndex: number,
  quality: MeasurementQuality,
  outline: Float32Array | null = null,
): Motion {
  const steps = framesUnseen(motion, frameIndex);
  if (steps > COAST_FRAMES) return startMotion(extent, frameIndex);
  const size = extentSize(extent);
  const shrunk = shareKept(size, motion.size) < WHOLE_RATIO;
  const grown = shareKept(motion.size, size) < WHOLE_RATIO;
  if (steps === 0 || quality === "unreliable" || (quality === "cut" && shrunk)) return motion;

  const [px, py] = predict(motion, frameIndex);
  const ex = extent.centre[0] - px;
  const ey = extent.centre[1] - py;
  // During contact, a mask grows because the object reappears from behind the other one, or because the mask includes a part
  // of the other one. Both shift its centre, so the position is not corrected.
  const positionGain = quality === "cut" && grown ? 0 : POSITION_GAIN;
  const settledGain = quality === "cut" ? CONTACT_VELOCITY_GAIN : VELOCITY_GAIN;
  // The centre of a mask that loses or gains a part shifts without motion, so the velocity does not change.
  const velocityGain = shrunk || grown ? 0 : Math.max(settledGain, 1 / motion.measured) / steps;
  // Occlusion makes masks smaller, never larger: growth applies faster, and shrinking does not apply during contact.
  const shrinkGain = quality === "cut" ? 0 : SIZE_GAIN;
  const mix = (from: number, to: number) =>
    from + (to - from) * (to > from ? Math.sqrt(SIZE_GAIN) : shrinkGain);
  return {
    centre: [px + ex * positionGain, py + ey * positionGain],
    size: [mix(motion.size[0], size[0]), mix(motion.size[1], size[1])],
    velocity: [motion.velocity[0] + ex * velocityGain, motion.velocity[1] + ey * velocityGain],
    frameIndex,
    measured: motion.measured + 1,
    outline:
      outline && quality === "whole" && !shrunk
        ? { maskLogits: outline, centre: extent.centre, frameIndex }
        : motion.outline,
    last: motion.last,
  };
}

/** The share of the size `whole` that remains in `part`; 1 when neither side is smaller. */
export function shareKept(part: readonly [number, number], whole: readonly [number, number]): number {
  return Math.min(1, part[0] / Math.max(whole[0], 1e-6)) * Math.min(1, part[1] / Math.max(whole[1], 1e-6));
}

/** Whether two boxes overlap after each is enlarged by a tenth, so that one object may cover part of the other. */
export function inContact(a: BoxCxcywh, b: BoxCxcywh): boolean {
  const grown = ([cx, cy, w, h]: BoxCxcywh) => cxcywhToXyxy([cx, cy, w * 1.1, h * 1.1]);
  return boxIntersection(grown(a), grown(b)) > 0;
}
