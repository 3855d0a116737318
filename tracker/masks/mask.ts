/** Masks as logits: float32 [m, m], above 0 inside. */

/** The logit of pixels outside of prompted and detected masks, as in SAM 3. */
export const OUTSIDE = -10;

/** A mask without a pixel. @param m side of the mask @returns float32 [m, m] */
export function emptyMask(m: number): Float32Array {
  return new Float32Array(m * m).fill(OUTSIDE);
}

export function hasPixels(maskLogits: Float32Array): boolean {
  return maskLogits.some((logit) => logit > 0);
}
