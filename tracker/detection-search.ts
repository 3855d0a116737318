/** What is looked for on a frame, and what the detector finds of it. */
import type { Concept, ConceptQuery, Exemplar } from "../detector/concepts.js";
import { type Detection, detect, type Findings } from "../detector/detect.js";
import { boxIou, cxcywhToXyxy, xyxyToCxcywh } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import { maskBits, maskExtent } from "../detector/mask-bits.js";
import { boxPrompt } from "./click-prompt.js";
import { CERTAIN, type Observation } from "./observation.js";
import type { TrackerParts } from "./parts.js";

/** What a step looks for. A propagation that begins on the frame that was prompted last does not look there again. */
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

/** Nothing at all when nothing is asked for. */
export async function runDetection(
  { run, geometry, policy, hasQueryOutput }: TrackerParts,
  features: FrameFeatures,
  queries: readonly ConceptQuery[],
): Promise<Findings> {
  if (queries.length === 0 || !features.trunk) return { detections: [], outputs: {} };
  const { L = 0, D, m } = geometry;
  const boxes =
    policy.detect.suppressDetCloseToBoundary || policy.recondition.reconstructionBboxIouThresh > 0;
  return detect(run, features.trunk, queries, { L, D, m, boxes, queries: hasQueryOutput }, policy.detect);
}

/** Whether anything is looked for on a frame of a propagation. */
export function runsDetection({ concepts }: TrackerParts): boolean {
  return concepts.all.length > 0;
}

/**
 * Every concept, with the user's boxes on the frame they were drawn on. A concept without a phrase is looked for on other
 * frames by the boxes of its own tracked objects; with none in sight it is not looked for at all.
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
 * Whether not being found says something about an object of this concept: it does not when the concept was looked for by
 * our own guesses.
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

/** Instances for the positive exemplar boxes in which the detector saw nothing: the user did. */
export async function segmentExemplars(
  { model, geometry, policy }: TrackerParts,
  features: FrameFeatures,
  concept: Concept,
  exemplars: readonly Exemplar[],
  detections: readonly Detection[],
): Promise<Detection[]> {
  const drawn: Detection[] = [];
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
    drawn.push({ concepts: new Set([concept.key]), score, maskLogits, bits: maskBits(maskLogits), extent });
  }
  return drawn;
}
