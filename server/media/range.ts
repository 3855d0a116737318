import { ProtocolError } from "../../protocol/errors.js";
import type { FrameRange, MediaFrame, MediaSource } from "./source.js";

/** Throws `frame_out_of_range` unless the media has a frame of this index. */
export function checkedIndex({ numFrames }: { numFrames: number }, index: number): number {
  if (Number.isInteger(index) && index >= 0 && index < numFrames) return index;
  throw new ProtocolError(
    "frame_out_of_range",
    `Frame ${index} does not exist; there are ${numFrames}, numbered from 0.`,
  );
}

/** The frames `first` … `end - 1` of a range, in ascending order for both directions. */
export function checkedRange(facts: { numFrames: number }, range: FrameRange) {
  const { startFrame, count, direction, width, height } = range;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new RangeError(`expected a size of at least 1×1 in whole pixels, got ${width}×${height}`);
  }
  checkedIndex(facts, startFrame);
  return direction === "forward"
    ? { width, height, direction, first: startFrame, end: Math.min(facts.numFrames, startFrame + count) }
    : { width, height, direction, first: Math.max(0, startFrame + 1 - count), end: startFrame + 1 };
}

/** Implements `MediaSource.frame` by its `frames`. */
export function rememberLastFrame(frames: MediaSource["frames"]): MediaSource["frame"] {
  let last: { frame: MediaFrame; width: number; height: number } | undefined;
  return async (index, { width, height, signal }) => {
    signal?.throwIfAborted();
    if (last?.frame.index === index && last.width === width && last.height === height) return last.frame;
    const range: FrameRange = {
      startFrame: index,
      count: 1,
      direction: "forward",
      width,
      height,
      urgent: true,
      ...(signal && { signal }),
    };
    for await (const frame of frames(range)) {
      last = { frame, width, height };
      return frame;
    }
    throw new Error(`no frame was decoded for index ${index}`);
  };
}
