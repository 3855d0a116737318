/**
 * The verbs of an engine session. Only this table lists them: every layer between an `EngineSession` and the tracker
 * forwards `(verb, params)` without naming a verb.
 *
 * To add a verb:
 * 1. Add its row to `SessionVerbs` (parameters, result) and to `SESSION_VERBS` (facts).
 * 2. Add its handler to `session-host.ts` and to `test/helpers/scripted-engine.ts`; the compiler reports a missing
 *    one.
 * 3. Test it in `test/server/engine/contract.test.ts`, which runs on the real and on the scripted engine.
 */
import type { CocoRle } from "../../protocol/rle.js";
import type { AnchorMask, Edit, EditResult } from "../../tracker/edits/edit.js";
import type { ObjectFacts } from "../../tracker/edits/objects.js";
import { MAX_PREPARED_FRAMES } from "../../tracker/feature-cache.js";
import type { BoxXywh, FrameOutput, PassRequest, PassStart } from "../../tracker/frame-output.js";
import type { RecalledMask } from "../../tracker/recall.js";

/** One decoded frame, stretched to the pack's square input. */
export interface EngineFrame {
  /** Position in the video, from 0. */
  index: number;
  /** `[S, S, 3]` uint8, row by row, red green blue; S is `PackSummary.inputSize`. */
  rgb: Uint8Array;
}

/** All coordinates are relative to the frame, 0..1. */
export type EnginePrompt =
  | {
      kind: "concept";
      text?: string;
      /** The instances of the phrase are not objects. */
      negative?: boolean;
      exemplars?: { boxesXywh: BoxXywh[]; labels: (0 | 1)[] };
      /** Remove the earlier concepts and their objects. */
      replace: boolean;
      /** Whether to return a map of all instances of the concept on the frame. */
      semanticMap?: boolean;
    }
  | {
      kind: "object";
      /** A known id corrects that object, an unknown id creates it; without an id the engine chooses one. */
      objectId?: number;
      points: [number, number][];
      labels: (0 | 1)[];
      boxXywh?: BoxXywh;
      /** The mask of the object, at the size of the video, with at least one pixel. Points refine it. */
      mask?: CocoRle;
      /** The mask of the object that is shown on the frame, at the size of the video; absent: none. First clicks refine it. */
      shown?: CocoRle;
      clearOldPoints: boolean;
      clearOldBoxes: boolean;
      /** Returns only the prompted object, without tracking the others to the frame. */
      leavesOutOthers?: boolean;
    };

/** Logits `[height, width]`, row by row. */
export interface LogitMap {
  logits: Float32Array;
  size: [height: number, width: number];
}

export interface EditAnswer extends EditResult {
  /** After the edit. */
  holds?: Holdings;
  /** All objects after the edit. */
  objects: ObjectFacts[];
}

/** What a session keeps in the inference process. */
export interface Holdings {
  /** Negative ones included. */
  concepts: number;
  objects: number;
}

/** A limit that applies together with that of the policy. */
export interface ObjectRoom {
  /** Detections beyond so many objects are dropped and counted, prompts rejected with object_limit. */
  maxObjects?: number;
}

export interface PromptAnswer {
  /** After the prompt. */
  holds?: Holdings;
  output: FrameOutput;
  /** Set for object prompts. */
  objectId?: number;
  /** Objects that a negative phrase deleted. */
  removedIds?: readonly number[];
  /** How much of a phrase the pack knows: the share of its words, 0..1, and the words that are not in the vocabulary. */
  vocabulary?: { coverage: number; unknownWords: readonly string[] };
  /** The map of the concept, if `semanticMap` is set; the mask covers the pixels whose logits are above 0. */
  semantic?: LogitMap & { mask: CocoRle };
}

/** Prompts of an image predictor. All coordinates are relative to the frame, 0..1. */
export interface PredictionPrompt {
  /** One list per prompt of the batch, all of the same length. */
  points: [number, number][][];
  labels: (0 | 1)[][];
  /** x0, y0, x1, y1; one per prompt of the batch, or none at all. */
  boxesXyxy?: [number, number, number, number][];
  /** Applies to every prompt of the batch. */
  maskInput?: LogitMap;
  multimask: boolean;
}

/** A proposed mask at the size of the video, and the logits it is rendered from. */
export interface PredictedMask extends LogitMap {
  mask: CocoRle;
  /** The model's estimate of the mask's quality, about 0..1. */
  iou: number;
}

export interface Step {
  /** `rollback` returns to the state before this call. Calls without it belong to the step before them. */
  isStep?: boolean;
}

/**
 * Verb: parameters and result. Pixels are always in `params.frame`. A verb that is rejected leaves the session as it was.
 */
