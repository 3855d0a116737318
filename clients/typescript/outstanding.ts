/** The requests of a client that are not answered. */
import type { PushFrameInput, RequestInput, RequestInputOf } from "../../protocol/index.js";
import type { MaskletError } from "./errors.js";
import type { FrameQueue } from "./frame-queue.js";

/** A request before it has an id. */
export type NewRequest = RequestInput | Omit<PushFrameInput, "request_id">;

type StartInput = RequestInputOf<"start_session"> | RequestInputOf<"load_session">;

export interface Outstanding {
  request: NewRequest & { request_id: string };
  resolve(fields: never): void;
  reject(error: MaskletError): void;
  stream?: FrameQueue;
  /** Sent by the client itself after its connection was lost. */
  isResuming?: boolean;
}

export interface OutstandingRequests {
  add(one: Outstanding): void;
  get(requestId: string): Outstanding | undefined;
  has(requestId: string): boolean;
  /** In the order in which they were made. */
  all(): Outstanding[];
  ofSession(sessionId: string): Outstanding[];
  remove(requestId: string): void;
  fail(one: Outstanding, error: MaskletError): void;
}

/** True for the requests that start a session. */
export function isStart<R extends NewRequest>(request: R): request is R & StartInput {
  return request.type === "start_session" || request.type === "load_session";
}

/** The session that a request names; undefined for requests without one, and for those that start one. */
export function sessionIdOf({ request }: Outstanding): string | undefined {
  return !isStart(request) && "session_id" in request ? request.session_id : undefined;
}

export function createOutstanding(): OutstandingRequests {
  const requests = new Map<string, Outstanding>();
  return {
    add: (one) => void requests.set(one.request.request_id, one),
    get: (requestId) => requests.get(requestId),
    has: (requestId) => requests.has(requestId),
    all: () => [...requests.values()],
    ofSession: (sessionId) => [...requests.values()].filter((one) => sessionIdOf(one) === sessionId),
    remove: (requestId) => void requests.delete(requestId),
    fail(one, error) {
      requests.delete(one.request.request_id);
      one.reject(error);
      one.stream?.fail(error);
    },
  };
}
