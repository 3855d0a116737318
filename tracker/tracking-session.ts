/**
 * One session in the inference process: a tracker, and the masks of the frames it has visited. It decides what a
 * propagation computes, delays frames for the hot start, and shows visited frames again.
 *
 * A request that fails leaves the session as it was. The session's own state changes only after everything that can fail,
 * and the tracker is restored from a snapshot.
 */
import type { RunGraph } from "../detector/graph.js";
import { type EmissionBuffer, emit, emptyBuffer } from "./emission.js";
import type { FrameOutput, PassRequest, PassStart } from "./frame-output.js";
import { assembleFrame, type RenderedObject, renderObjects, type VideoSize } from "./masks/render.js";
import type { Frame } from "./model.js";
import { createOutputCache } from "./output-cache.js";
import type { TrackerPolicy } from "./policy.js";
import { PromptError } from "./prompts.js";
import { type Action, addAction, choosePropagation, type ModePlan } from "./propagation-mode.js";
import type { SessionSnapshot } from "./snapshot.js";
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
  /** Starts to encode a frame that will be stepped to soon. */
  prepare(frame: Frame): void;
  /**
   * After a failure the session is as before, so the same step can be tried again.
   * @returns the frames that may be shown now, in the order of travel: none, one, or at the end many
   */
  step(frame: Frame): Promise<FrameOutput[]>;
  /** Shows a visited frame without running the model; a frame that was not visited has no objects. */
  fetch(frameIndex: number): FrameOutput;
  /** @returns false when there is no such object */
  removeObject(objectId: number): boolean;
  reset(): void;
  describe(): { concepts: string[]; objectIds: number[] };
  /** What decides the mode of the next propagation, oldest first. */
  readonly history: readonly Action[];
  /** Everything that decides the next frames; see `tracker/snapshot.ts`. Not while another call runs. */
  snapshot(): SessionSnapshot;
}

const FULL: ModePlan = { mode: "full", objectIds: [] };
const NO_PASS: PassRequest = { reverse: false, firstFrame: 0, lastFrame: 0, startFrame: null };

/** A frame at the size of the video. */
interface Drawn {
  frameIndex: number;
  rendered: readonly RenderedObject[];
  stats: FrameOutput["stats"];
}

