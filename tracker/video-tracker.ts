/** The tracker of one video session: owns its state and dispatches calls. `step.ts` contains the stages of a frame. */
import { conceptName } from "../detector/concepts.js";
import { promptConcept } from "./concept-prompt.js";
import { conceptOf, describeStates, restartSights } from "./describe-states.js";
import { preparePrompt } from "./edits/absence.js";
import { anchor } from "./edits/anchor.js";
import { applyEdit } from "./edits/apply.js";
import type { AnchorMask, Edit, EditResult } from "./edits/edit.js";
import { describeObjects, type ObjectFacts, objectIds } from "./edits/objects.js";
import type { PassRequest, RecallNeed } from "./frame-output.js";
import type { Frame } from "./model.js";
import { ownerOf, type PromptOwner } from "./object-states.js";
import { createParts, type VideoTrackerOptions } from "./parts.js";
import { startPass } from "./pass.js";
import { type Candidate, type PredictionPrompt, predict } from "./predict.js";
import type { Prompt } from "./prompts.js";
import { findRecallNeed, type RecalledMask, recallMasks } from "./recall.js";
import type { StepResult } from "./report.js";
import { ruleSets, trackingStep } from "./rule-sets.js";
import { createHistory, forgetDeleted } from "./sam3/history.js";
import { resetCounters } from "./sam3/hot-start.js";
import { restoreTracker, snapshotTracker, type TrackerSnapshot } from "./snapshot.js";
import type { TrackerStep } from "./step.js";

export interface PromptResult {
  result: StepResult;
  /** The id of the prompted object; absent for concept prompts. */
  objectId?: number;
  /** Objects that a negative phrase deleted. */
  removedIds?: readonly number[];
  /** float32 [m, m]: the semantic map of the concept, if requested. */
  semanticLogits?: Float32Array;
}

/** Calls must not overlap: await each call before the next one. Only `prepare` may be called at any time. */
export interface VideoTracker {
  /**
   * Adds or corrects an object or a concept on any frame, also between the steps of a propagation.
   * @returns all objects on that frame, and the id of the object for an object prompt
   * @throws PromptError when the pack does not support the prompt, or the session is at its limit of objects or concepts
   */
  prompt(frame: Frame, prompt: Prompt): Promise<PromptResult>;
  /**
   * Segments a frame from prompts alone. Neither reads nor changes the objects of the session.
   * @returns the candidate masks of each prompt of the batch
   * @throws PromptError when the pack does not support the prompt
   */
  predict(frame: Frame, prompt: PredictionPrompt): Promise<Candidate[][]>;
  /**
   * Starts to encode a frame before its step. The same frame must also be passed to {@link VideoTracker.step}.
   * @param objectIds as for `step`
   */
  prepare(frame: Frame, objectIds?: ReadonlySet<number> | null): void;
  /** Starts a pass. The next steps visit frames in this direction. */
  beginPropagation(reverse: boolean): void;
  /** See `findRecallNeed` of `recall.ts`. */
  recallNeed(
    pass: Pick<PassRequest, "firstFrame" | "reverse">,
    objectIds: ReadonlySet<number> | null,
  ): RecallNeed | undefined;
  /** See `recallMasks` of `recall.ts`. */
  recall(frame: Frame, masks: readonly RecalledMask[]): Promise<void>;
  /**
   * Runs one frame of a propagation.
   * @param objectIds track only these objects, without detection; null: track all objects and detect new ones
   */
  step(frame: Frame, objectIds?: ReadonlySet<number> | null): Promise<StepResult>;
  /**
   * Changes objects. Only `removeConcept` may be called between two steps of a pass.
   * @throws PromptError object_not_found, concept_not_found, invalid_field, object_limit
   */
  edit(edit: Edit): EditResult;
  /**
   * Makes masks of a frame conditioning memories, where an edit leaves an object without one.
   * @throws PromptError object_not_found
   */
  anchor(frame: Frame, masks: readonly AnchorMask[]): Promise<void>;
  /** @returns whether the object existed */
  removeObject(id: number): boolean;
  /** Deletes all objects, concepts and memories. */
  reset(): void;
  objectIds(): number[];
  objects(): ObjectFacts[];
  /**
   * Whether some of these objects are tracked on visited frames only; see `sam3Parity.clickNeedsVisitedFrame` of the policy.
   * Objects to which the user gave a mask are tracked on any frame.
   */
  needVisitedFrames(ids: readonly number[]): boolean;
  /** The prompt that an object follows on a frame; undefined for unknown ids. */
  promptOf(id: number, frameIndex: number): PromptOwner | undefined;
  /** The current probability of an object; undefined for unknown ids. */
  probability(id: number): number | undefined;
  /** The phrases of all concepts that are not negative; "visual" for concepts from exemplar boxes only. */
  concepts(): string[];
  /** The phrases of all negative concepts. */
  negativeConcepts(): string[];
  /** The state that determines the next frames; see `snapshot.ts`. */
  snapshot(): TrackerSnapshot;
  /** Replaces the state that determines the next frames. */
  restore(snapshot: TrackerSnapshot): void;
}

