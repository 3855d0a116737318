/**
 * One session in the inference process: a tracker, and the stored masks of visited frames. It chooses the mode of each
 * propagation, delays frames for the hot start, and returns stored masks for `fetch`.
 *
 * A request that fails does not change the session. The session changes its own state only after all steps that can fail,
 * and it restores the tracker from a snapshot.
 */
import type { RunGraph } from "../detector/graph.js";
import type { Edit, EditResult } from "./edits/edit.js";
import type { ObjectFacts } from "./edits/objects.js";
import { rewriteObjects, rewrittenStretch } from "./edits/rewrite.js";
import { type EmissionBuffer, emit, emptyBuffer } from "./emission.js";
import type { FrameOutput, PassRequest, PassStart } from "./frame-output.js";
import { judge, storedUnseen, withoutMask, withStates } from "./frame-states.js";
import {
  assembleFrame,
  type RenderedMap,
  type RenderedObject,
  renderMaps,
  renderObjects,
  uniteRendered,
  type VideoSize,
} from "./masks/render.js";
import type { Frame } from "./model.js";
import type { ObjectState } from "./object-states.js";
import { createOutputCache } from "./output-cache.js";
import type { TrackerPolicy } from "./policy.js";
import { type Prompt, PromptError } from "./prompts.js";
import { type Action, addAction, choosePropagation, type ModePlan } from "./propagation-mode.js";
import type { StepResult } from "./report.js";
import type { SessionSnapshot } from "./snapshot.js";
import { createTimeline } from "./timeline.js";
import type { VideoTracker } from "./video-tracker.js";

export interface TrackingSessionParts {
  tracker: VideoTracker;
  policy: TrackerPolicy;
  /** Runs `render`. */
  run: RunGraph;
  /** Side of the mask logits. */
  m: number;
  video: VideoSize;
  /** Number of frames in the video; absent: not known. */
  numFrames?: number | undefined;
}

export interface TrackingSession {
  readonly video: VideoSize;
  /**
   * Adds or corrects an object or a concept.
   * @returns the frame with all objects; `objectId` for object prompts; `semantic`, where the concept is, if requested
   * @throws PromptError when the pack or the session rejects the prompt
   */
  prompt(
    frame: Frame,
    prompt: Prompt,
  ): Promise<{
    output: FrameOutput;
    objectId?: number;
    removedIds?: readonly number[];
    semantic?: RenderedMap;
  }>;
  predict: VideoTracker["predict"];
  /** Starts a pass and chooses its mode. An unfinished pass ends; its waiting frames are stored. */
  beginPropagation(pass: PassRequest): Promise<PassStart>;
  /**
   * Adds masks of an earlier pass to the memories of their objects, see `recall.ts`. Called for each frame in the order of
   * travel, between `beginPropagation` and the first step.
   */
  recall: VideoTracker["recall"];
  /** Starts to encode a frame before its step; see `MAX_PREPARED_FRAMES` of `feature-cache.ts`. */
  prepare(frame: Frame): void;
  /**
   * Runs one frame of a pass. A step that fails does not change the session, so it can be repeated.
   * @returns the frames that leave the output buffer, in the order of travel: none, one, or all at the end of the pass
   * @throws PromptError `nothing_prompted` when corrected objects cannot be tracked over an unvisited frame
   */
  step(frame: Frame): Promise<FrameOutput[]>;
  /** Returns the stored masks of a visited frame without running the model. An unvisited frame has no objects. */
  fetch(frameIndex: number): FrameOutput;
  /**
   * Changes objects, and rewrites the stored masks accordingly. Ends an unfinished pass, whose waiting frames are stored
   * first; only `removeConcept` applies during a pass.
   * @throws PromptError object_not_found, concept_not_found, invalid_field, object_limit
   */
  edit(edit: Edit): Promise<EditResult>;
  /** See {@link VideoTracker.anchor}. */
  anchor: VideoTracker["anchor"];
  /** @returns false when there is no such object */
  removeObject(objectId: number): boolean;
  /** Marks the state that `rollback` restores: that before the next prompt, edit or removal which succeeds. */
  checkpoint(): void;
  /**
   * Restores the state before the last edit, or the state after the edit that was undone last. Ends an unfinished pass. Memories
   * of tracked frames and stored masks are dropped, and from now on every propagation tracks all objects.
   * @throws RangeError when there is no such state
   */
  rollback(to: "before" | "after"): void;
  /** Deletes all objects, concepts, memories and stored masks. */
  reset(): void;
  describe(): {
    concepts: string[];
    negativeConcepts: string[];
    objectIds: number[];
    objects: ObjectFacts[];
  };
  /** The actions that determine the mode of the next propagation, oldest first. */
  readonly history: readonly Action[];
  /** The state that determines the next frames; see `tracker/snapshot.ts`. Must not be called while another call runs. */
  snapshot(): SessionSnapshot;
}

const FULL: ModePlan = { mode: "full", objectIds: [] };
const NO_PASS: PassRequest = { reverse: false, firstFrame: 0, lastFrame: 0, startFrame: null };

