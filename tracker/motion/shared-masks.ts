/**
 * Divides masks that cover several objects. When look-alikes touch, the detector finds one object, and the tracker, which
 * recognises all of them, spreads from one to the next. Each object keeps the pixels where its motion and its last whole
 * mask expect it.
 */
import type { Detection } from "../../detector/detect.js";
import { coveredBy, type MaskBits, maskBits, maskExtent, maskIou } from "../../detector/mask-bits.js";
import { OUTSIDE } from "../masks/mask.js";
import { around } from "../masks/pieces.js";
import type { ExpectedMask } from "./expected-mask.js";

/** An object with an expected mask. */
export interface ExpectedObject {
  conceptKey: number | null;
  expected: ExpectedMask;
}

/** Share of an expected mask that a mask must cover to show the object. Higher: fewer masks are divided. */
const SHOWN_SHARE = 0.7;

/**
 * Share of an expected mask inside another one beyond which both may be of one object, for example of a person and of the
 * head. Their masks are not divided. Higher: masks of objects that cover each other are divided for longer. Lower: shorter.
 */
const MAX_NESTED_SHARE = 0.5;

/**
 * Share of its expected pixels that an object must keep after a division. Below it, the object is probably hidden, and the
 * mask is not divided. Higher: fewer masks are divided. Lower: pieces of one object are shown as two.
 */
const MIN_KEPT_SHARE = 0.65;

/** IoU of an expected mask and a detection from which another detection's part for the same object is a duplicate. */
const SAME_OBJECT_IOU = 0.5;

/**
 * Divides each detection that shows several objects of its concept into one detection per object, and cuts those that show one
 * object and much more.
 * @returns the detections in their order, the parts of one in the order of the objects
 */
export function divideDetections(
  detections: readonly Detection[],
  objects: readonly ExpectedObject[],
  side: number,
): Detection[] {
  const divided = detections.map((detection) => partsOf(detection, objects, side));
  const whole = detections.filter((_, index) => divided[index] === null);
  return detections.flatMap((detection, index) => {
    const parts = divided[index];
    if (!parts) return [detection];
    const isKnown = ({ bits }: ExpectedMask) =>
      whole.some((other) => maskIou(other.bits, bits) >= SAME_OBJECT_IOU);
    return parts.filter(({ of }) => !isKnown(of)).map(({ part }) => part);
  });
}

/** @returns null when the detection is not divided */
function partsOf(
  detection: Detection,
  objects: readonly ExpectedObject[],
  side: number,
): { of: ExpectedMask; part: Detection }[] | null {
  const shown = objects
    .filter(({ conceptKey }) => conceptKey !== null && detection.concepts.has(conceptKey))
    .map(({ expected }) => expected)
    .filter(({ bits }) => coveredBy(bits, detection.bits) >= SHOWN_SHARE);
  if (shown.length === 0 || (shown.length === 1 && !isTooLarge(detection.bits, shown))) return null;
  if (shown.some((one, index) => shown.slice(0, index).some((other) => areNested(one, other)))) return null;
  const parts = shown.flatMap((of) => {
    const maskLogits = confine(detection, of, shown, side);
    const bits = maskBits(maskLogits);
    const extent = maskExtent(maskLogits, side);
    if (!extent || bits.area < MIN_KEPT_SHARE * of.bits.area) return [];
    const { box: _, ...rest } = detection;
    return [{ of, part: { ...rest, maskLogits, bits, extent, isPart: true as const } }];
  });
  return parts.length === shown.length ? parts : null;
}

function areNested({ bits: a }: ExpectedMask, { bits: b }: ExpectedMask): boolean {
  return Math.max(coveredBy(a, b), coveredBy(b, a)) > MAX_NESTED_SHARE;
}

/** Whether a mask is larger than the objects that it shows can be together. */
function isTooLarge({ area }: MaskBits, shown: readonly ExpectedMask[]): boolean {
  return area > shown.reduce((sum, { maxArea }) => sum + maxArea, 0);
}

interface Mask {
  /** float32 [side, side]; not changed */
  maskLogits: Float32Array;
  bits: MaskBits;
}

/**
 * Confines the mask of an object to its pixels, when it also covers another object of its concept or has suddenly grown.
 * @param others the other objects of its concept
 * @returns the same array when the mask is not confined
 */
export function confineToObject(
  mask: Mask,
  expected: ExpectedMask,
  others: readonly ExpectedMask[],
  side: number,
): Float32Array {
  if (coveredBy(expected.bits, mask.bits) < SHOWN_SHARE) return mask.maskLogits;
  const shown = [
    expected,
    ...others.filter(
      (other) => coveredBy(other.bits, mask.bits) >= SHOWN_SHARE && !areNested(other, expected),
    ),
  ];
  if (shown.length === 1 && !isTooLarge(mask.bits, shown)) return mask.maskLogits;
  const confined = confine(mask, expected, shown, side);
  return maskBits(confined).area < MIN_KEPT_SHARE * expected.bits.area ? mask.maskLogits : confined;
}

/**
 * The mask without the pixels of the other objects that it shows. If it is larger than these can be, also without those that
 * are far from the object.
 */
function confine(
  { maskLogits, bits }: Mask,
  own: ExpectedMask,
  shown: readonly ExpectedMask[],
  side: number,
): Float32Array {
  const others = shown.filter((other) => other !== own);
  const isLimited = isTooLarge(bits, shown);
  const isForeign = (pixel: number) =>
    (isLimited && !isNear(own.bits, pixel, side)) || others.some((other) => isOf(other, own, pixel, side));
  return maskLogits.map((logit, pixel) => (logit > 0 && isForeign(pixel) ? OUTSIDE : logit));
}

/** Whether a pixel is inside a mask or touches one that is. */
function isNear(bits: MaskBits, pixel: number, side: number): boolean {
  return isInside(bits, pixel) || around(pixel, side).some((other) => isInside(bits, other));
}

/** Whether a pixel belongs to object `a` rather than to `b`: only `a` is expected there, or its centre is closer. */
function isOf(a: ExpectedMask, b: ExpectedMask, pixel: number, side: number): boolean {
  const [inA, inB] = [isInside(a.bits, pixel), isInside(b.bits, pixel)];
  return inA === inB ? distance(a, pixel, side) < distance(b, pixel, side) : inA;
}

function isInside({ words }: MaskBits, pixel: number): boolean {
  return ((words[pixel >>> 5] as number) & (1 << (pixel & 31))) !== 0;
}

/** Distance of a pixel from the centre of an object, in sizes of the object. */
function distance({ centre, size }: ExpectedMask, pixel: number, side: number): number {
  const x = pixel % side;
  const y = (pixel - x) / side;
  return Math.hypot(
    ((x + 0.5) / side - centre[0]) / Math.max(size[0], 1e-6),
    ((y + 0.5) / side - centre[1]) / Math.max(size[1], 1e-6),
  );
}
