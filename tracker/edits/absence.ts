/** Frames on which the user marked an object absent. The object has no mask there, whatever the model predicts. */
import { addFrames, type FrameSet, framesWithin, removeFrames } from "../frame-set.js";
import type { TrackerParts } from "../parts.js";
import { PromptError } from "../prompts.js";
import type { Edit } from "./edit.js";
import { objectOf } from "./objects.js";

/** @throws PromptError invalid_field when a frame of the range is locked */
export function markAbsent(parts: TrackerParts, edit: Extract<Edit, { kind: "absent" }>): void {
  const { objectId, firstFrame, lastFrame, absent } = edit;
  const masklet = objectOf(parts, objectId);
  const locked = [...masklet.locks.keys()].filter((index) => index >= firstFrame && index <= lastFrame);
  if (absent && locked.length > 0) {
    throw new PromptError(
      "invalid_field",
      `first_frame_index: object ${objectId} is locked on frame ${Math.min(...locked)}. Unlock it first.`,
      "first_frame_index",
    );
  }
  const change = absent ? addFrames : removeFrames;
  masklet.absent = change(masklet.absent, [firstFrame, lastFrame]);
}

/**
 * A prompt on an absent frame brings the object back: from this frame to the end of the range, it is no longer absent.
 * @throws PromptError invalid_field when the object is locked on the frame
 */
export function preparePrompt(
  { registry }: TrackerParts,
  frameIndex: number,
  objectId: number | undefined,
): void {
  const masklet = objectId === undefined ? undefined : registry.get(objectId);
  if (!masklet) return;
  if (masklet.locks.has(frameIndex)) {
    throw new PromptError(
      "invalid_field",
      `frame_index: object ${objectId} is locked on frame ${frameIndex}. Unlock it first.`,
      "frame_index",
    );
  }
  const range = masklet.absent.find(([first, last]) => first <= frameIndex && frameIndex <= last);
  if (range) masklet.absent = removeFrames(masklet.absent, [frameIndex, range[1]]);
}

/** Divides a set into the frames before a frame and those from it on. */
export function divideFrames(frames: FrameSet, frameIndex: number): { before: FrameSet; after: FrameSet } {
  return {
    before: framesWithin(frames, [0, frameIndex - 1]),
    after: framesWithin(frames, [frameIndex, LAST_FRAME]),
  };
}

/** The last frame of an absence that has no end. */
export const LAST_FRAME = Number.MAX_SAFE_INTEGER;
