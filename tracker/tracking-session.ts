/**
 * One session in the inference process: a tracker, and what is known of every frame it has visited. Decides what a
 * propagation does, holds frames back for the hot start, and shows again what was shown before.
 */
import type { RunGraph } from "../detector/graph.js";
import { type EmissionBuffer, emit, emptyBuffer } from "./emission.js";
import type { FrameOutput, PassRequest, PassStart } from "./frame-output.js";
import { assembleFrame, type RenderedObject, renderObjects, type VideoSize } from "./masks/render.js";
import type { Frame } from "./model.js";
import { createOutputCache } from "./output-cache.js";
import type { TrackerPolicy } from "./policy.js";
import { PromptError } from "./prompts.js";
import { type Action, choosePropagation, type ModePlan } from "./propagation-mode.js";
import type { Prompt, PromptResult, StepResult, VideoTracker } from "./video-tracker.js";

export interface TrackingSessionParts {
  tracker: VideoTracker;
  policy: TrackerPolicy;
  /** Runs `render`. */
  run: RunGraph;
  /** Side of the mask logits. */
  m: number;
  video: VideoSize;
  /** Absent while the length is not known. */
  numFrames?: number | undefined;
}

export interface TrackingSession {
  readonly video: VideoSize;
  prompt(
    frame: Frame,
    prompt: Prompt,
  ): Promise<{ output: FrameOutput } & Pick<PromptResult, "objectId" | "semanticLogits">>;
  predict: VideoTracker["predict"];
  beginPropagation(pass: PassRequest): Promise<PassStart>;
  /** A frame that will be stepped to soon: what can be done ahead of its turn is begun. */
  prepare(frame: Frame): void;
  /** @returns the frames that may be shown now, in the order of travel: none, one, or at the end many */
  step(frame: Frame): Promise<FrameOutput[]>;
  /** What is known of a frame; nothing is asked of the model. */
  fetch(frameIndex: number): FrameOutput;
  /** @returns false when there is no such object */
  removeObject(objectId: number): boolean;
  reset(): void;
  describe(): { concepts: string[]; objectIds: number[] };
  /** What a propagation was made of so far, oldest first. */
  readonly history: readonly Action[];
}

const FULL: ModePlan = { mode: "full", objectIds: [] };

