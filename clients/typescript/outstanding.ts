/** The requests of a client that are not answered. */
import type { RequestInput } from "../../protocol/index.js";
import type { MaskletError } from "./errors.js";
import type { FrameQueue } from "./frame-queue.js";

export interface Outstanding {
  request: RequestInput & { request_id: string };
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

/** The session that a request names; undefined for requests without one, and for `start_session`. */
export function sessionIdOf({ request }: Outstanding): string | undefined {
  return request.type !== "start_session" && "session_id" in request ? request.session_id : undefined;
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
