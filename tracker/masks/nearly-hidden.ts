/** Recognises that a mask shows hardly anything of an object. The mask is then a weak indication of where the object is. */
import { maskBits } from "../../detector/mask-bits.js";

/**
 * Share of the largest given mask. Higher: fewer pieces of small masks are removed, and fewer prompts overrule older ones.
 * Lower: lost objects are found later, and more prompts overrule older ones.
 */
const MIN_SHARE = 0.25;

/**
 * @param area of the mask, or of its main piece
 * @param given masks of the object that a user or the detector gave: float32 logits of the same size
 */
export function isNearlyHidden(area: number, given: readonly Float32Array[]): boolean {
  return area < MIN_SHARE * Math.max(0, ...given.map((mask) => maskBits(mask).area));
}