/** The objects of one frame, rendered at the size of the video. */
interface RenderedFrame {
  frameIndex: number;
  rendered: readonly RenderedObject[];
  /** The states of the objects without a mask. */
  unseen: readonly ObjectState[];
  stats: FrameOutput["stats"];
}

/** @param snapshot the state to continue from, including that of the tracker; absent: a new session */
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
  const timeline = createTimeline(snapshot?.timeline);
  /** The stored masks may not be those of the present objects. */
  let tracksAll = snapshot?.tracksAll ?? false;
  if (snapshot) {
    tracker.restore(snapshot.tracker);
    cache.restore(snapshot.outputs);
  }

  const recordAction = (kind: Action["kind"], frameIndex: number | null, objectIds: readonly number[]) => {
    if (propagationModes) history = addAction(history, { kind, frameIndex, objectIds });
  };

  function assemble({ frameIndex, rendered, unseen, stats }: RenderedFrame): FrameOutput {
    const areIndependent =
      policy.transformersParity.clicksAreTrackedPlainly && tracker.concepts().length === 0;
    const objectWiseNonOverlap = policy.mask.objectWiseNonOverlap && !areIndependent;
    const rules = { ...policy.sam3Parity, objectWiseNonOverlap };
    const output = assembleFrame(rendered, video, frameIndex, stats, rules);
    return withStates(tracker, output, rendered, unseen);
  }

  /** Renders the objects of a step, except the hidden ones. */
  async function render(
    frameIndex: number,
    { objects, stats, states = [] }: StepResult,
    hidden: ReadonlySet<number> = new Set(),
  ): Promise<RenderedFrame> {
    const shown = objects.filter(({ objectId, locked }) => locked || !hidden.has(objectId));
    const keepsBits = policy.mask.objectWiseNonOverlap && shown.length > 1;
    const rendered = judge(await renderObjects(run, m, video, shown, { keepsBits }), states);
    const unseen = withoutMask(states, rendered).filter(({ objectId }) => !hidden.has(objectId));
    return { frameIndex, rendered, unseen, stats };
  }

  /** Stores the masks of a frame for later propagations, and returns its output. */
  function storeAndAssemble(frame: RenderedFrame): FrameOutput {
    if (propagationModes) cache.set(frame.frameIndex, frame.rendered);
    return assemble(frame);
  }

  /** As `storeAndAssemble`, for a part of the objects. A frame without stored masks stays unvisited. */
  function amendAndAssemble(frame: RenderedFrame): FrameOutput {
    const stored = cache.get(frame.frameIndex);
    if (stored) {
      const amended = new Set([...frame.rendered, ...frame.unseen].map(({ objectId }) => objectId));
      const others = stored.filter(({ objectId }) => !amended.has(objectId));
      cache.set(
        frame.frameIndex,
        [...others, ...frame.rendered].sort((a, b) => a.objectId - b.objectId),
      );
    }
    return assemble(frame);
  }

  /** A step of a partial propagation: tracks the edited objects, and adds the stored masks of the others. */
  async function stepPartly(frame: Frame): Promise<FrameOutput> {
    const stored = cache.get(frame.index);
    if (!stored && tracker.needVisitedFrames(plan.objectIds)) {
      throw new PromptError(
        "nothing_prompted",
        `Corrected objects are tracked on visited frames only, and frame ${frame.index} was not visited. Propagate over it first.`,
      );
    }
    const edited = new Set(plan.objectIds);
    const result = await tracker.step(frame, editedIds());
    const { rendered, unseen, stats } = await render(frame.index, result);
    const others = (stored ?? []).filter(({ objectId }) => !edited.has(objectId));
    const all = [...others, ...rendered].sort((a, b) => a.objectId - b.objectId);
    const unseenOthers = storedUnseen(tracker, cache, frame.index, all).filter(
      ({ objectId }) => !edited.has(objectId),
    );
    const allUnseen = [...unseen.filter(({ objectId }) => edited.has(objectId)), ...unseenOthers];
    return storeAndAssemble({ frameIndex: frame.index, rendered: all, unseen: allUnseen, stats });
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
    const rendered: RenderedFrame[] = [];
    for (const { frameIndex, frame: shown, hidden } of emission.emitted)
      rendered.push(await render(frameIndex, shown, hidden));
    buffer = emission.buffer;
    return rendered.map(storeAndAssemble);
  }

  /** Ids of the objects of a partial propagation; null: all objects, and new ones. */
  const editedIds = () => (plan.mode === "partial" ? new Set(plan.objectIds) : null);

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

  /** Runs a request that undo takes back. */
  async function asEdit<T>(request: () => Promise<T>): Promise<T> {
    const result = await orRestore(request);
    timeline.changed();
    return result;
  }

  function isStored({ firstFrame, lastFrame }: PassRequest): boolean {
    const [low, high] = [Math.min(firstFrame, lastFrame), Math.max(firstFrame, lastFrame)];
    for (let index = low; index <= high; index++) if (!cache.has(index)) return false;
    return true;
  }

  /** Stores the waiting frames of a pass that did not reach its last frame, with all their objects. */
  async function storeWaiting(): Promise<void> {
    const waiting: RenderedFrame[] = [];
    if (propagationModes)
      for (const { frameIndex, frame } of buffer.waiting) waiting.push(await render(frameIndex, frame));
    for (const { frameIndex, rendered } of waiting) cache.set(frameIndex, rendered);
    buffer = emptyBuffer();
  }

  return {
    video,
    predict: tracker.predict,
    get history() {
      return history;
    },

    prompt: (frame, prompt) =>
      asEdit(async () => {
        const wasKnown = prompt.kind === "object" && tracker.objectIds().includes(prompt.objectId ?? -1);
        const { result, objectId, removedIds, semanticLogits } = await tracker.prompt(frame, prompt);
        const rendered = await render(frame.index, result);
        const [semantic] = semanticLogits ? await renderMaps(run, m, video, [semanticLogits]) : [];
        const leavesOutOthers = prompt.kind === "object" && prompt.leavesOutOthers;
        const output = leavesOutOthers ? amendAndAssemble(rendered) : storeAndAssemble(rendered);
        if (objectId === undefined) {
          history = [];
          // A running propagation detects the concept from now on.
          plan = FULL;
          for (const id of removedIds ?? []) cache.removeObject(id);
          return { output, ...(removedIds && { removedIds }), ...(semantic && { semantic }) };
        }
        recordAction(wasKnown ? "refine" : "add", frame.index, [objectId]);
        // A running partial propagation tracks the object as well.
        if (plan.mode === "partial")
          plan = { ...plan, objectIds: [...new Set([...plan.objectIds, objectId])] };
        return { output, objectId };
      }),

    async beginPropagation(request) {
      await storeWaiting();
      pass = request;
      if (request.objectIds) plan = { mode: "partial", objectIds: request.objectIds };
      else if (propagationModes && !tracksAll) {
        const hasConcepts = tracker.concepts().length > 0;
        const numFrames = parts.numFrames ?? Number.POSITIVE_INFINITY;
        const facts = { history, numFrames, hasConcepts, isStored: isStored(request) };
        plan = choosePropagation(facts, policy.sam3Parity);
        recordAction(plan.mode, request.startFrame, plan.objectIds);
      } else plan = FULL;
      tracker.beginPropagation(request.reverse);
      const recall = plan.mode === "fetch" ? undefined : tracker.recallNeed(request, editedIds());
      return { mode: plan.mode, ...(recall && { recall }) };
    },

    recall: (frame, masks) => orRestore(() => tracker.recall(frame, masks)),

    prepare: (frame) => tracker.prepare(frame, editedIds()),

    step: (frame) =>
      orRestore(async () => (plan.mode === "partial" ? [await stepPartly(frame)] : stepFully(frame))),

    fetch(frameIndex) {
      const rendered = (cache.get(frameIndex) ?? []).map((object) => ({
        ...object,
        prob: tracker.probability(object.objectId) ?? object.prob,
      }));
      const unseen = storedUnseen(tracker, cache, frameIndex, rendered);
      return assemble({
        frameIndex,
        rendered,
        unseen,
        stats: { tracked: tracker.objectIds().length, dropped: 0 },
      });
    },

    anchor: (frame, masks) => orRestore(() => tracker.anchor(frame, masks)),

    edit: (edit) =>
      asEdit(async () => {
        const result = tracker.edit(edit);
        // A concept may be removed during a pass.
        if (edit.kind !== "removeConcept") await storeWaiting();
        const stretch = rewrittenStretch(edit);
        if (stretch)
          cache.rewrite(stretch, (objects) => rewriteObjects(edit, result, objects, uniteRendered));
        if (result.removedIds.length > 0) recordAction("remove", null, result.removedIds);
        // The sides of an absence are tracked again.
        if (edit.kind === "absent") recordAction("refine", edit.firstFrame, [edit.objectId]);
        return result;
      }),

    removeObject(objectId) {
      if (!tracker.removeObject(objectId)) return false;
      cache.removeObject(objectId);
      recordAction("remove", null, [objectId]);
      timeline.changed();
      return true;
    },

    checkpoint: () => timeline.checkpoint(tracker.snapshot()),

    rollback(to) {
      const present = tracker.snapshot();
      tracker.restore(to === "before" ? timeline.back(present) : timeline.forward(present));
      cache.clear();
      history = [];
      buffer = emptyBuffer();
      plan = FULL;
      pass = NO_PASS;
      tracksAll = true;
    },

    reset() {
      tracker.reset();
      cache.clear();
      history = [];
      buffer = emptyBuffer();
      plan = FULL;
      pass = NO_PASS;
      timeline.clear();
      tracksAll = false;
    },

    describe: () => ({
      concepts: tracker.concepts(),
      negativeConcepts: tracker.negativeConcepts(),
      objectIds: tracker.objectIds(),
      objects: tracker.objects(),
    }),

    snapshot: () => ({
      tracker: tracker.snapshot(),
      outputs: cache.snapshot(),
      actions: history,
      plan,
      pass,
      buffer,
      timeline: timeline.snapshot(),
      tracksAll,
    }),
  };
}
