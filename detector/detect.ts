/** One frame and all concepts in, one list of detections out. */
import { type ConceptQuery, packQueries } from "./concepts.js";
import type { BoxXyxy } from "./geometry.js";
import { floats, ints, type RunGraph, type Tensor } from "./graph.js";
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
  /** All zero when the mask has no pixel. */
  extent: MaskExtent;
  /** The detector's own box, where it was asked for. */
  box?: BoxXyxy;
}

export interface DetectRules {
  /** Detections above this score count; see `tracker/policy.ts`, which documents all of these. */
  scoreThresholdDetection: number;
  /** 0: none. */
  detNmsThresh: number;
  nmsCovered: number;
  /** 0: never. */
  sameThingIou: number;
  /** Whether a mask without a single pixel is a detection. */
  keepEmpty: boolean;
  /** In the order of the concepts and of the model's queries, in which SAM 3 gives ids; otherwise best first. */
  keepRowOrder: boolean;
}

export interface DetectSizes {
  L: number;
  D: number;
  m: number;
  /** Whether the detector's boxes are wanted as well. */
  boxes?: boolean;
  /** Whether the graph tells which of the model's queries each row is: rows come best first, ids in query order. */
  queries?: boolean;
}

export interface Findings {
  /** Best first, or as the rules say. */
  detections: Detection[];
  /** Everything that the graph said, weak instances included. */
  outputs: Record<string, Tensor>;
}

/**
 * @param trunk float32 [1, Ct, g, g] of the frame
 * @param queries at least one concept with the exemplars that hold for this frame
 */
export async function detect(
  run: RunGraph,
  trunk: Tensor,
  queries: readonly ConceptQuery[],
  sizes: DetectSizes,
  rules: DetectRules,
): Promise<Findings> {
  const inOrder = sizes.queries && rules.keepRowOrder;
  const wanted = ["scores", "masks", ...(sizes.boxes ? ["boxes_out"] : []), ...(inOrder ? ["query"] : [])];
  const outputs = await run("detect", { trunk, ...packQueries(queries, sizes.L, sizes.D) }, wanted);
  const scores = floats(outputs, "scores"); // [C, K]
  const masks = floats(outputs, "masks"); // [C, K, m, m]
  const boxes = sizes.boxes ? floats(outputs, "boxes_out") : null; // [C, K, 4]
  const queryOf = inOrder ? ints(outputs, "query") : null; // [C, K]
  const kept = scores.length / queries.length;
  const found = queries.flatMap(({ concept }, row) => {
    const candidates: (Detection & { row: number })[] = [];
    for (let k = row * kept; k < (row + 1) * kept; k++) {
      const score = scores[k] as number;
      // As 32-bit floats, in which the score was made.
      if (!(score > Math.fround(rules.scoreThresholdDetection))) continue;
      const maskLogits = masks.slice(k * sizes.m ** 2, (k + 1) * sizes.m ** 2);
      const extent = maskExtent(maskLogits, sizes.m);
      if (!extent && !rules.keepEmpty) continue;
      candidates.push({
        concepts: new Set([concept.key]),
        score,
        maskLogits,
        bits: maskBits(maskLogits),
        extent: extent ?? NOWHERE,
        ...(boxes ? { box: boxAt(boxes, k) } : {}),
        // Concept after concept, each in the order of its queries.
        row: row * QUERIES + (queryOf?.[k] ?? k - row * kept),
      });
    }
    if (rules.detNmsThresh === 0) return candidates;
    return suppressOverlapping(candidates, rules.detNmsThresh, rules.nmsCovered);
  });
  const merged = rules.sameThingIou === 0 ? found : mergeAcrossConcepts(found, rules.sameThingIou);
  const detections = rules.keepRowOrder ? [...merged].sort((a, b) => a.row - b.row) : merged;
  return { detections, outputs };
}

/** More than any detector has. */
const QUERIES = 1e6;

const NOWHERE: MaskExtent = { box: [0, 0, 0, 0], centre: [0, 0] };

function boxAt(boxes: Float32Array, row: number): BoxXyxy {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(row * 4, row * 4 + 4);
  return [x0, y0, x1, y1];
}
