/**
 * What a propagation does, from what happened before it: SAM 3's action history.
 *
 * `full` detects and tracks; `partial` tracks the edited objects again and leaves the others as they were; `fetch` shows
 * what is known and asks no model.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (action history and processing order).
 */
import type { TrackerPolicy } from "./policy.js";

export type PropagationMode = "full" | "partial" | "fetch";

export interface Action {
  kind: "add" | "refine" | "remove" | PropagationMode;
  /** For a propagation the start frame that was asked for; null when none was. */
  frameIndex: number | null;
  objectIds: readonly number[];
}

export interface ModePlan {
  mode: PropagationMode;
  /** Whom a partial propagation is about. */
  objectIds: readonly number[];
}

export interface ModeFacts {
  /** Since the last phrase or exemplar, which clears it. */
  history: readonly Action[];
  numFrames: number;
  /** Something is looked for. */
  hasConcepts: boolean;
  /** Masks of every frame that will be visited are known. */
  isKnown: boolean;
}

/** @param rules what SAM 3 does after removals, and whether frames that nobody has visited are only shown, empty */
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
