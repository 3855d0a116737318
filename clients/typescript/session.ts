import type {
  AnswerOf,
  DoneMessage,
  EditRequest,
  FrameDroppedMessage,
  FrameMessage,
  RequestInputOf,
  SessionFacts,
  VideoFacts,
} from "../../protocol/index.js";
import type { Exchange, PushFields } from "./exchange.js";

/** Fields of `push_frame` without those that name the session and the request. */
export type PushFrameFields = Omit<PushFields, "session_id">;

/** Fields of `add_prompt` without `type` and `session_id`. */
export type PromptFields = Omit<RequestInputOf<"add_prompt">, "type" | "session_id">;

/** Fields of `predict` without `type` and `session_id`. */
export type PredictFields = Omit<RequestInputOf<"predict">, "type" | "session_id">;

/** Fields of `propagate_in_video` without `type` and `session_id`. */
export type PropagationFields = Omit<RequestInputOf<"propagate_in_video">, "type" | "session_id">;

/** Fields of an edit without `type` and `session_id`. */
export type EditFields<T extends EditRequest["type"]> = Omit<RequestInputOf<T>, "type" | "session_id">;

/** One video with its prompts and objects. Every method rejects with a `MaskletError`. */
export interface MaskletSession {
  readonly id: string;
  /** The secret for `attachSession`, also from another process. */
  readonly token: string;
  /** The answer to `start_session`: size, number of frames, frame rate. */
  readonly facts: VideoFacts;
  /** Adds a phrase, exemplars, clicks, or the box of an object. */
  addPrompt(prompt: PromptFields): Promise<AnswerOf<"add_prompt">>;
  /** Masks for prompts on one frame; the objects of the session do not change. `createImagePredictor` uses it. */
  predict(fields: PredictFields): Promise<AnswerOf<"predict">>;
  /**
   * Frames as the server computes them. The server waits while the loop does not take the frames of a window. Leaving the
   * loop early cancels the propagation and waits until it has ended, so that the next one may start. Returns the `done`
   * message.
   */
  propagate(fields?: PropagationFields): AsyncGenerator<FrameMessage, DoneMessage, undefined>;
  /** Ends the running propagation. Its loop gets the frames computed so far and ends. */
  cancel(): Promise<void>;
  /**
   * Sends one frame of a live session, a JPEG, PNG or WebP picture. Resolves to its masks, or to `frame_dropped`. Without
   * `drop: "oldest"` a caller that awaits each frame never waits for more than one.
   */
  pushFrame(picture: Uint8Array, fields?: PushFrameFields): Promise<FrameMessage | FrameDroppedMessage>;
  /** Writes the session into a file on the server: `GET /v1/saved/ID` downloads it, `loadSession` continues it. */
  save(): Promise<AnswerOf<"save_session">>;
  removeObject(objId: number): Promise<AnswerOf<"remove_object">>;
  /** Takes back the last edit: a prompt, a removal, or one of the edits of objects. */
  undo(): Promise<AnswerOf<"undo">>;
  /** Carries out again the edit that was undone last. */
  redo(): Promise<AnswerOf<"redo">>;
  /** Keeps the stored masks of a range of frames as they are, or unlocks them. */
  lockFrames(fields: EditFields<"lock_frames">): Promise<AnswerOf<"lock_frames">>;
  /** Marks an object absent on a range of frames, or ends that. */
  markAbsent(fields: EditFields<"mark_absent">): Promise<AnswerOf<"mark_absent">>;
  /** Makes several objects one. */
  mergeObjects(fields: EditFields<"merge_objects">): Promise<AnswerOf<"merge_objects">>;
  /** Makes an object another one from a frame on. */
  splitObject(fields: EditFields<"split_object">): Promise<AnswerOf<"split_object">>;
  /** Exchanges two objects from a frame on. */
  swapObjects(fields: EditFields<"swap_objects">): Promise<AnswerOf<"swap_objects">>;
  /** Names an object or a concept; without `name`, removes its name. */
  rename(fields: EditFields<"rename">): Promise<AnswerOf<"rename">>;
  /** Removes a concept and its objects. */
  removeConcept(concept: string): Promise<AnswerOf<"remove_concept">>;
  /** Removes every prompt and object; the video stays open. */
  reset(): Promise<void>;
  /** The state of the session: concepts, objects, whether it is propagating. */
  get(): Promise<SessionFacts>;
  /** The computed masks that may be wrong, worst first. @param limit default: 100 */
  suspects(limit?: number): Promise<AnswerOf<"list_suspects">>;
  close(): Promise<void>;
  /** Leaves the session without ending it. */
  detach(): Promise<void>;
}

export function createSession(exchange: Exchange, facts: VideoFacts, token: string): MaskletSession {
  const { session_id } = facts;

  const cancel = async () => {
    await exchange.ask<"cancel_propagation">({ type: "cancel_propagation", session_id });
  };

  async function* propagate(
    fields: PropagationFields = {},
  ): AsyncGenerator<FrameMessage, DoneMessage, undefined> {
    const queue = exchange.stream({ ...fields, type: "propagate_in_video", session_id });
    try {
      for (;;) {
        const { done, value } = await queue.next();
        if (done) return value;
        yield value;
      }
    } finally {
      const drained = queue.drain();
      if (!queue.isSpent) {
        // The caller left the loop: how the stream ended is not its concern.
        await Promise.allSettled([cancel(), drained]);
      }
    }
  }

  return {
    id: session_id,
    token,
    facts,
    addPrompt: (prompt) => exchange.ask<"add_prompt">({ ...prompt, type: "add_prompt", session_id }),
    predict: (fields) => exchange.ask<"predict">({ ...fields, type: "predict", session_id }),
    propagate,
    cancel,
    pushFrame: (picture, fields = {}) => exchange.push({ ...fields, session_id }, picture),
    save: () => exchange.ask<"save_session">({ type: "save_session", session_id }),
    removeObject: (obj_id) => exchange.ask<"remove_object">({ type: "remove_object", session_id, obj_id }),
    undo: () => exchange.ask<"undo">({ type: "undo", session_id }),
    redo: () => exchange.ask<"redo">({ type: "redo", session_id }),
    lockFrames: (fields) => exchange.ask<"lock_frames">({ ...fields, type: "lock_frames", session_id }),
    markAbsent: (fields) => exchange.ask<"mark_absent">({ ...fields, type: "mark_absent", session_id }),
    mergeObjects: (fields) => exchange.ask<"merge_objects">({ ...fields, type: "merge_objects", session_id }),
    splitObject: (fields) => exchange.ask<"split_object">({ ...fields, type: "split_object", session_id }),
    swapObjects: (fields) => exchange.ask<"swap_objects">({ ...fields, type: "swap_objects", session_id }),
    rename: (fields) => exchange.ask<"rename">({ ...fields, type: "rename", session_id }),
    removeConcept: (concept) =>
      exchange.ask<"remove_concept">({ type: "remove_concept", session_id, concept }),
    async reset() {
      await exchange.ask<"reset_session">({ type: "reset_session", session_id });
    },
    get: () => exchange.ask<"get_session">({ type: "get_session", session_id }),
    suspects: (limit) =>
      exchange.ask<"list_suspects">({
        type: "list_suspects",
        session_id,
        ...(limit !== undefined && { limit }),
      }),
    async close() {
      await exchange.ask<"close_session">({ type: "close_session", session_id });
    },
    async detach() {
      await exchange.ask<"detach_session">({ type: "detach_session", session_id });
    },
  };
}
