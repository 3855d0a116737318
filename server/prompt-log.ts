/**
 * The prompted frames of a session: where a propagation starts by default, whether there is anything to track, and which
 * frames of an object are given by prompts.
 */
import type { Revertible } from "./results/revertible.js";

export interface PromptLog extends Revertible<PromptedFrames> {
  /** A concept prompt on a frame; `replace` removes the earlier concepts. */
  addConcept(frameIndex: number, replace: boolean): void;
  addObject(frameIndex: number, objectId: number): void;
  removeObject(objectId: number): void;
  clear(): void;
  /** The smallest prompted frame; undefined when nothing is prompted. */
  firstFrame(): number | undefined;
  /** The frames on which an object is prompted, in the order of their last prompts. */
  framesOf(objectId: number): readonly number[];
}

/** Never changed in place. */
export interface PromptedFrames {
  /** The smallest frame with a concept prompt. */
  readonly conceptFrame: number | undefined;
  readonly objects: ReadonlyMap<number, readonly number[]>;
}

/** Prompted frames per object. Beyond it, the one that was prompted longest ago is dropped, except the smallest. */
const MAX_FRAMES_PER_OBJECT = 256;

const EMPTY: PromptedFrames = { conceptFrame: undefined, objects: new Map() };

export function createPromptLog(): PromptLog {
  let prompted = EMPTY;

  function setFrames(objectId: number, frames: readonly number[]): void {
    prompted = { ...prompted, objects: new Map(prompted.objects).set(objectId, frames) };
  }

  return {
    addConcept(frameIndex, replace) {
      const earlier = prompted.conceptFrame;
      const conceptFrame = earlier === undefined || replace ? frameIndex : Math.min(earlier, frameIndex);
      prompted = { ...prompted, conceptFrame };
    },
    addObject(frameIndex, objectId) {
      const others = (prompted.objects.get(objectId) ?? []).filter((frame) => frame !== frameIndex);
      setFrames(objectId, keepNewest([...others, frameIndex]));
    },
    removeObject(objectId) {
      const objects = new Map(prompted.objects);
      objects.delete(objectId);
      prompted = { ...prompted, objects };
    },
    clear() {
      prompted = EMPTY;
    },
    firstFrame() {
      const frames = [...prompted.objects.values()].flat();
      if (prompted.conceptFrame !== undefined) frames.push(prompted.conceptFrame);
      return frames.length > 0 ? Math.min(...frames) : undefined;
    },
    framesOf: (objectId) => prompted.objects.get(objectId) ?? [],
    save: () => prompted,
    restore(saved) {
      prompted = saved;
    },
  };
}

function keepNewest(frames: readonly number[]): readonly number[] {
  if (frames.length <= MAX_FRAMES_PER_OBJECT) return frames;
  const dropped = frames[0] === Math.min(...frames) ? 1 : 0;
  return frames.filter((_, index) => index !== dropped);
}
