/** Runs detection on a frame, and selects the concepts and the exemplars of the call. */
import type { Concept, ConceptQuery, Exemplar } from "../detector/concepts.js";
import { type Detection, detect, type Findings } from "../detector/detect.js";
import { boxIou, cxcywhToXyxy, xyxyToCxcywh } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import { maskBits, maskExtent } from "../detector/mask-bits.js";
import { boxPrompt } from "./click-prompt.js";
import { CERTAIN, type Observation } from "./observation.js";
import type { TrackerParts } from "./parts.js";

/**
 * Detections of a step. The detections of the last prompt are reused when the propagation begins on the same frame with the
 * same queries.
 */
export async function detectOnce(
  parts: TrackerParts,
  features: FrameFeatures,
  queries: readonly ConceptQuery[],
): Promise<readonly Detection[]> {
  const last = parts.lastDetection;
  parts.lastDetection = null;
  if (last && last.features === features && areSame(last.queries, queries)) return last.detections;
  return (await runDetection(parts, features, queries)).detections;
}

function areSame(some: readonly ConceptQuery[], others: readonly ConceptQuery[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ concept, exemplars }, index) => {
      const other = others[index] as ConceptQuery;
      const hasSameBoxes = exemplars.every((exemplar, at) => exemplar === other.exemplars[at]);
      return concept === other.concept && exemplars.length === other.exemplars.length && hasSameBoxes;
    })
  );
}

/** Runs `detect` with the given queries. @returns no detections when there are no queries */
export async function runDetection(
  { run, geometry, policy, frameAspect, hasQueryOutput }: TrackerParts,
  features: FrameFeatures,
  queries: readonly ConceptQuery[],
): Promise<Findings> {
  if (queries.length === 0 || !features.trunk) return { detections: [], negatives: [], outputs: {} };
  const { L = 0, D, m } = geometry;
  const boxes =
    policy.detect.suppressDetCloseToBoundary || policy.recondition.reconstructionBboxIouThresh > 0;
  const frame = { trunk: features.trunk, aspect: frameAspect };
  return detect(run, frame, queries, { L, D, m, boxes, queries: hasQueryOutput }, policy.detect);
}

/** Whether the frames of a propagation need detection. */
export function runsDetection({ concepts }: TrackerParts): boolean {
  return concepts.all.some(({ negative }) => !negative);
}

/**
 * One query per concept. The user's exemplar boxes are part of the query on the frame on which they were drawn. On other
 * frames, a concept without a phrase uses the boxes of its own tracked objects as exemplars. It has no query when none of
 * them is visible.
 */
export function detectionQueries(
  { concepts, geometry, policy }: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): ConceptQuery[] {
  return concepts.all.flatMap((concept) => {
    const exemplars = concept.exemplars.get(frameIndex) ?? [];
    if (concept.phrase !== null || exemplars.length > 0) return [{ concept, exemplars }];
    const own = ownExemplars(concept, observations, geometry.m).slice(0, policy.detect.selfExemplars);
    return own.length > 0 ? [{ concept, exemplars: own }] : [];
  });
}

/**
 * Whether a missing detection is evidence that an object of the concept is absent. It is not when the exemplars of the query
 * are the boxes of tracked objects.
 */
export function isConclusive({ concept }: ConceptQuery, frameIndex: number): boolean {
  return concept.phrase !== null || concept.exemplars.has(frameIndex);
}

function ownExemplars(concept: Concept, observations: readonly Observation[], side: number): Exemplar[] {
  return observations
    .filter(({ masklet }) => masklet.conceptKey === concept.key && !masklet.excluded)
    .sort((a, b) => (b.prediction?.score ?? CERTAIN) - (a.prediction?.score ?? CERTAIN))
    .flatMap(({ maskLogits }) => {
      const extent = maskExtent(maskLogits, side);
      return extent ? [{ box: xyxyToCxcywh(extent.box), label: 1 as const }] : [];
    });
}

/** Segments the object in each positive exemplar box that no detection matches. @returns these objects as detections */
export async function segmentExemplars(
  { model, geometry, policy }: TrackerParts,
  features: FrameFeatures,
  concept: Concept,
  exemplars: readonly Exemplar[],
  detections: readonly Detection[],
): Promise<Detection[]> {
  const segmented: Detection[] = [];
  for (const { box, label } of exemplars) {
    const corners = cxcywhToXyxy(box);
    const isFound = detections.some(
      ({ extent }) => boxIou(extent.box, corners) >= policy.associate.trkAssocIouThresh,
    );
    if (label === 0 || isFound) continue;
    const { maskLogits, iou } = await model.segment(features, boxPrompt(corners), null);
    const extent = maskExtent(maskLogits, geometry.m);
    if (!extent) continue;
    const score = Math.max(iou, policy.detect.scoreThresholdDetection);
    segmented.push({
      concepts: new Set([concept.key]),
      score,
      maskLogits,
      bits: maskBits(maskLogits),
      extent,
    });
  }
  return segmented;
}