/** @param snapshot where the session continues, its tracker included; it starts anew when absent */
export function createTrackingSession(
  parts: TrackingSessionParts,
  snapshot?: SessionSnapshot,
): TrackingSession {
  const { tracker, policy, run, m, video } = parts;
  const { propagationModes, cachedFrames } = policy.session;
  const cache = createOutputCache(cachedFrames || Number.POSITIVE_INFINITY);
  let history: readonly Action[] = snapshot?.actions ?? [];
  let buffer: EmissionBuffer<StepResult> = snapshot?.buffer ?? emptyBuffer();
  let plan = snapshot?.plan ?? FULL;
  let pass = snapshot?.pass ?? NO_PASS;
  if (snapshot) {
    tracker.restore(snapshot.tracker);
    cache.restore(snapshot.outputs);
  }

  const note = (kind: Action["kind"], frameIndex: number | null, objectIds: readonly number[]) => {
    if (propagationModes) history = addAction(history, { kind, frameIndex, objectIds });
  };

  function assemble({ frameIndex, rendered, stats }: Drawn) {
    const apart = policy.transformersParity.clicksAreTrackedPlainly && tracker.concepts().length === 0;
    const objectWiseNonOverlap = policy.mask.objectWiseNonOverlap && !apart;
    const rules = { ...policy.sam3Parity, objectWiseNonOverlap };
    return assembleFrame(rendered, video, frameIndex, stats, rules);
  }

  /** Renders the objects of a step, without those hidden. */
  async function draw(
    frameIndex: number,
    { objects, stats }: StepResult,
    hidden: ReadonlySet<number> = new Set(),
  ): Promise<Drawn> {
    const shown = objects.filter(({ objectId }) => !hidden.has(objectId));
    return { frameIndex, rendered: await renderObjects(run, m, video, shown), stats };
  }

  /** Keeps a frame for later propagations, and returns what is shown of it. */
  function show(drawn: Drawn): FrameOutput {
    if (propagationModes) cache.set(drawn.frameIndex, drawn.rendered);
    return assemble(drawn);
  }

  /** A step of a partial propagation: the tracked objects are new on the frame, the others stay as they were. */
  async function stepPartly(frame: Frame): Promise<FrameOutput> {
    const known = cache.get(frame.index);
    if (!known && policy.sam3Parity.clickNeedsVisitedFrame) {
      throw new PromptError(
        "nothing_prompted",
        `Corrected objects are only tracked over frames that were visited, and frame ${frame.index} was not.`,
      );
    }
    const redone = new Set(plan.objectIds);
    const { rendered, stats } = await draw(frame.index, await tracker.step(frame, tracked()));
    const others = (known ?? []).filter(({ objectId }) => !redone.has(objectId));
    const all = [...others, ...rendered].sort((a, b) => a.objectId - b.objectId);
    return show({ frameIndex: frame.index, rendered: all, stats });
  }

  async function stepFully(frame: Frame): Promise<FrameOutput[]> {
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
    const drawn: Drawn[] = [];
    for (const { frameIndex, frame: shown, hidden } of emission.emitted)
      drawn.push(await draw(frameIndex, shown, hidden));
    buffer = emission.buffer;
    return drawn.map(show);
  }

  /** Ids of the objects that a step tracks; null for all, and for new ones. */
  const tracked = () => (plan.mode === "partial" ? new Set(plan.objectIds) : null);

  /** Runs a request, and restores the tracker when it fails. */
  async function orRestore<T>(request: () => Promise<T>): Promise<T> {
    const before = tracker.snapshot();
    try {
      return await request();
    } catch (error) {
      tracker.restore(before);
      throw error;
    }
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

    prompt: (frame, prompt) =>
      orRestore(async () => {
        const wasKnown = prompt.kind === "object" && tracker.objectIds().includes(prompt.objectId ?? -1);
        const { result, objectId, semanticLogits } = await tracker.prompt(frame, prompt);
        const output = show(await draw(frame.index, result));
        if (objectId === undefined) {
          history = [];
          // A running propagation searches for the concept from now on.
          plan = FULL;
          return { output, ...(semanticLogits && { semanticLogits }) };
        }
        note(wasKnown ? "refine" : "add", frame.index, [objectId]);
        // A running partial propagation tracks the object as well.
        if (plan.mode === "partial")
          plan = { ...plan, objectIds: [...new Set([...plan.objectIds, objectId])] };
        return { output, objectId };
      }),

    async beginPropagation(request) {
      // An earlier pass that did not reach its end: its waiting frames are kept as they are.
      const waiting: Drawn[] = [];
      if (propagationModes)
        for (const { frameIndex, frame } of buffer.waiting) waiting.push(await draw(frameIndex, frame));
      for (const { frameIndex, rendered } of waiting) cache.set(frameIndex, rendered);
      buffer = emptyBuffer();
      pass = request;
      if (propagationModes) {
        const hasConcepts = tracker.concepts().length > 0;
        const numFrames = parts.numFrames ?? Number.POSITIVE_INFINITY;
        const facts = { history, numFrames, hasConcepts, isKnown: isKnown(request) };
        plan = choosePropagation(facts, policy.sam3Parity);
        note(plan.mode, request.startFrame, plan.objectIds);
      }
      tracker.beginPropagation(request.reverse);
      return { mode: plan.mode };
    },

    prepare: (frame) => tracker.prepare(frame, tracked()),

    step: (frame) =>
      orRestore(async () => (plan.mode === "partial" ? [await stepPartly(frame)] : stepFully(frame))),

    fetch(frameIndex) {
      const rendered = (cache.get(frameIndex) ?? []).map((object) => ({
        ...object,
        prob: tracker.probability(object.objectId) ?? object.prob,
      }));
      return assemble({ frameIndex, rendered, stats: { tracked: tracker.objectIds().length, dropped: 0 } });
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
      pass = NO_PASS;
    },

    describe: () => ({ concepts: tracker.concepts(), objectIds: tracker.objectIds() }),

    snapshot: () => ({
      tracker: tracker.snapshot(),
      outputs: cache.snapshot(),
      actions: history,
      plan,
      pass,
      buffer,
    }),
  };
}
