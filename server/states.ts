/** The states of the objects of a frame in the form of the wire, and the masks that may be wrong. */
import type { AnswerOf, Outputs } from "../protocol/index.js";
import type { Marks } from "./edits/marks.js";
import type { PromptLog } from "./prompt-log.js";
import type { ResultsStore } from "./results/store.js";
import type { StoredFrame } from "./results/stored-frame.js";

type WireState = Outputs["out_states"][number];
type TrackedState = NonNullable<StoredFrame["unseen"]>[number];

/**
 * @param objects with a mask; those that no pass has tracked have no state
 * @param isConfirmed the masks that the user gave or locked: their score is 1, and they are never suspect
 * @returns by ascending id
 */
export function toStates(
  objects: StoredFrame["objects"],
  unseen: NonNullable<StoredFrame["unseen"]>,
  isConfirmed: (objectId: number) => boolean,
): WireState[] {
  const seen = objects.flatMap(({ objectId, judged }): WireState[] => {
    if (!judged) return [];
    const certain = isConfirmed(objectId) && { score: 1, suspect: null };
    return [toState({ objectId, state: "present", ...judged, ...certain })];
  });
  return [...seen, ...unseen.map(toState)].sort((a, b) => a.obj_id - b.obj_id);
}

function toState({ objectId, state, score, prompt, suspect }: TrackedState): WireState {
  const { kind, frameIndex, concept } = prompt;
  return {
    obj_id: objectId,
    state,
    score,
    prompt: { kind, frame_index: frameIndex, ...(concept !== undefined && { concept }) },
    suspect,
  };
}

/** Whether the user gave the mask of an object on a frame, by a prompt or an edit, or locked it. */
export function isConfirmed({ marks, prompts }: ConfirmedBy, objectId: number, frameIndex: number): boolean {
  const isLocked = marks
    .of(objectId)
    .locked.some(([first, last]) => first <= frameIndex && frameIndex <= last);
  return isLocked || prompts.framesOf(objectId).includes(frameIndex);
}

export interface ConfirmedBy {
  marks: Pick<Marks, "of">;
  prompts: Pick<PromptLog, "framesOf">;
}

/**
 * The stored masks that may be wrong, except confirmed ones: with the lowest object score first, and of equal scores the earlier frame.
 * @param limit largest number of masks in the answer
 */
export function listSuspects(
  { store, ...by }: { store: Pick<ResultsStore, "frames" | "get"> } & ConfirmedBy,
  limit: number,
): AnswerOf<"list_suspects"> {
  const all = store
    .frames()
    .flatMap((frameIndex) =>
      (store.get(frameIndex)?.objects ?? []).flatMap(({ objectId, judged }) =>
        judged?.suspect && !isConfirmed(by, objectId, frameIndex)
          ? [{ frame_index: frameIndex, obj_id: objectId, score: judged.score, reason: judged.suspect }]
          : [],
      ),
    );
  all.sort((a, b) => a.score - b.score || a.frame_index - b.frame_index || a.obj_id - b.obj_id);
  return { suspects: all.slice(0, limit), num_suspects: all.length };
}
