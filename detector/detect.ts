/** One frame and all concepts in, one list of detections out. */
import { type ConceptQuery, packQueries } from "./concepts.js";
import { floats, type RunGraph, type Tensor } from "./graph.js";
import { type MaskBits, type MaskExtent, maskBits, maskExtent } from "./mask-bits.js";
import { mergeAcrossConcepts, suppressOverlapping } from "./nms.js";

/** An instance found on one frame. */
export interface Detection {
  /** Keys of the concepts that found it; more than one when concepts mean the same thing. */
  concepts: ReadonlySet<number>;
  /** 0..1, class and presence together. */
  score: number;
  /** float32 [m, m] */
  maskLogits: Float32Array;
  bits: MaskBits;
  extent: MaskExtent;
}

export interface DetectRules {
  /** Detections above this score count; see `tracker/policy.ts`, which documents all of these. */
  score: number;
  nmsIou: number;
  nmsCovered: number;
  sameThingIou: number;
}

export interface DetectSizes {
  L: number;
  D: number;
  m: number;
}

/**
 * @param trunk float32 [1, Ct, g, g] of the frame
 * @param queries at least one concept with the exemplars that hold for this frame
 * @returns best first; detections without a single pixel are left out
 */
export async function detect(
  run: RunGraph,
  trunk: Tensor,
  queries: readonly ConceptQuery[],
  sizes: DetectSizes,
  rules: DetectRules,
): Promise<Detection[]> {
  const outputs = await run("detect", { trunk, ...packQueries(queries, sizes.L, sizes.D) }, [
    "scores",
    "masks",
  ]);
  const scores = floats(outputs, "scores"); // [C, K]
  const masks = floats(outputs, "masks"); // [C, K, m, m]
  const kept = scores.length / queries.length;
  const found = queries.flatMap(({ concept }, row) => {
    const candidates: Detection[] = [];
    for (let k = row * kept; k < (row + 1) * kept; k++) {
      const score = scores[k] as number;
      if (!(score > rules.score)) continue;
      const maskLogits = masks.slice(k * sizes.m ** 2, (k + 1) * sizes.m ** 2);
      const extent = maskExtent(maskLogits, sizes.m);
      if (extent) {
        candidates.push({
          concepts: new Set([concept.key]),
          score,
          maskLogits,
          bits: maskBits(maskLogits),
          extent,
        });
      }
    }
    return suppressOverlapping(candidates, rules.nmsIou, rules.nmsCovered);
  });
  return mergeAcrossConcepts(found, rules.sameThingIou);
}
