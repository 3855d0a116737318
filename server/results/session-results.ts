/** What a session keeps in the main process about its frames: prompts, results, and which of the results are stale. */

import { createMarks, type Marks } from "../edits/marks.js";
import type { FrameOutput } from "../engine/index.js";
import { createPromptLog, type PromptLog } from "../prompt-log.js";
import { type Affected, affectedStretch } from "./affected.js";
import { createStaleFrames, type StaleFrames } from "./stale-frames.js";
import { createResultsStore, type ResultsStore } from "./store.js";
import type { StoredFrame } from "./stored-frame.js";

/** Edits that can be undone. */
export const MAX_EDITS = 100;

export interface SessionResults {
  readonly prompts: PromptLog;
  readonly store: ResultsStore;
  readonly stale: StaleFrames;
  readonly marks: Marks;
  /**
   * Stores the result of a frame of a propagation.
   * @param objectIds the objects that were tracked; null: all
   * @returns the frame with all objects
   */
  tracked(output: FrameOutput, objectIds: ReadonlySet<number> | null): StoredFrame;
  /**
   * Stores the result of a prompt on one object. The other objects of the frame keep their results: the answer to a prompt
   * does not track them.
   * @returns what the prompt can change
   */
  objectPrompted(output: FrameOutput, objectId: number): Affected[];
  /** Stores the result of a concept prompt. @param replace see {@link PromptLog.addConcept} */
  conceptPrompted(output: FrameOutput, replace: boolean): Affected[];
  /** Deletes the results of an object. */
  objectRemoved(objectId: number): Affected[];
  clear(): void;
}

export function createSessionResults(options: {
  /** The number of frames in the video; it grows in live sessions. */
  numFrames(): number;
  maxBytes: number;
}): SessionResults {
  const { numFrames, maxBytes } = options;
  const prompts = createPromptLog();
  const store = createResultsStore({ maxBytes, maxVersions: MAX_EDITS });
  const stale = createStaleFrames();
  const marks = createMarks();
  const wholeVideo = () => ({ first: 0, last: numFrames() - 1 });

  return {
    prompts,
    store,
    stale,
    marks,
    tracked(output, objectIds) {
      stale.computed(output.frameIndex, objectIds);
      if (objectIds) return store.merge(output, objectIds);
      store.set(output);
      return output;
    },
    objectPrompted(output, objectId) {
      const { frameIndex } = output;
      const frame = { first: frameIndex, last: frameIndex };
      const anchors = [...prompts.framesOf(objectId), ...marks.anchorsOf(objectId)];
      marks.prompted(objectId, frameIndex);
      const affected = { objectId, ...affectedStretch(frame, anchors, numFrames()) };
      const own = new Set([objectId]);
      prompts.addObject(frameIndex, objectId);
      stale.add([{ ...affected, from: frameIndex }]);
      stale.computed(frameIndex, own);
      store.merge(output, own);
      return [affected];
    },
    conceptPrompted(output, replace) {
      const { frameIndex } = output;
      prompts.addConcept(frameIndex, replace);
      const affected = { objectId: null, ...wholeVideo() };
      stale.add([{ ...affected, from: frameIndex }]);
      store.set(output);
      return [affected];
    },
    objectRemoved(objectId) {
      prompts.removeObject(objectId);
      stale.removeObject(objectId);
      marks.removeObject(objectId);
      store.removeObject(objectId);
      return [{ objectId, ...wholeVideo() }];
    },
    clear() {
      prompts.clear();
      stale.clear();
      marks.clear();
      store.clear();
    },
  };
}
