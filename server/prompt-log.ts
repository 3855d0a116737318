/** The prompted frames of a session: where a propagation starts by default, and whether there is anything to track. */
export interface PromptLog {
  /** A concept prompt on a frame; `replace` removes the earlier concepts. */
  addConcept(frameIndex: number, replace: boolean): void;
  addObject(frameIndex: number, objectId: number): void;
  removeObject(objectId: number): void;
  clear(): void;
  /** The smallest prompted frame; undefined when nothing is prompted. */
  firstFrame(): number | undefined;
}

export function createPromptLog(): PromptLog {
  // Only the smallest frame is needed, so a session of a million clicks on one object stays small.
  let conceptFrame: number | undefined;
  const objectFrames = new Map<number, number>();
  return {
    addConcept(frameIndex, replace) {
      conceptFrame = conceptFrame === undefined || replace ? frameIndex : Math.min(conceptFrame, frameIndex);
    },
    addObject(frameIndex, objectId) {
      objectFrames.set(objectId, Math.min(objectFrames.get(objectId) ?? frameIndex, frameIndex));
    },
    removeObject(objectId) {
      objectFrames.delete(objectId);
    },
    clear() {
      conceptFrame = undefined;
      objectFrames.clear();
    },
    firstFrame() {
      const frames = [...objectFrames.values()];
      if (conceptFrame !== undefined) frames.push(conceptFrame);
      return frames.length > 0 ? Math.min(...frames) : undefined;
    },
  };
}
