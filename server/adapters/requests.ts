/** Requests to the predictor in the form of PROTOCOL.md, as any other client makes them. */
import {
  type AnswerOf,
  parseRequest,
  type RequestInputOf,
  type SingleRequest,
  type StreamRequest,
} from "../../protocol/index.js";
import { clientLeft } from "../failure.js";
import type { Client } from "../predictor.js";
import type { PropagatedFrame, PropagationEnd } from "../propagations.js";

/** @throws ProtocolError for every error that PROTOCOL.md lists for the request */
export async function ask<T extends SingleRequest["type"]>(
  client: Client,
  request: RequestInputOf<T> & { type: T },
  signal?: AbortSignal,
): Promise<AnswerOf<T>> {
  const answer = await client.answer(parseRequest(request) as SingleRequest, signal ? { signal } : {});
  // The compiler does not relate the type of a request to that of its answer.
  return answer as unknown as AnswerOf<T>;
}

/** The frames of a propagation; leaving the loop ends it. */
export function propagate(
  client: Client,
  request: Omit<RequestInputOf<"propagate_in_video">, "type">,
): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined> {
  return client.stream(parseRequest({ type: "propagate_in_video", ...request }) as StreamRequest);
}

/**
 * Ends a session if its sender leaves, now or before it has the whole answer, because no one else knows the session.
 * @throws ProtocolError when the sender has left
 */
export function endIfSenderLeaves(client: Client, session_id: string, leaving: AbortSignal): void {
  const end = () => void ask(client, { type: "close_session", session_id }).catch(() => {});
  if (!leaving.aborted) {
    leaving.addEventListener("abort", end, { once: true });
    return;
  }
  end();
  throw clientLeft();
}
