import type {
  AnswerOf,
  DoneMessage,
  FrameMessage,
  RequestInputOf,
  SessionFacts,
  VideoFacts,
} from "../../protocol/index.js";
import type { Exchange } from "./exchange.js";

/** Fields of `add_prompt`, without those that every request of a session has. */
export type PromptFields = Omit<RequestInputOf<"add_prompt">, "type" | "session_id">;

/** Fields of `predict`, without those that every request of a session has. */
export type PredictFields = Omit<RequestInputOf<"predict">, "type" | "session_id">;

/** Fields of `propagate_in_video`, without those that every request of a session has. */
export type PropagationFields = Omit<RequestInputOf<"propagate_in_video">, "type" | "session_id">;

/** One video and everything said about it. Every method rejects with a `MaskletError`. */
export interface MaskletSession {
  readonly id: string;
  /** What `start_session` answered: size, number of frames, frame rate. */
  readonly facts: VideoFacts;
  /** Says what to look for: a phrase, exemplars, clicks, or an object's box. */
  addPrompt(prompt: PromptFields): Promise<AnswerOf<"add_prompt">>;
  /** Masks for prompts on one picture, of which the session remembers nothing; `createImagePredictor` is built on it. */
  predict(fields: PredictFields): Promise<AnswerOf<"predict">>;
  /**
   * Frames as the server makes them. Leaving the loop early cancels the propagation, and waits until it has ended, so
   * that the next one may start. Returns the `done` message.
   */
  propagate(fields?: PropagationFields): AsyncGenerator<FrameMessage, DoneMessage, undefined>;
  /** Ends the running propagation; its loop gets what was made so far and ends. */
  cancel(): Promise<void>;
  removeObject(objId: number): Promise<void>;
  /** Forgets every prompt and object; the video stays open. */
  reset(): Promise<void>;
  /** What the server knows: concepts, objects, whether it is propagating. */
  get(): Promise<SessionFacts>;
  close(): Promise<void>;
}

export function createSession(exchange: Exchange, facts: VideoFacts): MaskletSession {
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
        // Whoever left is not interested in why the stream ended.
        await Promise.allSettled([cancel(), drained]);
      }
    }
  }

  return {
    id: session_id,
    facts,
    addPrompt: (prompt) => exchange.ask<"add_prompt">({ ...prompt, type: "add_prompt", session_id }),
    predict: (fields) => exchange.ask<"predict">({ ...fields, type: "predict", session_id }),
    propagate,
    cancel,
    async removeObject(obj_id) {
      await exchange.ask<"remove_object">({ type: "remove_object", session_id, obj_id });
    },
    async reset() {
      await exchange.ask<"reset_session">({ type: "reset_session", session_id });
    },
    get: () => exchange.ask<"get_session">({ type: "get_session", session_id }),
    async close() {
      await exchange.ask<"close_session">({ type: "close_session", session_id });
    },
  };
}