export function createTrackingSession(parts: TrackingSessionParts): TrackingSession {
  const { tracker, policy, run, m, video } = parts;
  const { propagationModes, cachedFrames } = policy.session;
  const cache = createOutputCache(cachedFrames || Number.POSITIVE_INFINITY);
  let history: Action[] = [];
  let buffer: EmissionBuffer<StepResult> = emptyBuffer();
  let plan = FULL;
  let pass: PassRequest = { reverse: false, firstFrame: 0, lastFrame: 0, startFrame: null };

  const note = (kind: Action["kind"], frameIndex: number | null, objectIds: readonly number[]) => {
    if (propagationModes) history = [...history, { kind, frameIndex, objectIds }];
  };

  function assemble(frameIndex: number, rendered: readonly RenderedObject[], stats: FrameOutput["stats"]) {
    const apart = policy.session.clicksAreTrackedPlainly && tracker.concepts().length === 0;
    const rules = apart ? { ...policy.mask, objectWiseNonOverlap: false } : policy.mask;
    return assembleFrame(rendered, video, frameIndex, stats, rules);
  }

  /** Shows a frame as a step left it, and keeps it for later. */
  async function show(frameIndex: number, result: StepResult, hidden: ReadonlySet<number>) {
    const shown = result.objects.filter(({ objectId }) => !hidden.has(objectId));
    const rendered = await renderObjects(run, m, video, shown);
    if (propagationModes) cache.set(frameIndex, rendered);
    return assemble(frameIndex, rendered, result.stats);
  }

  /** Shows a frame on which only some objects are new. */
  async function showPartly(frameIndex: number, result: StepResult) {
    const known = cache.get(frameIndex);
    if (!known && policy.session.clickNeedsVisitedFrame) {
      throw new PromptError(
        "nothing_prompted",
        `Corrected objects are only tracked over frames that were visited, and frame ${frameIndex} was not.`,
      );
    }
    const fresh = await renderObjects(run, m, video, result.objects);
    const redone = new Set(plan.objectIds);
    const others = (known ?? []).filter(({ objectId }) => !redone.has(objectId));
    const rendered = [...others, ...fresh].sort((a, b) => a.objectId - b.objectId);
    cache.set(frameIndex, rendered);
    return assemble(frameIndex, rendered, result.stats);
  }

  /** Which objects a step is about; null for all, and for new ones. */
  const tracked = () => (plan.mode === "partial" ? new Set(plan.objectIds) : null);

  /** A propagation that nobody followed to its end: what it made of the frames still waiting is kept as it is. */
  async function keepWaiting() {
    for (const { frameIndex, frame } of buffer.waiting) await show(frameIndex, frame, new Set());
    buffer = emptyBuffer();
  }

  function isKnown({ firstFrame, lastFrame }: PassRequest): boolean {
    const [low, high] = [Math.min(firstFrame, lastFrame), Math.max(firstFrame, lastFrame)];
    for (let index = low; index <= high; index++) if (!cache.has(index)) return false;
    return true;
  }

  return {
    video,
    predict: tracker.predict,
    get history() {
      return history;
    },

    async prompt(frame, prompt) {
      const wasKnown = prompt.kind === "object" && tracker.objectIds().includes(prompt.objectId ?? -1);
      if (prompt.kind === "object" && prompt.objectId !== undefined && policy.session.clickNeedsVisitedFrame)
        note(wasKnown ? "refine" : "add", frame.index, [prompt.objectId]);
      const { result, objectId, semanticLogits } = await tracker.prompt(frame, prompt);
      const output = await show(frame.index, result, new Set());
      if (objectId === undefined) {
        history = [];
        // Also a propagation under way looks for it from now on.
        plan = FULL;
        return { output, ...(semanticLogits && { semanticLogits }) };
      }
      if (!policy.session.clickNeedsVisitedFrame || prompt.kind !== "object" || prompt.objectId === undefined)
        note(wasKnown ? "refine" : "add", frame.index, [objectId]);
      // A propagation under way goes on with the object.
      if (plan.mode === "partial") plan = { ...plan, objectIds: [...plan.objectIds, objectId] };
      return { output, objectId };
    },

    async beginPropagation(request) {
      await keepWaiting();
      pass = request;
      if (propagationModes) {
        const hasConcepts = tracker.concepts().length > 0;
        const numFrames = parts.numFrames ?? Number.POSITIVE_INFINITY;
        const facts = { history, numFrames, hasConcepts, isKnown: isKnown(request) };
        plan = choosePropagation(facts, policy.session);
        note(plan.mode, request.startFrame, plan.objectIds);
      }
      tracker.beginPropagation(request.reverse);
      return { mode: plan.mode };
    },

    prepare: (frame) => tracker.prepare(frame, tracked()),

    async step(frame) {
      if (plan.mode === "partial") {
        const result = await tracker.step(frame, tracked());
        return [await showPartly(frame.index, result)];
      }
      const result = await tracker.step(frame);
      const hiding = result.hiding ?? { removed: [], suppressed: [], unconfirmed: [] };
      const emission = emit(
        buffer,
        { frameIndex: frame.index, frame: result, hiding },
        {
          delay: policy.life.hotstartDelay,
          reverse: pass.reverse,
          lastFrame: pass.lastFrame,
        },
      );
      buffer = emission.buffer;
      const outputs: FrameOutput[] = [];
      for (const { frameIndex, frame: shown, hidden } of emission.emitted)
        outputs.push(await show(frameIndex, shown, hidden));
      return outputs;
    },

    fetch(frameIndex) {
      const known = (cache.get(frameIndex) ?? []).map((object) => ({
        ...object,
        prob: tracker.probability(object.objectId) ?? object.prob,
      }));
      return assemble(frameIndex, known, { tracked: tracker.objectIds().length, dropped: 0 });
    },

    removeObject(objectId) {
      if (!tracker.removeObject(objectId)) return false;
      cache.removeObject(objectId);
      note("remove", null, [objectId]);
      return true;
    },

    reset() {
      tracker.reset();
      cache.clear();
      history = [];
      buffer = emptyBuffer();
      plan = FULL;
    },

    describe: () => ({ concepts: tracker.concepts(), objectIds: tracker.objectIds() }),
  };
}
