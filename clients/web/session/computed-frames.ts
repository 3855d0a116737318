/** Collects the frames that a run computes: each change of the stale frames renders all lanes again. */
import { type FrameRange, joinRanges } from "../timeline/lane-states.js";

export interface ComputedFrames {
  /** @param objectIds the objects that were computed; undefined: all */
  add(frame: number, objectIds: readonly number[] | undefined): void;
  /** Reports the collected frames now. */
  flush(): void;
}

const COLLECT_MS = 250;

/** @param report receives all frames since the last report, joined */
export function createComputedFrames(
  report: (ranges: readonly FrameRange[], objectIds: readonly number[] | undefined) => void,
): ComputedFrames {
  let ranges: readonly FrameRange[] = [];
  let ids: readonly number[] | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (ranges.length === 0) return;
    const collected = ranges;
    ranges = [];
    report(collected, ids);
  }

  return {
    add(frame, objectIds) {
      if (ids !== objectIds) flush();
      ids = objectIds;
      ranges = joinRanges([...ranges, { first: frame, last: frame }]);
      timer ??= setTimeout(flush, COLLECT_MS);
    },
    flush,
  };
}
