/** Decodes frames again in any order, with one decoder for each run of neighbours. */
import type { EngineFrame } from "./engine/index.js";
import type { FrameRange, MediaSource } from "./media/source.js";

type Run = Pick<FrameRange, "startFrame" | "count" | "direction">;

/** @param size of the pictures; see {@link FrameRange} */
export async function* replayFrames(
  media: MediaSource,
  size: { width: number; height: number },
  indices: readonly number[],
): AsyncGenerator<EngineFrame, void, undefined> {
  for (const run of runsOf(indices)) {
    for await (const { index, rgb } of media.frames({ ...run, ...size })) yield { index, rgb };
  }
}

/** Splits indices into runs that ascend or descend by one. */
export function runsOf(indices: readonly number[]): Run[] {
  const runs: Run[] = [];
  let previous: number | undefined;
  for (const index of indices) {
    const run = runs.at(-1);
    const step = previous === undefined ? 0 : index - previous;
    previous = index;
    const direction = step === 1 ? "forward" : step === -1 ? "backward" : undefined;
    if (run && direction && (run.count === 1 || run.direction === direction)) {
      run.count += 1;
      run.direction = direction;
    } else runs.push({ startFrame: index, count: 1, direction: "forward" });
  }
  return runs;
}
