/**
 * Detect and track: the state of one video session and what happens on each of its frames.
 *
 * The order on a frame is SAM 3's: encode once; follow every object from memory; detect; decide which detection is which
 * object; settle who owns which pixels; correct; remember the edited masks; make new objects of what is left.
 */
import { maskExtent } from "../detector/mask-bits.js";
import { promptConcept } from "./concept-prompt.js";
import { follow } from "./follow.js";
import { clearHistory } from "./history.js";
import type { Knot } from "./knots.js";
import { isConclusive, isSearched, lookOnce, queriesFor } from "./look.js";
import { liveOn, startPass } from "./masklet.js";
import { giveBirth, matchDetections } from "./matching.js";
import type { Frame } from "./model.js";
import { framesUnseen, startMotion } from "./motion.js";
import { promptObject } from "./object-prompt.js";
import { redraw } from "./outline.js";
import { stepByOverlap } from "./overlap-step.js";
import { createParts, type VideoTrackerOptions } from "./parts.js";
import { promptPlainly } from "./plain-prompt.js";
import { stepPlainly } from "./plain-step.js";
import { type Candidate, type PredictionPrompt, predict } from "./predict.js";
import { forgive } from "./probation.js";
import type { Prompt } from "./prompts.js";
import { recondition } from "./recondition.js";
import { report, type StepResult } from "./report.js";
import { learnMotion, separateLookAlikes, settleOverlaps } from "./separation.js";
import { settle } from "./settle.js";
import { isVisible } from "./sight.js";

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
  let knots: Knot[] = [];

  const isPlain = (objectIds: ReadonlySet<number> | null) =>
    objectIds !== null || (policy.session.clicksAreTrackedPlainly && concepts.all.length === 0);

  /** What is known of movement starts again at each object's nearest memory. */
  function enterPass(frameIndex: number): void {
    passStarts = false;
    knots = [];
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
        const answer = policy.edit.decoder === "plain" ? promptPlainly : promptObject;
        return answer(parts, frame, prompt);
      }
      return promptConcept(parts, frame, prompt);
    },

    predict: (frame, prompt) => predict(parts, frame, prompt),

    beginPropagation(backwards) {
      reverse = backwards;
      passStarts = true;
      features.forgetPrepared();
      if (policy.life.resetHotstartPerPass) history.probation = forgive(history.probation);
    },

    prepare(frame, objectIds = null) {
      features.prepare(frame, !isPlain(objectIds) && isSearched(parts, frame.index));
    },

    async step(frame, objectIds = null) {
      if (isPlain(objectIds)) return stepPlainly(parts, frame, reverse, objectIds);
      if (policy.associate.identity === "overlap") return stepByOverlap(parts, frame, reverse);
      if (passStarts) enterPass(frame.index);
      const searching = isSearched(parts, frame.index);
      const levels = await features.get(frame, searching);
      const sights = await follow(parts, levels, frame.index, reverse);
      const queries = searching ? queriesFor(parts, frame.index, sights) : [];
      const detections = await lookOnce(parts, levels, queries);

      const leftover = matchDetections(parts, frame.index, sights, detections);
      const { born, dropped } = giveBirth(parts, frame.index, leftover, sights, false);
      await redraw(parts, levels, [...sights.filter(({ replaced }) => replaced), ...born]);
      const everybody = [...sights, ...born];
      settleOverlaps(parts, everybody);
      knots = separateLookAlikes(parts, knots, frame.index, sights, queries.length > 0);
      await redraw(parts, levels, recondition(parts, frame.index, sights));
      await settle(model, levels, frame.index, everybody, policy);

      learnMotion(parts, frame.index, sights);
      const conclusive = queries.filter((query) => isConclusive(query, frame.index));
      const searched = new Set<number | null>(conclusive.map(({ concept }) => concept.key));
      for (const sight of sights) {
        const { masklet } = sight;
        const witness = {
          frameIndex: frame.index,
          visible: isVisible(sight),
          searched: searched.has(masklet.conceptKey),
          detected: sight.detection !== null,
          sure: (sight.detection?.score ?? 0) >= policy.detect.newDetThresh,
        };
        if (!liveOn(masklet, witness, policy.life)) registry.delete(masklet.id);
      }
      registry.trim();
      return report(parts, everybody, dropped);
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
      parts.lastLook = null;
      clearHistory(parts.history);
      reverse = false;
      passStarts = true;
    },

    objectIds: () => registry.all().flatMap(({ id, excluded }) => (excluded ? [] : [id])),
    probability: (id) => registry.get(id)?.prob,
    concepts: () => concepts.all.map(({ phrase }) => phrase ?? "visual"),
  };
}
