/** What a session keeps in the main process about its frames: prompts, results, and which of the results are stale. */

import { createMarks, type Marks } from "../edits/marks.js";
import type { FrameOutput } from "../engine/index.js";
import { createPromptLog, type PromptLog } from "../prompt-log.js";
import { type Affected, affectedStretch } from "./affected.js";
import { createEditLog, type EditLog, type EditLogParts } from "./edit-log.js";
import type { Revertible } from "./revertible.js";
import { createStaleFrames, type StaleFrames } from "./stale-frames.js";
import { createResultsStore, type ResultsStore } from "./store.js";
import { type StoredFrame, withStoredOthers } from "./stored-frame.js";

/** Edits that can be undone, see `tracker/timeline.ts`. */
const MAX_EDITS = 100;

/** A prompt that the engine has carried out. */
export interface PromptResult {
  /** The prompted object; undefined for a concept. */
  objectId: number | undefined;
  /** See {@link PromptLog.addConcept}. */
  replace: boolean;
  /** Objects that the prompt removed. */
  removedIds: readonly number[];
}

export interface SessionResults {
  readonly prompts: PromptLog;
  readonly store: ResultsStore;
  readonly stale: StaleFrames;
  readonly marks: Marks;
  /** Records edits. The methods below do so for prompts and removals. */
  readonly edits: EditLog;
  /**
   * Stores the result of a frame of a propagation.
   * @param objectIds the objects that were tracked; null: all
   * @returns the frame with all objects
   */
  tracked(output: FrameOutput, objectIds: ReadonlySet<number> | null): StoredFrame;
  /**
   * Records a prompt and stores its result. Of a prompt on one object, only that object is stored: the answer to a prompt does
   * not track the others.
   * @returns the frame for the answer, and what the prompt can change
   */
  prompted(output: FrameOutput, prompt: PromptResult): { frame: StoredFrame; affected: readonly Affected[] };
  /** Records a removal, and deletes the results of the object. @returns the frames that changed */
  removed(objectId: number): readonly Affected[];
  clear(): void;
}

export function createSessionResults(options: {
  /** The number of frames in the video; it grows in live sessions. */
  numFrames(): number;
  maxBytes: number;
  /** See {@link EditLogParts.rollback}. */
  rollback: EditLogParts["rollback"];
}): SessionResults {
  const { numFrames, maxBytes, rollback } = options;
  const prompts = createPromptLog();
  const store = createResultsStore({ maxBytes, maxVersions: MAX_EDITS });
  const stale = createStaleFrames();
  const marks = createMarks();
  const reverted = [prompts, stale, marks] as readonly Revertible<unknown>[];
  const edits = createEditLog({ rollback, results: store, parts: reverted, maxEdits: MAX_EDITS });
  const wholeVideo = () => ({ first: 0, last: numFrames() - 1 });

  function stretchOfPrompt(frameIndex: number, objectId: number | null) {
    if (objectId === null) return wholeVideo();
    const anchors = [...prompts.framesOf(objectId), ...marks.anchorsOf(objectId)];
    return affectedStretch({ first: frameIndex, last: frameIndex }, anchors, numFrames());
  }

  function dropObject(objectId: number): void {
    prompts.removeObject(objectId);
    stale.removeObject(objectId);
    marks.removeObject(objectId);
    store.removeObject(objectId);
  }

  return {
    prompts,
    store,
    stale,
    marks,
    edits,
    tracked(output, objectIds) {
      stale.computed(output.frameIndex, objectIds);
      if (objectIds) return store.merge(output, objectIds);
      store.set(output);
      return output;
    },
    prompted(output, { objectId = null, replace, removedIds }) {
      const { frameIndex } = output;
      const affected = { objectId, ...stretchOfPrompt(frameIndex, objectId) };
      edits.record({ name: "add_prompt", affected: [affected] });
      for (const id of removedIds) dropObject(id);
      stale.add([{ ...affected, from: frameIndex }]);
      if (objectId === null) {
        prompts.addConcept(frameIndex, replace);
        store.set(output);
        return { frame: output, affected: [affected] };
      }
      const own = new Set([objectId]);
      marks.prompted(objectId, frameIndex);
      prompts.addObject(frameIndex, objectId);
      stale.computed(frameIndex, own);
      const { objects, unseen = [] } = output;
      const computed = new Set([...objects, ...unseen].map((one) => one.objectId));
      // What the engine computed now replaces a stale mask.
      const isKept = (id: number) => id !== objectId && !(stale.isStale(id, frameIndex) && computed.has(id));
      const frame = withStoredOthers(output, store.get(frameIndex), isKept);
      store.merge(output, own);
      return { frame, affected: [affected] };
    },
    removed(objectId) {
      const affected = [{ objectId, ...wholeVideo() }];
      edits.record({ name: "remove_object", affected });
      dropObject(objectId);
      return affected;
    },
    clear() {
      prompts.clear();
      stale.clear();
      marks.clear();
      store.clear();
      edits.clear();
    },
  };
}
