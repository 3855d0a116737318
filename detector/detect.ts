/** Detects the concepts of a session on one frame. */
import { chunksOf } from "./chunks.js";
import { type ConceptQuery, packQueries } from "./concepts.js";
import type { BoxXyxy } from "./geometry.js";
import { float32, floats, ints, type RunGraph, type Tensor } from "./graph.js";
import { type MaskBits, type MaskExtent, maskBits, maskExtent } from "./mask-bits.js";
import { mergeAcrossConcepts, rejectNegatives, suppressOverlapping } from "./nms.js";

/** An instance found on one frame. */
export interface Detection {
  /** Keys of the concepts that detected it; several when they describe the same object. */
  concepts: ReadonlySet<number>;
  /** 0..1, class and presence together. */
  score: number;
  /** float32 [m, m] */
  maskLogits: Float32Array;
  bits: MaskBits;
  /** All zero when the mask has no pixel. */
  extent: MaskExtent;
  /** The detector's own box, if requested. */
  box?: BoxXyxy;
  /** The tracker gave the rest of the mask to other objects. */
  isPart?: true;
}

export interface DetectRules {
  /** Minimum score, exclusive. `tracker/policy.ts` documents the fields of this interface. */
  scoreThresholdDetection: number;
  /** 0: none. */
  detNmsThresh: number;
  nmsCovered: number;
  /** 0: never. */
  sameObjectIou: number;
  /** Whether a mask without a single pixel is a detection. */
  keepEmpty: boolean;
  /** Order by concept and model query, the order of ids in SAM 3. Off: best first. */
  keepRowOrder: boolean;
}

export interface DetectSizes {
  L: number;
  D: number;
  m: number;
  /** Whether to read the detector's boxes. */
  boxes?: boolean;
  /** Whether the graph has the output `query`, the model query of each row. Rows are ordered by score. */
  queries?: boolean;
}

export interface Findings {
  /** Best first, or in the order of rows; see `keepRowOrder`. */
  detections: Detection[];
  /** Instances of negative concepts. */
  negatives: Detection[];
  /** Outputs of the call, which include instances below the threshold. Empty when the concepts needed several calls. */
  outputs: Record<string, Tensor>;
}

/**
 * Concepts per call of the `detect` graph. Higher: no less time per concept. Lower: prompts of other sessions wait for shorter
 * calls, which take about 30 ms per concept with the embedded pack on two cores. At least 3, see {@link chunksOf}.
 */
export const CONCEPTS_PER_CALL = 3;

export interface DetectFrame {
  /** float32 [1, Ct, g, g] */
  trunk: Tensor;
  /** Width of the frame divided by its height; absent: the graph has no such input. */
  aspect?: number | undefined;
}

/**
 * Detects all concepts on one frame, with at most {@link CONCEPTS_PER_CALL} per call, one call after the other. The
 * detections of a concept do not depend on the other concepts of its call.
 * @param queries at least one concept, with the exemplars of this frame
 */
export async function detect(
  run: RunGraph,
  { trunk, aspect }: DetectFrame,
  queries: readonly ConceptQuery[],
  sizes: DetectSizes,
  rules: DetectRules,
): Promise<Findings> {
  const inOrder = sizes.queries && rules.keepRowOrder;
  const wanted = ["scores", "masks", ...(sizes.boxes ? ["boxes_out"] : []), ...(inOrder ? ["query"] : [])];
  const frame = { trunk, ...(aspect && { aspect: float32([1], Float32Array.of(aspect)) }) };
  const found: Candidate[] = [];
  let outputs: Record<string, Tensor> = {};
  let first = 0;
  for (const batch of chunksOf(queries, CONCEPTS_PER_CALL)) {
    const answer = await run("detect", { ...frame, ...packQueries(batch, sizes.L, sizes.D) }, wanted);
    found.push(...readCandidates(answer, batch, first, sizes, rules));
    // The outputs of several calls are not kept: together they need more memory than one call.
    if (batch.length === queries.length) outputs = answer;
    first += batch.length;
  }
  const negative = new Set(
    queries.filter(({ concept }) => concept.negative).map(({ concept }) => concept.key),
  );
  const { objects, rejected } = rejectNegatives(found, negative);
  const merged = rules.sameObjectIou === 0 ? objects : mergeAcrossConcepts(objects, rules.sameObjectIou);
  const detections = rules.keepRowOrder ? [...merged].sort((a, b) => a.row - b.row) : merged;
  return { detections, negatives: rejected, outputs };
}

/** A detection and its sort key: ordered by concept, then by the model's queries. */
type Candidate = Detection & { row: number };

/**
 * Reads the detections of one call, except those that a better detection of the same concept suppresses.
 * @param first index of the call's first concept among all concepts
 */
function readCandidates(
  outputs: Record<string, Tensor>,
  queries: readonly ConceptQuery[],
  first: number,
  sizes: DetectSizes,
  rules: DetectRules,
): Candidate[] {
  const scores = floats(outputs, "scores"); // [C, K]
  const masks = floats(outputs, "masks"); // [C, K, m, m]
  const boxes = sizes.boxes ? floats(outputs, "boxes_out") : null; // [C, K, 4]
  const queryOf = sizes.queries && rules.keepRowOrder ? ints(outputs, "query") : null; // [C, K]
  const kept = scores.length / queries.length;
  return queries.flatMap(({ concept }, index) => {
    const candidates: Candidate[] = [];
    for (let k = index * kept; k < (index + 1) * kept; k++) {
      const score = scores[k] as number;
      // The threshold is rounded to float32, the precision of the scores.
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
        row: (first + index) * MAX_QUERIES + (queryOf?.[k] ?? k - index * kept),
      });
    }
    if (rules.detNmsThresh === 0) return candidates;
    return suppressOverlapping(candidates, rules.detNmsThresh, rules.nmsCovered);
  });
}

/** Larger than the number of queries of any model. */
const MAX_QUERIES = 1e6;

const NOWHERE: MaskExtent = { box: [0, 0, 0, 0], centre: [0, 0] };

function boxAt(boxes: Float32Array, row: number): BoxXyxy {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(row * 4, row * 4 + 4);
  return [x0, y0, x1, y1];
}
