/**
 * Acknowledges the frames of streams that other clients of a controlled session started, such as an earlier process of the same
 * user. No loop of this client takes these frames, so each is acknowledged when it arrives.
 */
import type { AnswerOf, ServerMessage } from "../../protocol/index.js";
import type { KnownSession } from "./known-sessions.js";

export interface ForeignStreams {
  /** Takes the running streams from the answer to `attach_session`. */
  adopt(session: KnownSession, answer: Pick<AnswerOf<"attach_session">, "last_seq" | "streams">): void;
  /** A result that answers no request of this client. */
  receive(session: KnownSession, message: ServerMessage): void;
}

export interface ForeignStreamsParts {
  isOwnRequest(requestId: string): boolean;
  acknowledge(requestId: string, numFrames: number): void;
}

export function createForeignStreams({ isOwnRequest, acknowledge }: ForeignStreamsParts): ForeignStreams {
  return {
    adopt(session, { last_seq, streams }) {
      session.foreignFrom = last_seq;
      session.foreignStreams.clear();
      for (const { request_id, num_frames } of streams) {
        if (isOwnRequest(request_id)) continue;
        session.foreignStreams.set(request_id, num_frames);
        acknowledge(request_id, num_frames);
      }
    },
    receive(session, message) {
      if (message.type !== "frame" || message.request_id === null) return;
      const count = session.foreignStreams.get(message.request_id);
      if (count === undefined || (message.seq ?? 0) <= session.foreignFrom) return;
      session.foreignStreams.set(message.request_id, count + 1);
      acknowledge(message.request_id, count + 1);
    },
  };
}
