/**
 * Whose work a request continues. Label Studio names the annotator only in his drafts, which its page saves five seconds after a change.
 * Until then the ids and the keyframes of his regions show which answers he has.
 */
import type { Keyframe, Region } from "./schemas.js";
import { objectOf, type TaskState } from "./tasks.js";

export interface Asker {
  /** As drafts name him; undefined without a draft. */
  annotator: string | undefined;
  /** Ids of his regions. */
  regionIds: ReadonlySet<string>;
  /** Those of the pressed label. */
  regions: readonly Region[];
}

/** @param states of the task, the least recently used one first */
export function stateOf(states: readonly TaskState[], asker: Asker): TaskState | undefined {
  const { annotator, regionIds, regions } = asker;
  const own = annotator === undefined ? undefined : states.findLast((state) => state.annotator === annotator);
  if (own) return own;
  const candidates = states.filter((state) => [...regionIds].some((id) => objectOf(state, id)));
  const rank = (state: TaskState) => (state.isBatch ? 1 : state.annotator === undefined ? 2 : 0);
  const best = candidates
    .map((state, at) => ({ state, order: [agreement(state, regions), rank(state), at] as const }))
    .sort(({ order: a }, { order: b }) => b[0] - a[0] || b[1] - a[1] || b[2] - a[2]);
  return best[0]?.state;
}

/**
 * Further states with regions of an annotator that his state does not have: those of his first gestures, before he had a draft, and
 * predictions that he has taken over since.
 */
export const othersOf = (
  states: readonly TaskState[],
  own: TaskState,
  { annotator, regionIds }: Asker,
): TaskState[] =>
  states.filter(
    (state) =>
      annotator !== undefined &&
      state !== own &&
      (state.annotator ?? annotator) === annotator &&
      [...regionIds].some((id) => objectOf(state, id) && !objectOf(own, id)),
  );

/** False when another annotator may depend on the state. */
export const belongsTo = ({ isBatch, annotator }: TaskState, asker: Asker): boolean =>
  !isBatch && (annotator === undefined || asker.annotator === undefined || annotator === asker.annotator);

/** How many keyframes of the regions are those of the last answer. */
function agreement(state: TaskState, regions: readonly Region[]): number {
  let count = 0;
  for (const { id, value } of regions) {
    const sent = new Set(objectOf(state, id)?.sent.map(textOf));
    count += (value.sequence ?? []).filter((keyframe) => sent.has(textOf(keyframe))).length;
  }
  return count;
}

const textOf = ({ frame, enabled, x, y, width, height }: Keyframe): string =>
  [frame, enabled, x, y, width, height].join();
