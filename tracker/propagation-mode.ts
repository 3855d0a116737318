/**
 * The mode of a propagation, decided by the actions before it: SAM 3's action history.
 *
 * `full` detects and tracks; `partial` tracks the edited objects again and leaves the others as they were; `fetch` shows
 * visited frames without running the model.
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
  /** Since the last concept prompt, which clears it. */
  history: readonly Action[];
  numFrames: number;
  /** The session has concepts. */
  hasConcepts: boolean;
  /** Masks of every frame that will be visited are known. */
  isKnown: boolean;
}

/** @param rules SAM 3's behaviour after removals, and whether a fetch shows unvisited frames as empty */
export function choosePropagation(
  facts: ModeFacts,
  rules: Pick<TrackerPolicy["sam3Parity"], "removalEndsTracking" | "showsUnknownFrames">,
): ModePlan {
  const plan = planByHistory(facts, rules);
  const isBlind = plan.mode !== "full" && facts.hasConcepts && !facts.isKnown;
  return isBlind && !rules.showsUnknownFrames ? FULL : plan;
}

const FULL: ModePlan = { mode: "full", objectIds: [] };
const FETCH: ModePlan = { mode: "fetch", objectIds: [] };

/** Actions beyond this number are compacted. The chosen modes do not depend on it. */
const MAX_ACTIONS = 64;

/**
 * Adds an action. Beyond `limit` actions, those that no longer decide a mode are dropped: everything before the second but
 * last propagation, and edits and removals that repeat an earlier one.
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
    // From one end of the video there is no other half.
    const wasWhole = last.frameIndex === 0 || last.frameIndex === numFrames - 1;
    return isSecond || wasWhole ? FETCH : { mode: last.kind, objectIds: last.objectIds };
  }
  const since = history.slice(history.findLastIndex(isPropagation) + 1);
  const edited = since.filter(({ kind }) => kind !== "remove").flatMap(({ objectIds }) => objectIds);
  const wasPropagated = since.length < history.length;
  if (!removalEndsTracking && !wasPropagated && hasConcepts) return FULL;
  return edited.length > 0 ? { mode: "partial", objectIds: [...new Set(edited)] } : FETCH;
}
