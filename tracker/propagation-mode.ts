/**
 * Chooses the mode of a propagation from the actions before it, as SAM 3 does with its action history.
 *
 * `full` detects and tracks. `partial` tracks the edited objects again and keeps the stored masks of the others. `fetch`
 * shows the stored masks of visited frames without running the model.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (action history and processing order).
 */
import type { TrackerPolicy } from "./policy.js";

export type PropagationMode = "full" | "partial" | "fetch";

export interface Action {
  kind: "add" | "refine" | "remove" | PropagationMode;
  /** For a propagation, the requested start frame; null when the request names none. */
  frameIndex: number | null;
  objectIds: readonly number[];
}

export interface ModePlan {
  mode: PropagationMode;
  /** The objects of a partial propagation. */
  objectIds: readonly number[];
}

export interface ModeFacts {
  /** The actions since the last concept prompt. */
  history: readonly Action[];
  numFrames: number;
  /** The session has concepts. */
  hasConcepts: boolean;
  /** The masks of all frames of the propagation are stored. */
  isStored: boolean;
}

/**
 * Chooses the mode of the next propagation.
 * @param rules SAM 3's behaviour after removals, and whether `fetch` may show unvisited frames without objects
 */
export function choosePropagation(
  facts: ModeFacts,
  rules: Pick<TrackerPolicy["sam3Parity"], "removalEndsTracking" | "showsUnknownFrames">,
): ModePlan {
  const plan = planByHistory(facts, rules);
  const lacksFrames = plan.mode !== "full" && facts.hasConcepts && !facts.isStored;
  return lacksFrames && !rules.showsUnknownFrames ? FULL : plan;
}

const FULL: ModePlan = { mode: "full", objectIds: [] };
const FETCH: ModePlan = { mode: "fetch", objectIds: [] };

/** A history of more actions is compacted. The chosen modes do not depend on this number. */
const MAX_ACTIONS = 64;

/**
 * Adds an action to the history. A history of more than `limit` actions is reduced to those that can affect a later mode:
 * the last two propagations, and the edits and removals after them without repetitions.
 */
export function addAction(
  history: readonly Action[],
  action: Action,
  limit = MAX_ACTIONS,
): readonly Action[] {
  const actions = [...history, action];
  if (actions.length <= limit) return actions;
  const last = actions.findLastIndex(isPropagation);
  const propagations = actions.slice(Math.max(0, last - 1), last + 1);
  const since = new Map<string, Action>();
  for (const later of actions.slice(last + 1)) {
    const key = later.kind === "remove" ? "remove" : later.objectIds.join();
    if (!since.has(key)) since.set(key, later);
  }
  return [...propagations, ...since.values()];
}

const isPropagation = ({ kind }: Action) => kind === "full" || kind === "partial" || kind === "fetch";

function planByHistory(
  { history, numFrames, hasConcepts }: ModeFacts,
  { removalEndsTracking }: Pick<TrackerPolicy["sam3Parity"], "removalEndsTracking">,
): ModePlan {
  const last = history.at(-1);
  if (!last) return FULL;
  if (last.kind === "fetch") return FETCH;
  if (last.kind === "full" || last.kind === "partial") {
    const before = history.at(-2);
    const isSecond = before !== undefined && (before.kind === "full" || before.kind === "partial");
    // A propagation from one end of the video covers all of it. From another frame, a second one covers the other half.
    const coveredAll = last.frameIndex === 0 || last.frameIndex === numFrames - 1;
    return isSecond || coveredAll ? FETCH : { mode: last.kind, objectIds: last.objectIds };
  }
  const since = history.slice(history.findLastIndex(isPropagation) + 1);
  const edited = since.filter(({ kind }) => kind !== "remove").flatMap(({ objectIds }) => objectIds);
  const wasPropagated = since.length < history.length;
  if (!removalEndsTracking && !wasPropagated && hasConcepts) return FULL;
  return edited.length > 0 ? { mode: "partial", objectIds: [...new Set(edited)] } : FETCH;
}