/** @param snapshot the state to continue from; absent: a new session */
export function createVideoTracker(options: VideoTrackerOptions, snapshot?: TrackerSnapshot): VideoTracker {
  const parts = createParts(options);
  if (snapshot) restoreTracker(parts, snapshot);
  const { policy, features, concepts, registry, history } = parts;
  const { step: fullStep, click } = ruleSets[policy.associate.rules];

  function stepFor(objectIds: ReadonlySet<number> | null): TrackerStep {
    const tracksOnly =
      objectIds !== null || (policy.transformersParity.clicksAreTrackedPlainly && concepts.all.length === 0);
    return tracksOnly ? trackingStep : fullStep;
  }

  const withStates = (
    frameIndex: number,
    result: StepResult,
    isTracked: (objectId: number) => boolean = () => false,
  ): StepResult => ({
    ...result,
    states: describeStates(parts, frameIndex, result, parts.scores, isTracked),
  });

  return {
    async prompt(frame, prompt) {
      if (prompt.kind === "concept") {
        const answer = await promptConcept(parts, frame, prompt);
        return { ...answer, result: withStates(frame.index, answer.result) };
      }
      preparePrompt(parts, frame.index, prompt.objectId);
      const answer = await click(parts, frame, prompt);
      const result = withStates(frame.index, answer.result);
      return { ...answer, result: prompt.leavesOutOthers ? onlyObject(result, answer.objectId) : result };
    },

    predict: (frame, prompt) => predict(parts, frame, prompt),

    beginPropagation(reverse) {
      parts.pass = startPass(reverse);
      restartSights(parts);
      features.forgetPrepared();
      if (policy.sam3Parity.resetHotstartPerPass) history.hotStart = resetCounters(history.hotStart);
    },

    recallNeed: (pass, objectIds) => findRecallNeed(parts, pass, objectIds),
    recall: (frame, masks) => recallMasks(parts, frame, masks),

    prepare(frame, objectIds = null) {
      features.prepare(frame, stepFor(objectIds).searches(parts));
    },

    step: async (frame, objectIds = null) =>
      withStates(
        frame.index,
        await stepFor(objectIds).run(parts, frame, objectIds),
        (id) => objectIds?.has(id) ?? true,
      ),

    edit: (edit) => applyEdit(parts, edit),
    anchor: (frame, masks) => anchor(parts, frame, masks),

    removeObject(id) {
      const masklet = registry.get(id);
      if (!masklet || masklet.excluded) return false;
      // The detector would detect it again at once, so a detected object stays as a hidden placeholder.
      if (masklet.conceptKey !== null && policy.life.removedKeepsPlace) {
        Object.assign(masklet, { excluded: true, owned: false, locks: new Map(), absent: [], cuts: [] });
        return true;
      }
      registry.delete(id);
      forgetDeleted(history, registry);
      return true;
    },

    reset() {
      registry.clear();
      concepts.clear();
      features.clear();
      parts.lastDetection = null;
      Object.assign(history, createHistory());
      parts.pass = startPass(false);
    },

    objectIds: () => objectIds(parts),
    objects: () => describeObjects(parts),
    needVisitedFrames(ids) {
      const hasMask = (id: number) =>
        [...(registry.get(id)?.prompts.values() ?? [])].some(({ mask, refinesMask }) => mask || refinesMask);
      return policy.sam3Parity.clickNeedsVisitedFrame && !ids.every(hasMask);
    },
    promptOf(id, frameIndex) {
      const masklet = registry.get(id);
      return masklet && ownerOf(masklet, frameIndex, conceptOf(parts, masklet));
    },
    probability: (id) => registry.get(id)?.prob,
    concepts: () => concepts.all.filter(({ negative }) => !negative).map(conceptName),
    negativeConcepts: () => concepts.all.filter(({ negative }) => negative).map(conceptName),
    snapshot: () => snapshotTracker(parts),
    restore: (earlier) => restoreTracker(parts, earlier),
  };
}

function onlyObject({ objects, states = [], ...rest }: StepResult, id: number): StepResult {
  const isIt = ({ objectId }: { objectId: number }) => objectId === id;
  return { ...rest, objects: objects.filter(isIt), states: states.filter(isIt) };
}
