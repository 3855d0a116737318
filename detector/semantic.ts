/** Where a concept is on a frame, whichever of its instances a pixel belongs to. */
import { floats, type Tensor } from "./graph.js";

/**
 * One map from everything that `detect` said about one concept. A pixel's probability is that of the instance that claims
 * it best: the smaller of the instance's score and of its mask there, at most over all instances, weak ones included. So
 * cutting the map at any probability gives the union of the masks, cut there, of the instances with at least that score.
 *
 * This is not the output of a segmentation head of its own, which SAM 3 has as well.
 *
 * @param outputs `scores` float32 [1, K] and `masks` float32 [1, K, m, m] of a `detect` call for one concept
 * @param m side of the mask logits
 * @returns float32 [m, m] logits, finite
 */
export function semanticLogits(outputs: Record<string, Tensor>, m: number): Float32Array {
  const scores = floats(outputs, "scores");
  const masks = floats(outputs, "masks");
  const map = new Float32Array(m * m).fill(-LARGEST_LOGIT);
  scores.forEach((score, k) => {
    const ceiling = Math.min(LARGEST_LOGIT, Math.log(score / (1 - score)));
    const mask = masks.subarray(k * m * m, (k + 1) * m * m);
    mask.forEach((logit, pixel) => {
      const claim = Math.min(ceiling, logit);
      if (claim > (map[pixel] as number)) map[pixel] = claim;
    });
  });
  return map;
}

/** Beyond it a probability is 0 or 1 in any format that it is sent in. */
const LARGEST_LOGIT = 32;
