import type { FrameRange, MediaFrame, MediaSource } from "./source.js";

/** Adds `isDamaged` to a source. Memory: one number for each frame found damaged. */
export function recordDamage(source: MediaSource): MediaSource {
  const damaged = new Set<number>();
  function record(frame: MediaFrame): MediaFrame {
    if (frame.damaged) damaged.add(frame.index);
    return frame;
  }
  return {
    ...source,
    async *frames(range: FrameRange) {
      for await (const frame of source.frames(range)) yield record(frame);
    },
    frame: async (index, size) => record(await source.frame(index, size)),
    isDamaged: (index) => damaged.has(index),
  };
}

/** The field that reports a damaged picture to a client. */
export function damageOf({ isDamaged }: Pick<MediaSource, "isDamaged">, frame: number): { damaged?: true } {
  return isDamaged?.(frame) ? { damaged: true } : {};
}
