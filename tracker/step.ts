/**
 * One frame of a propagation: the stages and their order, for every rule set.
 *
 * Two rule sets associate detections with objects. `sam3/` follows SAM 3: a detection matches every object that it overlaps.
 * `motion/` is masklet's own: it associates one to one, by overlap and by motion. Each implements the stages in its
 * `rules.ts`. Tracking without detection is a third, short implementation (`sam3/tracking-rules.ts`). `rule-sets.ts` selects
 * one of them.
 *
 * SAM 3's rules, by file:
 * - association of detections with objects: `sam3/association.ts`, with the limits on new objects in `sam3/admission.ts`
 * - hot start and keep-alive: `sam3/hot-start.ts`; masklet confirmation: `sam3/confirmation.ts`; the delayed output that
 *   both rely on: `emission.ts`
 * - reconditioning: `sam3/recondition.ts`
 * - occlusion: `sam3/occlusion.ts` (hides objects), `sam3/shrinkage.ts` (edits the masks that are remembered)
 * - memory: `sam3/remember.ts` and `sam3/new-objects.ts` write it, `../memory/select.ts` selects it for the next frames
 * - clicks: `sam3/click.ts`; phrases and exemplar boxes: `sam3/prompted-objects.ts`
 * - pixels that several objects cover, in the output: `masks/ownership.ts`
 */
import type { ConceptQuery } from "../detector/concepts.js";
import type { Detection } from "../detector/detect.js";
import type { FrameFeatures } from "../detector/graph.js";
import { detectionQueries, detectOnce, runsDetection } from "./detection-search.js";
import { rememberLocked } from "./edits/locks.js";
import { crossSides } from "./edits/sides.js";
import type { Frame } from "./model.js";
import type { Observation } from "./observation.js";
import type { TrackerParts } from "./parts.js";
import type { StepResult } from "./report.js";
import { sharesBucket, trackObjects } from "./track-objects.js";

/** A frame after tracking and detection. */
export interface StepFrame {
  readonly index: number;
  /** The propagation visits frames in descending order. */
  readonly reverse: boolean;
  /** Ids of the objects to report; null: all. */
  readonly objectIds: ReadonlySet<number> | null;
  readonly features: FrameFeatures;
  /** The tracked objects by ascending id. Stages edit their masks in place. */
  readonly observations: readonly Observation[];
  /** The queries of the detector on this frame; empty on frames without detection. */
  readonly queries: readonly ConceptQuery[];
  readonly detections: readonly Detection[];
}

/** A frame on which a concept was prompted; `detections` are of that concept. */
export type PromptedFrame = Pick<StepFrame, "index" | "features" | "observations" | "detections">;

/** Creates objects for the detections of a concept prompt that are new, and returns the frame with them. */
export type CreatePrompted = (parts: TrackerParts, frame: PromptedFrame) => Promise<StepResult>;

/**
 * The stages that differ between rule sets. A stage that a rule set does not have is left out.
 *
 * @typeParam Association result of `associate`, for all later stages
 * @typeParam Corrections result of `correct`, for `remember` and `report`
 */
export interface StepRules<Association, Corrections> {
  /** Whether the detector runs for the session's concepts. */
  readonly detects: boolean;
  /** Prepares the objects for the frame, before tracking. */
  beginFrame?(parts: TrackerParts, frameIndex: number): void;
  /** Associates detections with objects and creates objects for the detections that are new. */
  associate(parts: TrackerParts, frame: StepFrame): Promise<Association>;
  /** Resolves masks that overlap, and identities after a crossing, in rule sets whose corrections depend on both. */
  resolveConflicts?(parts: TrackerParts, frame: StepFrame, association: Association): void;
  /** Corrects tracks with confident detections (reconditioning). */
  correct(parts: TrackerParts, frame: StepFrame, association: Association): Promise<Corrections>;
  /** Empties the masks of occluded objects, in rule sets that correct tracks first. */
  suppressOccluded?(parts: TrackerParts, frame: StepFrame, association: Association): void;
  /** Adds the frame to the memory of the tracked objects. */
  remember(
    parts: TrackerParts,
    frame: StepFrame,
    association: Association,
    corrections: Corrections,
  ): Promise<void>;
  /** Stores the first memory of new objects, in rule sets whose `remember` does not. */
  startObjects?(parts: TrackerParts, frame: StepFrame, association: Association): Promise<void>;
  /** Updates the life cycle of all objects; deletes those that end on this frame. */
  updateObjects?(parts: TrackerParts, frame: StepFrame, association: Association): void;
  /** Collects the result. Changes nothing. */
  report(
    parts: TrackerParts,
    frame: StepFrame,
    association: Association,
    corrections: Corrections,
  ): StepResult;
}

export interface TrackerStep {
  /** Whether the step runs the detector on the next frame. */
  searches(parts: TrackerParts): boolean;
  /** @param objectIds track and report only these and the objects of their buckets; null: all */
  run(parts: TrackerParts, picture: Frame, objectIds: ReadonlySet<number> | null): Promise<StepResult>;
}

/** The step with the stages of one rule set. */
export function createStep<Association, Corrections>(
  rules: StepRules<Association, Corrections>,
): TrackerStep {
  const searches = (parts: TrackerParts) => rules.detects && runsDetection(parts);

  return {
    searches,

    async run(parts, picture, objectIds) {
      const { index } = picture;
      const { reverse } = parts.pass;
      rules.beginFrame?.(parts, index);
      crossSides(parts, index);
      const isSearched = searches(parts);
      const isTracked = sharesBucket(parts.registry, objectIds);

      const features = await parts.features.get(picture, isSearched);
      await rememberLocked(parts, features, index, isTracked);
      const observations = await trackObjects(parts, features, index, reverse, isTracked);
      const queries = isSearched ? detectionQueries(parts, index, observations) : [];
      const detections = rules.detects ? await detectOnce(parts, features, queries) : [];
      const frame = { index, reverse, objectIds, features, observations, queries, detections };

      const association = await rules.associate(parts, frame);
      rules.resolveConflicts?.(parts, frame, association);
      const corrections = await rules.correct(parts, frame, association);
      rules.suppressOccluded?.(parts, frame, association);
      await rules.remember(parts, frame, association, corrections);
      await rules.startObjects?.(parts, frame, association);
      rules.updateObjects?.(parts, frame, association);
      return rules.report(parts, frame, association, corrections);
    },
  };
}
