/** Every request of the page that changes a session. On success the state of the page follows. Rejects with a `MaskletError`. */
import type { AnswerOf, MaskletSession, PromptFields } from "../../typescript/index.js";
import type { EditClient } from "../edits/edit-context.js";
import type { AffectedRange } from "../edits/stale-frames.js";
import type { Change } from "../results/changes.js";
import { type FrameResult, frameResultOf } from "../results/frame-result.js";

export interface SessionRequests extends EditClient {
  /** @param onMasks called when the stage has the masks of the answer */
  addPrompt(fields: PromptFields, onMasks?: () => void): Promise<AnswerOf<"add_prompt">>;
  reset(): Promise<void>;
  /** Reads objects and the rest of the state again. */
  refresh(): Promise<void>;
}

export interface RequestEffects {
  /** A prompt was answered with the masks of its frame. */
  onPromptAnswer(result: FrameResult): void;
  onRemoved(ids: readonly number[]): void;
  /** Stored results changed. */
  onResultsChanged(changes: readonly Change[]): void;
  /** An edit of this kind was undone, or carried out again. */
  onMoved(direction: "undo" | "redo", edit: string, affected: readonly AffectedRange[]): void;
  onReset(): void;
  refresh(): Promise<void>;
}

export function createRequests(client: MaskletSession, effects: RequestEffects): SessionRequests {
  /** The requests whose effect is limited to stale frames and the facts of objects. */
  const follow = <A extends readonly unknown[], T>(
    send: (...fields: A) => Promise<T>,
    after: (answer: T, ...fields: A) => void = () => {},
  ) => {
    return async (...fields: A): Promise<T> => {
      const answer = await send(...fields);
      after(answer, ...fields);
      await effects.refresh();
      return answer;
    };
  };
  /** The frames of `affected` have the results from before the edit again. */
  async function move(direction: "undo" | "redo"): Promise<AnswerOf<"undo">> {
    const answer = await client[direction]();
    effects.onMoved(direction, answer.edit, answer.affected);
    effects.onResultsChanged(
      answer.affected.map(({ obj_id, first_frame_index: first, last_frame_index: last }) => ({
        ...{ objectId: obj_id, first, last },
      })),
    );
    await effects.refresh();
    return answer;
  }
  const lastFrame = client.facts.num_frames - 1;
  const changed = (ids: readonly number[], first = 0, last = lastFrame) =>
    effects.onResultsChanged(ids.map((objectId) => ({ objectId, first, last })));

  return {
    refresh: effects.refresh,
    addPrompt: follow(
      (fields: PromptFields, _onMasks?: () => void) =>
        client.addPrompt({ mask_format: "binary", track_others: false, ...fields }),
      (answer, _, onMasks) => {
        effects.onPromptAnswer(frameResultOf(answer));
        onMasks?.();
      },
    ),
    lockFrames: follow(client.lockFrames),
    markAbsent: follow(client.markAbsent, (_, { obj_id, first_frame_index, last_frame_index }) =>
      changed([obj_id], first_frame_index, last_frame_index),
    ),
    mergeObjects: follow(client.mergeObjects, (answer, { obj_id }) => {
      effects.onRemoved(answer.removed_obj_ids);
      changed([obj_id]);
    }),
    splitObject: follow(client.splitObject, ({ new_obj_id }, { obj_id, frame_index }) =>
      changed([obj_id, new_obj_id], frame_index),
    ),
    swapObjects: follow(client.swapObjects, (_, { obj_id, other_obj_id, frame_index }) =>
      changed([obj_id, other_obj_id], frame_index),
    ),
    rename: follow(client.rename),
    removeConcept: follow(client.removeConcept, ({ removed_obj_ids }) => effects.onRemoved(removed_obj_ids)),
    removeObject: follow(client.removeObject, (_, id) => effects.onRemoved([id])),
    undo: () => move("undo"),
    redo: () => move("redo"),
    async reset() {
      await client.reset();
      effects.onReset();
      await effects.refresh();
    },
  };
}
