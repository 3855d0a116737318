/**
 * Detect and track: the state of one video session and what happens on each of its frames.
 *
 * The order on a frame is SAM 3's: encode once; follow every object from memory; detect; decide which detection is which
 * object; settle who owns which pixels; correct; remember the edited masks; make new objects of what is left.
 */
import { maskExtent } from "../detector/mask-bits.js";
import { promptConcept } from "./concept-prompt.js";
import { detectionQueries, detectOnce, isConclusive, runsDetection } from "./detection-search.js";
import { startPass, updateLifecycle } from "./masklet.js";
import type { Frame } from "./model.js";
import { clickGuided } from "./motion/click.js";
import type { Crossing } from "./motion/crossings.js";
import { createObjects, matchDetections } from "./motion/matching.js";
import { framesUnseen, startMotion } from "./motion/motion-model.js";
import { recondition } from "./motion/recondition.js";
import { redraw } from "./motion/redraw.js";
import { rememberFrame } from "./motion/remember.js";
import { resolveOverlaps, separateLookAlikes, updateMotion } from "./motion/separation.js";
import { isVisible } from "./observation.js";
import { createParts, type VideoTrackerOptions } from "./parts.js";
import { type Candidate, type PredictionPrompt, predict } from "./predict.js";
import type { Prompt } from "./prompts.js";
import { report, type StepResult } from "./report.js";
import { clickSam3 } from "./sam3/click.js";
import { clearHistory } from "./sam3/history.js";
import { resetCounters } from "./sam3/hot-start.js";
import { stepSam3 } from "./sam3/step.js";
import { stepTrackingOnly } from "./sam3/tracking-step.js";
import { trackObjects } from "./track-objects.js";

export type { Frame } from "./model.js";
export type { VideoTrackerOptions } from "./parts.js";
export type { Candidate, PredictionPrompt } from "./predict.js";
export { type Prompt, PromptError } from "./prompts.js";
export type { PixelClaim, StepResult, TrackedObject } from "./report.js";

export interface PromptResult {
  result: StepResult;
  /** The prompted object. */
  objectId?: number;
  /** float32 [m, m]: where the concept is, when that was asked for. */
  semanticLogits?: Float32Array;
}

/** Calls must not overlap, but for `prepare`: await one before the next. */
export interface VideoTracker {
  /**
   * Adds or corrects something on a frame, which may be any frame, also while a propagation is running.
   * @returns everything known on that frame, and the object's id for an object prompt
   * @throws PromptError when the pack cannot do it or the session is full
   */
  prompt(frame: Frame, prompt: Prompt): Promise<PromptResult>;
  /**
   * What prompts on one picture mean, apart from everything the session knows: nothing is remembered of it.
   * @returns for each prompt of the batch its candidate masks
   * @throws PromptError when the pack cannot do it
   */
  predict(frame: Frame, prompt: PredictionPrompt): Promise<Candidate[][]>;
  /**
   * Starts on what can be done about a frame before those in front of it are: its features. May be called at any time; the
   * frame has to be given to {@link VideoTracker.step} all the same.
   * @param objectIds as for `step`
   */
  prepare(frame: Frame, objectIds?: ReadonlySet<number> | null): void;
  /** The next steps visit frames in this direction; what is known of movement starts again. */
  beginPropagation(reverse: boolean): void;
  /**
   * One frame of a propagation.
   * @param objectIds track only these, without detecting anything; null: everything there is to do on a frame
   */
  step(frame: Frame, objectIds?: ReadonlySet<number> | null): Promise<StepResult>;
  /** @returns false when there is no such object */
  removeObject(id: number): boolean;
  /** Forgets everything that was said and seen. */
  reset(): void;
  objectIds(): number[];
  /** What an object's probability is now; undefined when there is no such object. */
  probability(id: number): number | undefined;
  /** Phrases; "visual" for a concept that was only shown. */
  concepts(): string[];
}