export interface SessionVerbs {
  /**
   * Adds a prompt on a frame and returns the frame's objects. Applies between two frames of a running propagation.
   * Rejects with unsupported_by_pack, invalid_field, object_limit, concept_limit, nothing_prompted.
   */
  prompt: { params: { frame: EngineFrame; prompt: EnginePrompt } & Step & ObjectRoom; result: PromptAnswer };
  /**
   * Masks for prompts on one picture, without any effect on the session: for each prompt of the batch, its candidates. May be
   * ended between two masks. Rejects with unsupported_by_pack, invalid_field.
   */
  predict: { params: { frame: EngineFrame; prompt: PredictionPrompt }; result: PredictedMask[][] };
  /** Starts a pass over the video. Discards frames that were pushed and not stepped. */
  begin: { params: PassRequest; result: PassStart };
  /**
   * Adds masks of an earlier pass to the memories of their objects. Called after `begin` for the masks that its result asks for,
   * one frame after the other in the order of travel, before the first `push`.
   */
  recall: { params: { frame: EngineFrame; masks: readonly RecalledMask[] }; result: undefined };
  /**
   * Adds the next frame of the pass, in the order of travel. Its encoding starts at once, while other frames are tracked.
   * `maxObjects` applies to its step. Resolves when the inference process has the pixels; waits while {@link MAX_PUSHED_FRAMES} frames are pushed and not
   * stepped. Rejects when a new pass begins before the frame is sent. A failed encoding rejects the frame's `next`.
   */
  push: { params: { frame: EngineFrame } & ObjectRoom; result: undefined };
  /**
   * Steps the oldest pushed frame. Resolves to the frames that may be shown now: none, one, or several, because the output
   * may lag; the last step of a pass returns all frames that wait.
   */
  next: { params: undefined; result: FrameOutput[] };
  /** The stored result of a frame that was visited before. */
  fetch: { params: { frameIndex: number }; result: FrameOutput };
  /** Rejects with object_not_found. */
  removeObject: { params: { objectId: number } & Step; result: undefined };
  /**
   * Changes objects. Ends an unfinished pass, except `removeConcept`.
   * Rejects with object_not_found, concept_not_found, invalid_field, object_limit.
   */
  edit: { params: { edit: Edit } & Step & ObjectRoom; result: EditAnswer };
  /**
   * Makes masks of a frame conditioning memories, where an edit leaves an object without one. Rejects with object_not_found.
   */
  anchor: { params: { frame: EngineFrame; masks: readonly AnchorMask[] }; result: undefined };
  /**
   * Returns to the state before the last step, or to that after the step that was undone last. Ends a pass. Memories of tracked
   * frames are not part of these states: later passes recall them. Rejects with internal when there is no such step.
   */
  rollback: { params: { to: "before" | "after" }; result: undefined };
  describe: {
    params: undefined;
    result: {
      concepts: string[];
      negativeConcepts: string[];
      objectIds: number[];
      objects: ObjectFacts[];
    };
  };
  /** Removes prompts, objects and memory; the session stays open. */
  reset: { params: undefined; result: undefined };
}

export type SessionVerb = keyof SessionVerbs;
export type VerbParams<V extends SessionVerb> = SessionVerbs[V]["params"];
export type VerbResult<V extends SessionVerb> = SessionVerbs[V]["result"];

/** Properties of a verb on which the layers depend. */
export interface VerbFacts {
  /** Counted in `EngineStats.frames`. */
  countsAsFrame: boolean;
  /** A person waits for the answer: the call comes before the frames of streams. */
  isUrgent: boolean;
  /** Repeating all of these calls in their order rebuilds a session. */
  changesState: boolean;
  /**
   * Effect on the frames that are pushed and not stepped. A verb that adds a frame is carried out at once, all others one after
   * the other.
   */
  pushedFrames: "add" | "take" | "clear" | "keep";
}

export const SESSION_VERBS: Readonly<Record<SessionVerb, VerbFacts>> = {
  prompt: { countsAsFrame: true, isUrgent: true, changesState: true, pushedFrames: "keep" },
  predict: { countsAsFrame: true, isUrgent: true, changesState: false, pushedFrames: "keep" },
  begin: { countsAsFrame: false, isUrgent: false, changesState: true, pushedFrames: "clear" },
  recall: { countsAsFrame: true, isUrgent: false, changesState: true, pushedFrames: "keep" },
  push: { countsAsFrame: false, isUrgent: false, changesState: true, pushedFrames: "add" },
  next: { countsAsFrame: true, isUrgent: false, changesState: true, pushedFrames: "take" },
  fetch: { countsAsFrame: false, isUrgent: false, changesState: false, pushedFrames: "keep" },
  removeObject: { countsAsFrame: false, isUrgent: true, changesState: true, pushedFrames: "keep" },
  edit: { countsAsFrame: false, isUrgent: true, changesState: true, pushedFrames: "keep" },
  anchor: { countsAsFrame: true, isUrgent: true, changesState: true, pushedFrames: "keep" },
  rollback: { countsAsFrame: false, isUrgent: true, changesState: true, pushedFrames: "clear" },
  describe: { countsAsFrame: false, isUrgent: true, changesState: false, pushedFrames: "keep" },
  reset: { countsAsFrame: false, isUrgent: true, changesState: true, pushedFrames: "clear" },
};

/**
 * Frames pushed and not yet stepped: the one that `next` works on, and one that is encoded meanwhile. A tracker prepares as
 * many.
 */
export const MAX_PUSHED_FRAMES = MAX_PREPARED_FRAMES;

/** @param signal ends a call that changes no state; it then rejects with the signal's reason. Has no effect on other calls. */
export type CallVerb = <V extends SessionVerb>(
  verb: V,
  params: VerbParams<V>,
  signal?: AbortSignal,
) => Promise<VerbResult<V>>;

/** One method per verb. */
export type VerbMethods = {
  [V in SessionVerb]: (
    ...params: VerbParams<V> extends undefined ? [] : [params: VerbParams<V>, signal?: AbortSignal]
  ) => Promise<VerbResult<V>>;
};

/** The methods of a session whose calls all go to one function. */
export function verbMethods(call: CallVerb): VerbMethods {
  const verbs = Object.keys(SESSION_VERBS) as SessionVerb[];
  const methods = verbs.map(
    (verb) => [verb, (params: never, signal?: AbortSignal) => call(verb, params, signal)] as const,
  );
  // The compiler does not relate each name to its own parameters and result.
  return Object.fromEntries(methods) as unknown as VerbMethods;
}
