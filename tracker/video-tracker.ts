/**
 * Detect and track: the state of one video session and what happens on each of its frames.
 *
 * The order on a frame is SAM 3's: encode once; follow every object from memory; detect; decide which detection is which
 * object; settle who owns which pixels; correct; remember the edited masks; make new objects of what is left.
 */
import { promptConcept } from "./concept-prompt.js";
import type { Frame } from "./model.js";
import { clickGuided } from "./motion/click.js";
import { createParts, type VideoTrackerOptions } from "./parts.js";
import { startPass } from "./pass.js";
import { type Candidate, type PredictionPrompt, predict } from "./predict.js";
import type { Prompt } from "./prompts.js";
import type { StepResult } from "./report.js";
import { ruleSets, trackingStep } from "./rule-sets.js";
import { clickSam3 } from "./sam3/click.js";
import { createHistory, forgetDeleted } from "./sam3/history.js";
import { resetCounters } from "./sam3/hot-start.js";
import { restoreTracker, snapshotTracker, type TrackerSnapshot } from "./snapshot.js";
import type { TrackerStep } from "./step.js";

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
  /** Everything that decides the next frames; see `tracker/snapshot.ts`. Not while another call runs. */
  snapshot(): TrackerSnapshot;
  /** Replaces everything that decides the next frames. Not while another call runs. */
  restore(snapshot: TrackerSnapshot): void;
}

/** @param snapshot where the tracker continues; it starts anew when absent */
export function createVideoTracker(options: VideoTrackerOptions, snapshot?: TrackerSnapshot): VideoTracker {
  const parts = createParts(options);
  if (snapshot) restoreTracker(parts, snapshot);
  const { policy, features, concepts, registry, history } = parts;
  const { step: fullStep } = ruleSets[policy.associate.identity];

  function stepFor(objectIds: ReadonlySet<number> | null): TrackerStep {
    const tracksOnly =
      objectIds !== null || (policy.transformersParity.clicksAreTrackedPlainly && concepts.all.length === 0);
    return tracksOnly ? trackingStep : fullStep;
  }

  return {
    async prompt(frame, prompt) {
      if (prompt.kind === "concept") return promptConcept(parts, frame, prompt);
      const click = policy.edit.decoder === "plain" ? clickSam3 : clickGuided;
      return click(parts, frame, prompt);
    },

    predict: (frame, prompt) => predict(parts, frame, prompt),

    beginPropagation(reverse) {
      parts.pass = startPass(reverse);
      features.forgetPrepared();
      if (policy.sam3Parity.resetHotstartPerPass) history.hotStart = resetCounters(history.hotStart);
    },

    prepare(frame, objectIds = null) {
      features.prepare(frame, stepFor(objectIds).searches(parts));
    },

    step: async (frame, objectIds = null) => stepFor(objectIds).run(parts, frame, objectIds),

    removeObject(id) {
      const masklet = registry.get(id);
      if (!masklet || masklet.excluded) return false;
      // The detector would find it again at once, so a detected object stays as a placeholder.
      if (masklet.conceptKey !== null && policy.life.removedKeepsPlace) {
        Object.assign(masklet, { excluded: true, owned: false });
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

    objectIds: () => registry.all().flatMap(({ id, excluded }) => (excluded ? [] : [id])),
    probability: (id) => registry.get(id)?.prob,
    concepts: () => concepts.all.map(({ phrase }) => phrase ?? "visual"),
    snapshot: () => snapshotTracker(parts),
    restore: (earlier) => restoreTracker(parts, earlier),
  };
}