export function createVideoTracker(options: VideoTrackerOptions): VideoTracker {
  const parts = createParts(options);
  const { geometry, policy, model, features, concepts, registry, history } = parts;
  let reverse = false;
  let passStarts = true;
  let crossings: Crossing[] = [];

  const isPlain = (objectIds: ReadonlySet<number> | null) =>
    objectIds !== null || (policy.session.clicksAreTrackedPlainly && concepts.all.length === 0);

  /** What is known of movement starts again at each object's nearest memory. */
  function enterPass(frameIndex: number): void {
    passStarts = false;
    crossings = [];
    for (const masklet of registry.all()) {
      const nearest = masklet.bank.nearest(frameIndex);
      const extent = nearest && maskExtent(nearest.maskLogits, geometry.m);
      const motion = extent ? startMotion(extent, nearest.frameIndex) : null;
      startPass(masklet, motion, motion !== null && framesUnseen(motion, frameIndex) <= 1, policy.life);
    }
  }

  return {
    async prompt(frame, prompt) {
      if (prompt.kind === "object") {
        const answer = policy.edit.decoder === "plain" ? clickSam3 : clickGuided;
        return answer(parts, frame, prompt);
      }
      return promptConcept(parts, frame, prompt);
    },

    predict: (frame, prompt) => predict(parts, frame, prompt),

    beginPropagation(backwards) {
      reverse = backwards;
      passStarts = true;
      features.forgetPrepared();
      if (policy.life.resetHotstartPerPass) history.hotStart = resetCounters(history.hotStart);
    },

    prepare(frame, objectIds = null) {
      features.prepare(frame, !isPlain(objectIds) && runsDetection(parts));
    },

    async step(frame, objectIds = null) {
      if (isPlain(objectIds)) return stepTrackingOnly(parts, frame, reverse, objectIds);
      if (policy.associate.identity === "overlap") return stepSam3(parts, frame, reverse);
      if (passStarts) enterPass(frame.index);
      const searching = runsDetection(parts);
      const levels = await features.get(frame, searching);
      const observations = await trackObjects(parts, levels, frame.index, reverse);
      const queries = searching ? detectionQueries(parts, frame.index, observations) : [];
      const detections = await detectOnce(parts, levels, queries);

      const leftover = matchDetections(parts, frame.index, observations, detections);
      const { born, dropped } = createObjects(parts, frame.index, leftover, observations, false);
      await redraw(parts, levels, [...observations.filter(({ replaced }) => replaced), ...born]);
      const allObservations = [...observations, ...born];
      resolveOverlaps(parts, allObservations);
      crossings = separateLookAlikes(parts, crossings, frame.index, observations, queries.length > 0);
      await redraw(parts, levels, recondition(parts, frame.index, observations));
      await rememberFrame(model, levels, frame.index, allObservations, policy);

      updateMotion(parts, frame.index, observations);
      const conclusive = queries.filter((query) => isConclusive(query, frame.index));
      const searched = new Set<number | null>(conclusive.map(({ concept }) => concept.key));
      for (const observation of observations) {
        const { masklet } = observation;
        const witness = {
          frameIndex: frame.index,
          visible: isVisible(observation),
          searched: searched.has(masklet.conceptKey),
          detected: observation.detection !== null,
          sure: (observation.detection?.score ?? 0) >= policy.detect.newDetThresh,
        };
        if (!updateLifecycle(masklet, witness, policy.life)) registry.delete(masklet.id);
      }
      registry.trim();
      return report(parts, allObservations, dropped);
    },

    removeObject(id) {
      const masklet = registry.get(id);
      if (!masklet || masklet.excluded) return false;
      // The detector would find it again at once, so the place of something it found stays taken.
      if (masklet.conceptKey === null || !policy.life.removedKeepsPlace) registry.delete(id);
      else Object.assign(masklet, { excluded: true, owned: false });
      return true;
    },

    reset() {
      registry.clear();
      concepts.clear();
      features.clear();
      parts.lastDetection = null;
      clearHistory(parts.history);
      reverse = false;
      passStarts = true;
    },

    objectIds: () => registry.all().flatMap(({ id, excluded }) => (excluded ? [] : [id])),
    probability: (id) => registry.get(id)?.prob,
    concepts: () => concepts.all.map(({ phrase }) => phrase ?? "visual"),
  };
}
