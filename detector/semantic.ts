/** The semantic map of a concept on a frame: the pixels of all its instances. */
import { floats, type Tensor } from "./graph.js";

/**
 * Combines all instances of one concept, including those below the detection threshold. The probability of a pixel is the
 * largest, over all instances, of the smaller of the instance's score and its mask probability at that pixel. With a
 * threshold of p, the map is therefore the union of the masks of the instances with a score of at least p, each with a
 * threshold of p.
 *
 * SAM 3 has a separate head for semantic segmentation; this map is not its output.
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

/** Largest magnitude of a logit. A larger one has the same probability, 0 or 1, in every output format. */
const LARGEST_LOGIT = 32;
