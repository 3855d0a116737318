/** Recognises that hardly anything of an object is visible: its tracked mask then says little about where the object is. */
import { maskBits } from "../../detector/mask-bits.js";

/**
 * Share of the largest given mask. Higher: more masks count as nearly hidden, so that fewer of their pieces are removed, and
 * fewer prompts overrule older ones. Lower: lost objects are found later.
 */
const MIN_SHARE = 0.25;

/**
 * @param area of the tracked mask, or of its main piece
 * @param given masks of the object that a user or the detector gave: float32 logits of the same size
 */
export function isNearlyHidden(area: number, given: readonly Float32Array[]): boolean {
  return area < MIN_SHARE * Math.max(0, ...given.map((mask) => maskBits(mask).area));
}
