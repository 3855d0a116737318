/** Masks as logits: float32 [m, m], above 0 inside. */

/** The value that SAM 3 gives to pixels outside of masks that are certain. */
const OUTSIDE = -10;

/** @param m side of the mask */
export function emptyMask(m: number): Float32Array {
  return new Float32Array(m * m).fill(OUTSIDE);
}

export function hasPixels(maskLogits: Float32Array): boolean {
  return maskLogits.some((logit) => logit > 0);
}
