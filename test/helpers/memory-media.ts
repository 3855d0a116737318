/** A video in memory, drawn by a function, for tests of sessions without ffmpeg. */
import type { FrameRange, MediaSource } from "../../server/media/source.js";

/**
 * @param paint draws a frame at the size that the model takes
 * @returns `decoded`: the indices of all frames that were requested, in order
 */
export function createMemoryMedia(
  numFrames: number,
  paint: (index: number, size: { width: number; height: number }) => Uint8Array,
): MediaSource & { readonly decoded: number[] } {
  const decoded: number[] = [];
  const frameAt = (index: number, size: { width: number; height: number }) => {
    decoded.push(index);
    return { index, rgb: paint(index, size), timestampUs: index * 40_000 };
  };
  return {
    decoded,
    facts: {} as MediaSource["facts"],
    async *frames(range: FrameRange) {
      const step = range.direction === "forward" ? 1 : -1;
      for (let place = 0; place < (range.count ?? numFrames); place++) {
        if (range.signal?.aborted) return;
        yield frameAt(range.startFrame + place * step, range);
      }
    },
    frame: async (index, size) => frameAt(index, size),
    timeOf: (index) => index * 40_000,
    close: async () => {},
  };
}
